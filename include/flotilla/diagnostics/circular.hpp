// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <span>

#include "flotilla/core/circle.hpp"
#include "flotilla/diagnostics/chain_draws.hpp"
#include "flotilla/diagnostics/quantity.hpp"

namespace flotilla {

/// What is looked at of a coordinate: the coordinate itself; or, on a circle, its place with the
/// circle cut open opposite a centre, and cosine and sine of its angle from the centre.
enum class View { kLine, kPlace, kCosine, kSine };

/// @pre view is kLine, or the circle is not a line
double seen(View view, const Circle& circle, double centre, double x);

/// The point of the circle in the direction of the mean cosine and sine, angles taken from
/// `centre`. Turning all draws turns it with them.
double circular_mean(const Circle& circle, double centre, double cosine, double sine);

/// The circular mean of the draws that are finite, from which their angles are to be taken.
template <typename T>
double centre_of(const Circle& circle, std::span<const T> draws);

/// The summary of draws on a circle, from those of their three views. Turning all draws turns mean
/// and quantiles with them and leaves the other figures.
///
/// R-hat and effective sample sizes are the worse of cosine's and sine's. The mean is circular, and
/// its error that of its direction, half the circle at most; sd and quantiles are those of the
/// places.
QuantitySummary on_circle(const Circle& circle, double centre, const QuantitySummary& place,
                          const QuantitySummary& cosine, const QuantitySummary& sine);

/// Computes the exact summary of draws in memory of a coordinate on a circle; see summarise().
QuantitySummary summarise_on_circle(const ChainDraws& draws, const Circle& circle,
                                    Index superchains);

}  // namespace flotilla
