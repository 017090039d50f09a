// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/base.hpp"

namespace flotilla {

/// q_Z = N(0, I). Its draws are the variates of Random::normals.
template <typename T>
class StandardNormal final : public Base<T> {
 public:
  static constexpr std::string_view kType = "standard_normal";

  explicit StandardNormal(Index dim) : Base<T>(dim) {}
  explicit StandardNormal(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  void add_log_density(const Batch<T>& z, double sign, PerChain& out) const override;
  void score(const Batch<T>& z, Batch<T>& out) const override;
  void sample(const Random& random, Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
              const ColumnMask& mask, Batch<T>& out) const override;
};

}  // namespace flotilla
