// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/core/location.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/flow/golden.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/finding.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// A flow to verify, and how many draws to examine it at.
struct FlowVerificationConfig {
  std::string flow;
  ContextSource context;  ///< of a conditional flow, for the draws; an empty list: none
  Index draws = 0;        ///< of the base density; 0: golden values only
  std::uint64_t seed = 1;

  /// @throws InputError naming the first option that is out of range, and its range
  void validate() const;
};

/// The options of a verification as a table. It points into `verification`, which must outlive it.
std::vector<Option> options_of(FlowVerificationConfig& verification);

/// Quantiles of a figure over the draws at which it is finite; undefined if there are none.
struct Spread {
  double median = kUndefined;
  double most = kUndefined;  ///< quantile 0.99
  double largest = kUndefined;
};

/// Condition number of J, largest over smallest singular value, at the first draws.
struct Condition {
  Index draws = 0;     ///< at which it was found; 0: not at all
  bool exact = false;  ///< from the dense J; else a lower bound, by power iteration
  Spread number;
};

/// How high log q_X(f(z)) rises above its draws, by gradient ascent in z.
struct Climb {
  Index starts = 0;                  ///< the best draws
  double highest_draw = kUndefined;  ///< log q_X of the best draw
  double highest = kUndefined;       ///< log q_X reached; infinity if the density is infinite there
  double distance = kUndefined;      ///< |z| there
  bool rising = false;  ///< still rising by more than a nat when the steps were used up
};

/// What draws tell of a flow. Deviations of points are relative to max(1, |coordinate|), the
/// largest of a point's coordinates; deviations of l are in nats. Infinite where a result is not
/// finite.
struct FlowHealth {
  Index dim = 0;
  Index draws = 0;
  Index non_finite = 0;        ///< draws whose x, l or log q_X is not finite, in double
  Index non_finite_float = 0;  ///< draws that are finite in double, but not in float
  Spread log_det;              ///< of |l|
  Spread log_det_apart;        ///< of |l - median of l|
  double smallest_log_det = kUndefined;
  double largest_log_det = kUndefined;
  bool has_inverse = false;
  Spread round_trip;          ///< f^-1(f(z)) from z, in double
  Spread round_trip_log_det;  ///< l of the inverse from l of the forward pass, in double
  Spread round_trip_float;    ///< as round_trip, in float
  Spread float_x;             ///< x in float from x in double
  Spread float_log_det;
  Condition condition;
  Climb climb;
  std::vector<Finding> findings;
};

/// Whether a flow is computed as its exporter did, and what its draws are like.
struct FlowVerification {
  std::string flow;
  Index golden_points = 0;  ///< 0: the file has no golden values
  bool has_base_golden = false;
  GoldenDeviations in_double;
  GoldenDeviations in_float;
  std::optional<FlowHealth> health;  ///< of draws, if any were asked for

  /// Whether the golden values are what this program computes.
  bool reproduces_golden() const;
};

/// Recomputes the golden values of a flow file; then, if they are right, examines the flow at draws
/// of its base density. Ranks share the draws; rank 0 gets the result, the same bits on any number
/// of ranks. Collective.
/// @throws InputError, the same on every rank, if the file cannot be used, or has no golden values
/// and no draws are asked for
FlowVerification verify_flow(const FlowVerificationConfig& config, const Communicator& comm);

/// A table of the golden values, a line for every finding at draws, and the verdict.
std::string as_table(const FlowVerification& verification);
std::string as_json(const FlowVerification& verification);

}  // namespace flotilla
