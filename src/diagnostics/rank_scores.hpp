// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/diagnostics/chain_draws.hpp"

namespace flotilla {

/// The normal score of rank r among n values, Phi^-1((r - 3/8) / (n + 1/4)). r runs from 1 to n;
/// tied values may have half ranks. Source: Blom 1958; Vehtari et al. 2021, eq. 14.
double normal_score(double rank, double n);

/// The quantile of sorted values, as R, NumPy and ArviZ compute it by default: linear between order
/// statistics. @param p  in [0, 1] @pre not empty
/// Source: Hyndman & Fan 1996, type 7.
double quantile(const std::vector<double>& sorted, double p);

/// Replaces every value by the normal score of its rank among all values of all chains. Tied values
/// share their mean rank. Source: Vehtari et al. 2021, section 3.1.
ChainDraws normal_scores(const ChainDraws& draws);

/// Replaces every value by its distance from a centre. These distances compare the spread of
/// chains.
ChainDraws folded(const ChainDraws& draws, double centre);

}  // namespace flotilla
