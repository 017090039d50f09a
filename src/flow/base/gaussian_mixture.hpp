// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>

#include "flotilla/flow/base.hpp"

namespace flotilla {

/// q_Z = sum_k weights_k N(loc_k, diag(scale_k^2)): one component for each mode of the data.
///
/// A uniform of its own picks the component of a draw. A score costs two passes over the
/// components: one for their log densities, one for their responsibilities. Source: Izmailov et al.
/// 2020, arXiv:1912.13025 (a Gaussian mixture as the latent density).
template <typename T>
class GaussianMixture final : public Base<T> {
 public:
  static constexpr std::string_view kType = "gaussian_mixture";

  /// Entries: `weights` [components], positive, with sum 1; `loc`, `scale` [components x dim];
  /// scale is positive.
  explicit GaussianMixture(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  void add_log_density(const Batch<T>& z, double sign, PerChain& out) const override;
  void score(const Batch<T>& z, Batch<T>& out) const override;
  void sample(const Random& random, Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
              const ColumnMask& mask, Batch<T>& out) const override;

 private:
  /// One double for each column of a block.
  using Block = std::array<double, kColumnBlock>;

  std::size_t components() const { return cumulative_.size(); }
  std::size_t at(std::size_t component, Index coordinate) const {
    return component * static_cast<std::size_t>(this->dim()) + static_cast<std::size_t>(coordinate);
  }
  /// The first component whose cumulative weight reaches u in (0, 1].
  std::size_t component_of(double u) const;
  /// log(weight_k) + log N(z; loc_k, scale_k) in the block of columns that begins there.
  Block component_log_density(std::size_t k, const Batch<T>& z, Index begin) const;
  Block log_density(const Batch<T>& z, Index begin) const;

  std::vector<double> cumulative_;  ///< cumulative weights; the last is 1
  std::vector<double> constants_;   ///< log(weight_k) + log N(loc_k; loc_k, scale_k)
  std::vector<double> loc_;         ///< [components x dim]
  std::vector<double> scale_;       ///< [components x dim]
};

}  // namespace flotilla
