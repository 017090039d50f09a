// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/target/target.hpp"

namespace flotilla {

/// Quantile of l(z) = log|det J(z)| under z ~ q_Z, in nats, for a probability in (0, 1).
using LogDetQuantile = std::function<double(double probability)>;

/// What a target is made of. All of it outlives the target.
template <typename T>
struct TargetInputs {
  const Flow<T>& flow;
  const Density* density = nullptr;  ///< null unless the target needs one
};

/// A row of the registry of targets: all that the program knows of a target.
struct TargetRow {
  Choice choice;               ///< a choice of --target
  bool needs_density = false;  ///< whether it is made of a density that comes from outside
  /// Whether log pi - log q_Z is a function of l alone. If so, log q_Z follows from log pi and l.
  bool of_log_det_alone = false;
  /// Whether pi / q_Z is bounded, so that no chain can stick to a point that global moves hardly
  /// ever leave.
  bool bounded_weight = false;
  /// Finds parameters that are only known when the run begins, and leaves those that make the
  /// target. Null if there are none to find.
  void (*complete)(ParameterValues& values, const LogDetQuantile& quantile) = nullptr;
  /// Makes the target from completed values.
  std::unique_ptr<Target<float>> (*in_float)(const ParameterValues& values,
                                             const TargetInputs<float>& inputs) = nullptr;
  std::unique_ptr<Target<double>> (*in_double)(const ParameterValues& values,
                                               const TargetInputs<double>& inputs) = nullptr;
  bool takes_likelihood = false;  ///< whether that density may be the likelihood of an observation
};

/// All targets that a configuration may name.
const std::vector<TargetRow>& target_registry();

/// The row of a target. @throws InputError naming the choices if there is none
const TargetRow& target_row(const std::string& name);

/// Whether pi / q_Z of a target is known to be bounded; not of one that no row has.
bool has_bounded_weight(const std::string& name);

/// @throws InputError if no row has the name, the row does not have a parameter, or a value is out
/// of range
void expect_target(const Specification& specification);

/// The specification of exactly the target that is sampled: every parameter has a value, and values
/// that depend on the flow are found. A resolved specification is returned unchanged.
///
/// @param quantile  called at most once; if it is collective, so is this function
/// @throws InputError as expect_target() does, or if a value that was found cannot be used
Specification resolve_target(const Specification& specification, const LogDetQuantile& quantile);

/// Makes the target of a resolved specification.
///
/// @param flow, density  outlive the target; without need of a density, null
/// @throws InputError as expect_target() does, if the specification is not resolved, or if a
/// density is missing or not needed
template <typename T>
std::unique_ptr<Target<T>> make_target(const Specification& specification, const Flow<T>& flow,
                                       const Density* density = nullptr);

}  // namespace flotilla
