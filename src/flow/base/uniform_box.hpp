// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/base.hpp"

namespace flotilla {

/// q_Z uniform on the box [low, high], edges included. Flows on circles use it, for example.
///
/// Outside the box the log density is -inf, so a proposal that leaves the box is rejected. A
/// coordinate on a circle, [low, high), has no outside: its density is the same everywhere.
template <typename T>
class UniformBox final : public Base<T> {
 public:
  static constexpr std::string_view kType = "uniform_box";

  /// Entries: `low`, `high` [dim], low < high also in T; optional `circular` [dim], 1 for a
  /// coordinate on a circle.
  explicit UniformBox(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  void add_log_density(const Batch<T>& z, double sign, PerChain& out) const override;
  void score(const Batch<T>& z, Batch<T>& out) const override;
  void sample(const Random& random, Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
              const ColumnMask& mask, Batch<T>& out) const override;
  std::vector<Circle> circles() const override;

 private:
  std::vector<T> low_;
  std::vector<T> high_;
  std::vector<Index> circular_;
  std::vector<Index> bounded_;  ///< the coordinates that are on no circle
  double log_density_;          ///< inside the box
};

}  // namespace flotilla
