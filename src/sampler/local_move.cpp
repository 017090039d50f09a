// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/local_move.hpp"

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

constexpr double kLargestRescaling = 700.0;

template <typename T>
void copy(const Batch<T>& from, Batch<T>& to) {
  std::copy_n(from.row(0), from.dim() * from.stride(), to.row(0));
}

template <typename T>
void add(const Batch<T>& addend, Batch<T>& to) {
  const T* source = addend.row(0);
  T* target = to.row(0);
  const Index count = to.dim() * to.stride();
  for (Index k = 0; k < count; ++k) target[k] += source[k];
}

/// out <- (eps^2/2) drift + eps noise: the Langevin displacement, before any metric.
template <typename T>
void langevin(const Batch<T>& drift, const Batch<T>& noise, StepSize step_size, Batch<T>& out) {
  const auto eps = static_cast<T>(step_size.value());
  const T half_square = T{0.5} * eps * eps;
  const T* along = drift.row(0);
  const T* xi = noise.row(0);
  T* result = out.row(0);
  const Index count = out.dim() * out.stride();
  for (Index k = 0; k < count; ++k) result[k] = half_square * along[k] + eps * xi[k];
}

/// out <- out + sign |rows|^2 / 2. The sum over the coordinates of a chain is in double.
template <typename T>
void add_half_square(const Batch<T>& rows, double sign, PerChain& out) {
  double* total = out.row(0);
  for (Index i = 0; i < rows.dim(); ++i) {
    const T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      const auto value = static_cast<double>(row[c]);
      total[c] += sign * 0.5 * value * value;
    }
  }
}

/// rows <- (rows - (eps^2/2) drift) / eps: the noise that would lead back.
template <typename T>
void reverse_noise(const Batch<T>& drift, StepSize step_size, Batch<T>& rows) {
  const auto eps = static_cast<T>(step_size.value());
  const T half = T{0.5} * eps;
  const T inverse = T{1} / eps;
  const T* along = drift.row(0);
  T* result = rows.row(0);
  const Index count = rows.dim() * rows.stride();
  for (Index k = 0; k < count; ++k) result[k] = inverse * result[k] - half * along[k];
}

template <typename T>
void negate(Batch<T>& rows) {
  T* value = rows.row(0);
  const Index count = rows.dim() * rows.stride();
  for (Index k = 0; k < count; ++k) value[k] = -value[k];
}

}  // namespace

// s = J^-T (z_bar + log_det_bar grad l) + x_bar, one reverse pass.
template <typename T>
void MetricMala<T>::prepare(const Flow<T>& flow, const Cotangents<T>& cotangents, bool depends_on_x,
                            Point<T>& point) const {
  copy(cotangents.z_bar, point.drift);
  flow.inverse_vjp(point.tape, point.drift, cotangents.log_det_bar);
  if (depends_on_x) add(cotangents.x_bar, point.drift);
}

template <typename T>
void MetricMala<T>::propose(const Flow<T>& flow, const Point<T>& from, StepSize step_size,
                            const Batch<T>& noise, Batch<T>& displacement) const {
  langevin(from.drift, noise, step_size, displacement);
  flow.inverse_jvp(from.tape, displacement);
}

// log q(z'|z) = -|xi|^2/2 + l(z) and log q(z|z') = -|w|^2/2 + l(z'). Each direction has its own log
// det: the covariance of the proposal is eps^2 (J^T J)^-1 at the point where the move starts.
template <typename T>
void MetricMala<T>::log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to,
                              StepSize step_size, const Batch<T>& noise, Batch<T>& displacement,
                              PerChain& out) const {
  const double* forward = from.log_det.row(0);
  const double* backward = to.log_det.row(0);
  double* ratio = out.row(0);
  for (Index c = 0; c < out.stride(); ++c) ratio[c] = backward[c] - forward[c];
  add_half_square(noise, 1.0, out);
  negate(displacement);
  flow.jvp(to.tape, displacement);
  reverse_noise(to.drift, step_size, displacement);
  add_half_square(displacement, -1.0, out);
}

// g = z_bar + J^T x_bar + log_det_bar grad l, one reverse pass.
template <typename T>
void EuclideanMala<T>::prepare(const Flow<T>& flow, const Cotangents<T>& cotangents,
                               bool depends_on_x, Point<T>& point) const {
  if (depends_on_x) {
    copy(cotangents.x_bar, point.drift);
  } else {
    point.drift.fill(T{0});
  }
  flow.vjp(point.tape, point.drift, cotangents.log_det_bar);
  add(cotangents.z_bar, point.drift);
}

template <typename T>
void EuclideanMala<T>::propose(const Flow<T>& /*flow*/, const Point<T>& from, StepSize step_size,
                               const Batch<T>& noise, Batch<T>& displacement) const {
  langevin(from.drift, noise, step_size, displacement);
}

template <typename T>
void EuclideanMala<T>::log_ratio(const Flow<T>& /*flow*/, const Point<T>& /*from*/,
                                 const Point<T>& to, StepSize step_size, const Batch<T>& noise,
                                 Batch<T>& displacement, PerChain& out) const {
  out.fill(0.0);
  add_half_square(noise, 1.0, out);
  negate(displacement);
  reverse_noise(to.drift, step_size, displacement);
  add_half_square(displacement, -1.0, out);
}

template <typename T>
void Ghmc<T>::refresh(const Tuning& tuning, const Memory<T>& memory, Batch<T>& noise) const {
  const double alpha = tuning.refreshment();
  const auto fresh = static_cast<T>(alpha);
  const auto kept = static_cast<T>(std::sqrt(1.0 - alpha * alpha));
  const T* momentum = memory.momentum.row(0);
  T* v = noise.row(0);
  const Index count = noise.dim() * noise.stride();
  for (Index k = 0; k < count; ++k) v[k] = kept * momentum[k] + fresh * v[k];
}

// The noise that would lead back is minus the momentum at the new point: a step reverses where its
// momentum is flipped.
template <typename T>
void Ghmc<T>::remember(const Tuning& tuning, const StepOutcome& outcome, const PerChain& log_alpha,
                       const Batch<T>& forth, const Batch<T>& back, Memory<T>& memory) const {
  const T* accepted = outcome.accepted.template row<T>();
  for (Index i = 0; i < forth.dim(); ++i) {
    const T* flipped = forth.row(i);
    const T* arrived = back.row(i);
    T* v = memory.momentum.row(i);
    for (Index c = 0; c < forth.stride(); ++c) {
      v[c] = accepted[c] != T{0} ? -arrived[c] : -flipped[c];
    }
  }
  const double drift = 0.5 * tuning.refreshment();
  for (Index c = 0; c < forth.chains(); ++c) {
    double& u = memory.slice(0, c);
    // The bound keeps 0 * exp(-r) from being NaN.
    if (outcome.accepted[c]) u *= elementary::exp(std::min(-log_alpha(0, c), kLargestRescaling));
    u += drift;
    if (u >= 1.0) u -= 2.0;
  }
}

template class MetricMala<float>;
template class MetricMala<double>;
template class EuclideanMala<float>;
template class EuclideanMala<double>;
template class Ghmc<float>;
template class Ghmc<double>;

}  // namespace flotilla
