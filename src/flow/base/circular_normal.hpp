// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/base.hpp"

namespace flotilla {

/// q_Z of independent coordinates: some uniform on a circle, the others normal.
///
/// On a circle, [loc - scale/2, loc + scale/2), the density is the same at every point of R that
/// stands for a point of it.
template <typename T>
class CircularNormal final : public Base<T> {
 public:
  static constexpr std::string_view kType = "circular_normal";

  /// Entries: `circular` [dim], 1 for a coordinate on a circle and 0 for a normal one; `loc`,
  /// `scale` [dim]: centre and circumference of a circle, mean and standard deviation of a normal.
  explicit CircularNormal(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  void add_log_density(const Batch<T>& z, double sign, PerChain& out) const override;
  void score(const Batch<T>& z, Batch<T>& out) const override;
  void sample(const Random& random, Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
              const ColumnMask& mask, Batch<T>& out) const override;
  std::vector<Circle> circles() const override;

 private:
  std::vector<double> loc_;
  std::vector<double> scale_;
  std::vector<Index> circular_;
  std::vector<Index> normal_;
  double log_constant_;  ///< log density at loc
};

}  // namespace flotilla
