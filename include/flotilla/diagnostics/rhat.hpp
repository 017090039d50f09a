#pragma once

#include <span>

#include "flotilla/core/batch.hpp"
#include "flotilla/diagnostics/moments.hpp"

namespace flotilla {

/// The potential scale reduction factor of chains of equal length; 1 where they agree.
///
/// Of split chains it is split R-hat, of split chains' normal scores rank-normalised R-hat.
/// @returns NaN below two draws a chain, or where no chain varies
/// Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, eq. 1 to 4.
double rhat(std::span<const Moments> chains);

/// Nested R-hat: chains that began at one point form a superchain, and superchains are compared.
///
/// @param chains       of equal length; those of a superchain lie one after another
/// @param superchains  K >= 2, divides the number of chains
/// @returns sqrt(1 + B / W): B the variance of superchain means, W the mean variance inside a
///          superchain, that between its chains included; NaN where K is no such number
/// Source: Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari & Gelman 2024, definition 2.1.
double nested_rhat(std::span<const Moments> chains, Index superchains);

}  // namespace flotilla
