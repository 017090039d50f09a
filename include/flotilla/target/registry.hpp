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

/// The quantile of l(z) = log|det J(z)| under z ~ q_Z, in nats, for a probability in (0, 1).
using LogDetQuantile = std::function<double(double probability)>;

/// A row of the registry of targets: all that the program knows of one.
struct TargetRow {
  Choice choice;  ///< of --target
  /// Whether log pi - log q_Z is a function of l alone: then log q_Z follows from log pi and l.
  bool of_log_det_alone = false;
  /// Finds what has to be found when the run begins, and leaves what makes the target; null where
  /// there is nothing to find.
  void (*complete)(ParameterValues& values, const LogDetQuantile& quantile) = nullptr;
  /// Makes it from completed values. The flow outlives the target.
  std::unique_ptr<Target<float>> (*in_float)(const ParameterValues& values,
                                             const Flow<float>& flow) = nullptr;
  std::unique_ptr<Target<double>> (*in_double)(const ParameterValues& values,
                                               const Flow<double>& flow) = nullptr;
};

/// Every target that a configuration may name.
const std::vector<TargetRow>& target_registry();

/// @throws InputError naming the choices
const TargetRow& target_row(const std::string& name);

/// @throws InputError where no row has the name, a parameter is not the row's or out of its range
void expect_target(const Specification& specification);

/// The specification of the very target that is sampled: every value in it, and found what has to
/// be found. A resolved specification stays as it is.
///
/// @param quantile  asked at most once; where it is collective, so is this
/// @throws InputError as expect_target() does, or where what was found cannot be used
Specification resolve_target(const Specification& specification, const LogDetQuantile& quantile);

/// The target that a resolved specification means. @param flow  outlives the target
/// @throws InputError as expect_target() does, or where the specification is not resolved
template <typename T>
std::unique_ptr<Target<T>> make_target(const Specification& specification, const Flow<T>& flow);

}  // namespace flotilla
