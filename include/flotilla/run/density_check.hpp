// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/location.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/finding.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// The density to check, and where.
struct DensityCheckConfig {
  std::string density;  ///< as of RunConfig; likewise the next
  std::string density_args;
  Location points;        ///< points in data space [n x dim]; empty: draws
  std::string flow;       ///< its draws f(z), and its cost; empty: draws of N(0, I)
  ContextSource context;  ///< of a conditional flow; an empty list: none
  Index draws = 64;       ///< number of points: the first ones of `points`, or drawn
  Index dim = 0;          ///< of draws of N(0, I); 0: the density's own
  std::uint64_t seed = 1;

  /// @throws InputError naming the first option that is out of range, and its range
  void validate() const;
};

/// The options of a check as a table. It points into `check`, which must outlive it.
std::vector<Option> options_of(DensityCheckConfig& check);

struct DensityCheck {
  std::string density;  ///< its name
  Index dim = 0;
  Index points = 0;
  std::vector<Finding> findings;
  double seconds_per_point = kUndefined;       ///< of value and gradient, in batches
  double flow_seconds_per_point = kUndefined;  ///< forward pass and reverse pass; without flow
                                               ///< undefined
};

/// Checks that a density is what a run takes it for: values that are a function of the point alone,
/// and their gradient. Measures what a call costs. Rank 0 does it; every rank gets the result.
///
/// Collective. @throws InputError, the same on every rank, if the density cannot be opened, or the
/// points do not fit; EnvironmentError if it fails at a point
DensityCheck check_density(const DensityCheckConfig& config, const Communicator& comm);

/// A line for every finding, costs, and the verdict.
std::string check_text(const DensityCheck& check);
std::string check_json(const DensityCheck& check);

}  // namespace flotilla
