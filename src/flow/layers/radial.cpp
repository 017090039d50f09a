// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/radial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

// Recorded: e = (z - c) / r (zero at the centre), A (the stretch across e), C (the stretch along e)
// and d log|det J| / dr. Scratch: a row of factors across e, a row of factors along e.
constexpr std::size_t kDirection = 0;
constexpr std::size_t kAcross = 1;
constexpr std::size_t kAlong = 2;
constexpr std::size_t kGradient = 3;
constexpr std::size_t kFactor = 0;
constexpr std::size_t kRadialAmount = 1;

}  // namespace

template <typename T>
Radial<T>::Radial(const LayerReader& reader)
    : Layer<T>(reader.dim()), alpha_(reader.number("alpha")), beta_(reader.number("beta")) {
  const std::vector<double>& centre = reader.array("centre", {reader.dim()});
  centre_.assign(centre.begin(), centre.end());
  reader.expect_only({"centre", "alpha", "beta"});
  if (alpha_ <= 0.0) {
    reader.fail(fmt::format("number 'alpha' should be positive but is {}", alpha_));
  }
  if (beta_ <= -alpha_) {
    reader.fail(
        fmt::format("the map has no inverse: number 'beta' should exceed -alpha = {} but is {}",
                    -alpha_, beta_));
  }
}

template <typename T>
TapeShape Radial<T>::tape_shape() const {
  return {{this->dim(), 1, 1, 1}, {1, 1}, {}};
}

/// point -= c; the length of the result goes to the scratch row of factors.
template <typename T>
void Radial<T>::centre(Batch<T>& point, Tape<T>& tape) const {
  T* length = tape.scratch(kFactor).row(0);
  std::fill_n(length, point.stride(), T{0});
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    const T origin = centre_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < point.stride(); ++c) {
      row[c] -= origin;
      length[c] += row[c] * row[c];
    }
  }
  for (Index c = 0; c < point.stride(); ++c) length[c] = std::sqrt(length[c]);
}

/// The r >= 0 with r + beta r / (alpha + r) = image, without cancellation on either side.
template <typename T>
double Radial<T>::radius_of(double image) const {
  const double half = 0.5 * (image - alpha_ - beta_);
  const double root = std::sqrt(half * half + alpha_ * image);
  return half > 0.0 ? half + root : alpha_ * image / (root - half);
}

/// Completes the tape, the log det and the point on the other side, from the centred point and its
/// length.
template <typename T>
void Radial<T>::finish(Batch<T>& point, PerChain& log_det, Tape<T>& tape, bool forward) const {
  T* factor = tape.scratch(kFactor).row(0);
  T* to_direction = tape.scratch(kRadialAmount).row(0);
  const double others = static_cast<double>(this->dim() - 1);
  for (Index c = 0; c < point.stride(); ++c) {
    const auto length = static_cast<double>(factor[c]);
    const double r = forward ? length : radius_of(length);
    const double rate = 1.0 / (alpha_ + r);
    const double across = 1.0 + beta_ * rate;
    const double along = 1.0 + alpha_ * beta_ * rate * rate;
    log_det.row(0)[c] += others * elementary::log_of_any(across) + elementary::log_of_any(along);
    tape.recorded(kAcross).row(0)[c] = static_cast<T>(across);
    tape.recorded(kAlong).row(0)[c] = static_cast<T>(along);
    const double slope = -beta_ * rate * rate;
    tape.recorded(kGradient).row(0)[c] =
        static_cast<T>(slope * (others / across + 2.0 * alpha_ * rate / along));
    factor[c] = static_cast<T>(forward ? across : 1.0 / across);
    to_direction[c] = static_cast<T>(length == 0.0 ? 0.0 : 1.0 / length);
  }
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    T* direction = tape.recorded(kDirection).row(i);
    const T origin = centre_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < point.stride(); ++c) {
      direction[c] = row[c] * to_direction[c];
      row[c] = row[c] * factor[c] + origin;
    }
  }
}

template <typename T>
void Radial<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  centre(point, tape);
  finish(point, log_det, tape, true);
}

template <typename T>
void Radial<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  centre(point, tape);
  finish(point, log_det, tape, false);
}

/// The scratch row of amounts <- e . rows.
template <typename T>
void Radial<T>::project(const Tape<T>& tape, const Batch<T>& rows) const {
  T* overlap = tape.scratch(kRadialAmount).row(0);
  std::fill_n(overlap, rows.stride(), T{0});
  for (Index i = 0; i < this->dim(); ++i) {
    const T* direction = tape.recorded(kDirection).row(i);
    const T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) overlap[c] += direction[c] * row[c];
  }
}

/// rows <- factor rows + amount e; factor and amount are in the scratch rows.
template <typename T>
void Radial<T>::combine(const Tape<T>& tape, Batch<T>& rows) const {
  const T* factor = tape.scratch(kFactor).row(0);
  const T* amount = tape.scratch(kRadialAmount).row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* direction = tape.recorded(kDirection).row(i);
    T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      row[c] = factor[c] * row[c] + amount[c] * direction[c];
    }
  }
}

// J is symmetric, so J^T rows = J rows. The log det's gradient is along e.
template <typename T>
template <typename Radial<T>::Way way>
void Radial<T>::stretch(const Tape<T>& tape, Batch<T>& rows, const T* log_det_bar) const {
  constexpr bool kBack = way == Way::kInverse;
  const T* across = tape.recorded(kAcross).row(0);
  const T* along = tape.recorded(kAlong).row(0);
  const T* gradient = tape.recorded(kGradient).row(0);
  T* factor = tape.scratch(kFactor).row(0);
  T* amount = tape.scratch(kRadialAmount).row(0);
  project(tape, rows);
  for (Index c = 0; c < rows.stride(); ++c) {
    factor[c] = kBack ? T{1} / across[c] : across[c];
    amount[c] *= (kBack ? T{1} / along[c] : along[c]) - factor[c];
    if (log_det_bar == nullptr) continue;
    const T push = log_det_bar[c] * gradient[c];
    amount[c] += kBack ? push / along[c] : push;
  }
  combine(tape, rows);
}

template <typename T>
void Radial<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  stretch<Way::kForward>(tape, v, nullptr);
}

template <typename T>
void Radial<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  stretch<Way::kForward>(tape, w, log_det_bar.row(0));
}

template <typename T>
void Radial<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  stretch<Way::kInverse>(tape, v, nullptr);
}

template <typename T>
void Radial<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  stretch<Way::kInverse>(tape, w, log_det_bar.row(0));
}

template class Radial<float>;
template class Radial<double>;

}  // namespace flotilla
