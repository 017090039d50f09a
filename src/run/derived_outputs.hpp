// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/sampler/draw_block.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla {

/// Computes what a density derives from draws, variable by variable, as a run file stores it.
class DerivedOutputs {
 public:
  /// No density, or none that derives anything.
  DerivedOutputs() = default;
  /// @param density  outlives this object; may be null
  /// @throws InputError if the names of its outputs are not allowed
  explicit DerivedOutputs(const Density* density);

  const std::vector<DerivedVariable>& variables() const { return variables_; }

  /// The values of each variable at the draws of a block, [chains x draws x size]. Valid until the
  /// next call. @throws DensityError
  template <typename T>
  const std::vector<std::vector<double>>& of(const DrawBlock<T>& draws);

 private:
  /// Computes `count` points that lie in points_, and puts them behind those before.
  void derive(Index dim, Index first, Index count);

  const Density* density_ = nullptr;
  std::vector<DerivedVariable> variables_;
  std::vector<std::vector<double>> values_;  ///< of each variable
  std::vector<double> points_;               ///< [points x dim], a few at a time
  std::vector<double> outputs_;              ///< [points x outputs]
};

}  // namespace flotilla
