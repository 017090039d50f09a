// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/target/target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

void expect_finite(const char* name, double value) {
  if (!std::isfinite(value))
    throw InputError(fmt::format("{} should be finite but is {}", name, value));
}

}  // namespace

template <typename T>
TemperedTarget<T>::TemperedTarget(const Base<T>& base, double beta) : base_(&base), beta_(beta) {
  expect_finite("beta", beta);
}

template <typename T>
void TemperedTarget<T>::evaluate(const Batch<T>& z, const Batch<T>& /*x*/, const PerChain& log_det,
                                 PerChain& log_density, Cotangents<T>& cotangents) const {
  log_density.fill(0.0);
  base_->add_log_density(z, 1.0, log_density);
  base_->score(z, cotangents.z_bar);
  cotangents.log_det_bar.fill(static_cast<T>(-beta_));
  // At beta = 0 an infinite l must not give 0 * inf.
  if (beta_ == 0.0) return;
  const double* l = log_det.row(0);
  double* value = log_density.row(0);
  for (Index c = 0; c < z.stride(); ++c) value[c] -= beta_ * l[c];
}

template <typename T>
ClippedTarget<T>::ClippedTarget(const Base<T>& base, double beta, double level, double sharpness)
    : base_(&base), beta_(beta), level_(level), sharpness_(sharpness) {
  expect_finite("beta", beta);
  expect_finite("clip level", level);
  expect_finite("clip sharpness", sharpness);
  if (sharpness <= 0.0) {
    throw InputError(fmt::format("clip sharpness should be positive but is {}", sharpness));
  }
}

template <typename T>
void ClippedTarget<T>::evaluate(const Batch<T>& z, const Batch<T>& /*x*/, const PerChain& log_det,
                                PerChain& log_density, Cotangents<T>& cotangents) const {
  log_density.fill(0.0);
  base_->add_log_density(z, 1.0, log_density);
  base_->score(z, cotangents.z_bar);
  cotangents.log_det_bar.fill(T{0});
  // At beta = 0 an infinite l must not give 0 * inf.
  if (beta_ == 0.0) return;
  const double* l = log_det.row(0);
  double* value = log_density.row(0);
  T* bar = cotangents.log_det_bar.row(0);
  for (Index c = 0; c < z.stride(); ++c) {
    const double u = sharpness_ * (l[c] - level_);
    const double tail = elementary::exp(-std::abs(u));  // softplus cannot overflow on either side
    const double softplus = std::max(u, 0.0) + elementary::log1p(tail);
    const double slope = u > 0.0 ? 1.0 / (1.0 + tail) : tail / (1.0 + tail);
    value[c] -= beta_ * softplus / sharpness_;
    bar[c] = static_cast<T>(-beta_ * slope);
  }
}

template class TemperedTarget<float>;
template class TemperedTarget<double>;
template class ClippedTarget<float>;
template class ClippedTarget<double>;

}  // namespace flotilla
