// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <memory>
#include <string>

#include "flotilla/flow/record.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla {

/// What was observed of a point x: y = A x + noise, the noise Gaussian and independent. As its file
/// has it: arrays by name, unchecked.
struct Observation {
  std::string name;  ///< of the file, for messages
  /// "y" [m]; "noise", its standard deviation, one number or [m]; and of A either "operator"
  /// [m x dim] or "indices" [m], the coordinates that A picks, counted from 0
  std::map<std::string, Tensor> arrays;
};

/// The likelihood of x: log p(y | x) in nats, with its constant.
///
/// @param dim  number of coordinates of x
/// @throws InputError if an array is missing, of a wrong shape, or has values that cannot be
std::unique_ptr<Density> likelihood(const Observation& observation, Index dim);

}  // namespace flotilla
