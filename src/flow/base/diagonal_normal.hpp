// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/base.hpp"

namespace flotilla {

/// q_Z = N(loc, diag(scale^2)): independent normals of learned location and scale.
template <typename T>
class DiagonalNormal final : public Base<T> {
 public:
  static constexpr std::string_view kType = "diagonal_normal";

  /// Entries: `loc` [dim], `scale` [dim], positive.
  explicit DiagonalNormal(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  void add_log_density(const Batch<T>& z, double sign, PerChain& out) const override;
  void score(const Batch<T>& z, Batch<T>& out) const override;
  void sample(const Random& random, Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
              const ColumnMask& mask, Batch<T>& out) const override;

 private:
  std::vector<double> loc_;
  std::vector<double> scale_;
  double log_constant_;  ///< log density at loc
};

}  // namespace flotilla
