// SPDX-License-Identifier: BSD-3-Clause

// Targets made of a density that comes from outside.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "flotilla/core/error.hpp"
#include "flotilla/target/target.hpp"

namespace flotilla {
namespace {

constexpr Index kBlock = 16;  // points

}  // namespace

template <typename T>
DensityTarget<T>::DensityTarget(const Base<T>& base, const Density& density, DensityRole role,
                                double beta)
    : base_(&base),
      density_(&density),
      base_weight_(role == DensityRole::kExplicit ? 1.0 - beta : 1.0),
      beta_(beta),
      log_det_weight_(role == DensityRole::kExplicit ? beta : 0.0) {
  if (!(beta >= 0.0 && beta <= 1.0)) {
    throw InputError(fmt::format("beta should be from 0 to 1 but is {}", beta));
  }
  if (density.dim() > 0 && density.dim() != base.dim()) {
    throw InputError(fmt::format("{}: the density has {} coordinates, but the flow has {}",
                                 density.name(), density.dim(), base.dim()));
  }
}

template <typename T>
void DensityTarget<T>::evaluate(const Batch<T>& z, const Batch<T>& x, const PerChain& log_det,
                                PerChain& log_density, Cotangents<T>& cotangents) const {
  add_base(z, log_density, cotangents);
  cotangents.log_det_bar.fill(static_cast<T>(log_det_weight_));
  const bool with_gradient = cotangents.wants_x_bar;
  if (with_gradient) cotangents.x_bar.fill(T{0});
  if (beta_ == 0.0) return;
  gather(x, log_det);
  if (!columns_.empty()) {
    density_->evaluate({static_cast<Index>(columns_.size()), x.dim(), points_.data()},
                       values_.data(), with_gradient ? gradient_.data() : nullptr);
  }
  scatter_values(log_det, log_density);
  if (with_gradient) scatter_gradient(cotangents.x_bar);
}

/// Begins with the base density's part.
template <typename T>
void DensityTarget<T>::add_base(const Batch<T>& z, PerChain& log_density,
                                Cotangents<T>& cotangents) const {
  log_density.fill(0.0);
  if (base_weight_ == 0.0) {
    cotangents.z_bar.fill(T{0});
    return;
  }
  base_->add_log_density(z, base_weight_, log_density);
  base_->score(z, cotangents.z_bar);
  if (base_weight_ == 1.0) return;
  T* bar = cotangents.z_bar.data();
  const Index count = z.dim() * z.stride();
  for (Index k = 0; k < count; ++k) bar[k] *= static_cast<T>(base_weight_);
}

/// Collects the points that the density may see: those of finite x and l.
template <typename T>
void DensityTarget<T>::gather(const Batch<T>& x, const PerChain& log_det) const {
  if (finiteness_.chains() != x.chains()) grow(x.dim(), x.chains());
  finiteness_.fill(T{0});
  T* sum = finiteness_.row(0);
  for (Index i = 0; i < x.dim(); ++i) {
    const T* row = x.row(i);
    for (Index c = 0; c < x.stride(); ++c) sum[c] += T{0} * row[c];
  }
  columns_.clear();
  for (Index c = 0; c < x.chains(); ++c) {
    if (std::isfinite(sum[c]) && std::isfinite(log_det(0, c))) columns_.push_back(c);
  }
  // In blocks of points: a coordinate of a block lies together in x, and a block in the cache.
  const auto count = static_cast<Index>(columns_.size());
  for (Index first = 0; first < count; first += kBlock) {
    const Index end = std::min(first + kBlock, count);
    for (Index i = 0; i < x.dim(); ++i) {
      const T* row = x.row(i);
      double* coordinate = points_.data() + i;
      for (Index k = first; k < end; ++k) {
        coordinate[k * x.dim()] = static_cast<double>(row[columns_[static_cast<std::size_t>(k)]]);
      }
    }
  }
}

template <typename T>
void DensityTarget<T>::grow(Index dim, Index chains) const {
  finiteness_ = Batch<T>(1, chains);
  points_.resize(static_cast<std::size_t>(dim * chains));
  gradient_.resize(points_.size());
  values_.resize(static_cast<std::size_t>(chains));
  columns_.reserve(values_.size());
}

/// Adds what the density found to the columns that it saw. All others have no density.
template <typename T>
void DensityTarget<T>::scatter_values(const PerChain& log_det, PerChain& log_density) const {
  const auto count = static_cast<Index>(columns_.size());
  Index next = 0;
  for (Index c = 0; c < log_density.chains(); ++c) {
    const bool seen = next < count && columns_[static_cast<std::size_t>(next)] == c;
    if (seen) {
      const double value = values_[static_cast<std::size_t>(next++)];
      log_density(0, c) += beta_ * value + log_det_weight_ * log_det(0, c);
    } else {
      log_density(0, c) = -std::numeric_limits<double>::infinity();
    }
  }
}

/// Adds the gradients to the same columns.
template <typename T>
void DensityTarget<T>::scatter_gradient(Batch<T>& x_bar) const {
  const auto count = static_cast<Index>(columns_.size());
  for (Index first = 0; first < count; first += kBlock) {
    const Index end = std::min(first + kBlock, count);
    for (Index i = 0; i < x_bar.dim(); ++i) {
      T* row = x_bar.row(i);
      const double* derivative = gradient_.data() + i;
      for (Index k = first; k < end; ++k) {
        row[columns_[static_cast<std::size_t>(k)]] =
            static_cast<T>(beta_ * derivative[k * x_bar.dim()]);
      }
    }
  }
}

template class DensityTarget<float>;
template class DensityTarget<double>;

}  // namespace flotilla
