// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The normalising constant Z of a density pi, from draws of pi and draws of a normalised density q.
// Both are given by log r = log pi - log q at the draws, in nats; -inf where pi is zero.

#include <span>

#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/chain_draws.hpp"

namespace flotilla {

/// log Z by bridge sampling, and what it rests on.
struct BridgeEstimate {
  double log_evidence = kUndefined;  ///< log Z, nats
  double error = kUndefined;         ///< its standard error, nats
  /// Integral of 2 p q / (p + q), where p = pi / Z: 1 if p and q agree, 0 if they have no region in
  /// common. The smaller of the estimates by either set of draws.
  double overlap = kUndefined;
  double run_draws = kUndefined;   ///< independent draws of pi that lie where q does
  double base_draws = kUndefined;  ///< draws of q that lie where pi does
};

/// Estimates log Z by the optimal bridge between draws of pi and independent draws of q.
///
/// Its equation has one solution, which bisection finds. All is undefined if no draw of q has pi >
/// 0. The error counts autocorrelation; it is undefined if chains are shorter than six draws.
/// @param run   [chains x draws], finite @pre not empty
/// @param base  [draws of q], finite or -inf @pre not empty
/// Source: Meng & Wong 1996, section 3; error: Fruehwirth-Schnatter 2004, eq. 15 to 17.
BridgeEstimate bridge_estimate(const ChainDraws& run, std::span<const double> base);

/// log Z from independent draws of q alone.
struct ImportanceEstimate {
  double log_evidence = kUndefined;    ///< log of the mean of r, nats
  double error = kUndefined;           ///< its standard error, nats; too small if few draws count
  double effective_size = kUndefined;  ///< (sum of r)^2 / sum of r^2, in draws
};

/// @param base  as in bridge_estimate() @pre not empty
ImportanceEstimate importance_estimate(std::span<const double> base);

}  // namespace flotilla
