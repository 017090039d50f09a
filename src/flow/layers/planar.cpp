// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/planar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

// Recorded: h'(w.z + b), and the derivative of log|1 + w.u h'| by w.z. Scratch: two rows.
constexpr std::size_t kSlope = 0;
constexpr std::size_t kLogSlopeGradient = 1;
constexpr std::size_t kProjection = 0;
constexpr std::size_t kAmount = 1;

std::vector<double> coordinates(const LayerReader& reader, const char* name) {
  return reader.array(name, {reader.dim()});
}

}  // namespace

/// h at a point, and its first two derivatives.
template <typename T>
struct Planar<T>::Bend {
  double value;
  double slope;
  double curvature;
};

template <typename T>
Planar<T>::Planar(const LayerReader& reader)
    : Layer<T>(reader.dim()),
      b_(reader.number("b")),
      leaky_(reader.choice("activation", {"tanh", "leaky_relu"}) == 1) {
  const std::vector<double> u = coordinates(reader, "u");
  const std::vector<double> w = coordinates(reader, "w");
  u_.assign(u.begin(), u.end());
  w_.assign(w.begin(), w.end());
  for (std::size_t i = 0; i < u.size(); ++i) overlap_ += u[i] * w[i];
  std::vector<std::string> names = {"u", "w", "b", "activation"};
  if (leaky_) {
    slope_ = reader.number_or("negative_slope", 0.01);
    names.emplace_back("negative_slope");
  }
  reader.expect_only(names);
  const double steepest = leaky_ ? std::max(1.0, slope_) : 1.0;
  const double flattest = leaky_ ? std::min(1.0, slope_) : 0.0;
  if (std::min(overlap_ * steepest, overlap_ * flattest) <= -1.0) {
    reader.fail(fmt::format(
        "the map has no inverse: u.w times the slope of the activation should exceed -1 but "
        "reaches {}",
        std::min(overlap_ * steepest, overlap_ * flattest)));
  }
}

template <typename T>
TapeShape Planar<T>::tape_shape() const {
  return {{1, 1}, {1, 1}, {}};
}

template <typename T>
typename Planar<T>::Bend Planar<T>::bend(double a) const {
  const double input = a + b_;
  if (leaky_) {
    const double slope = input > 0.0 ? 1.0 : slope_;
    return {slope * input, slope, 0.0};
  }
  const double value = elementary::tanh(input);
  const double slope = 1.0 - value * value;
  return {value, slope, -2.0 * value * slope};
}

/// The a with a + w.u h(a + b) = image.
template <typename T>
double Planar<T>::solve(double image) const {
  if (leaky_) {
    // The kink of h has the image -b. Comparing with it tells on which side of the kink a is.
    const double slope = image > -b_ ? 1.0 : slope_;
    return (image - overlap_ * slope * b_) / (1.0 + overlap_ * slope);
  }
  return solve_bend(overlap_, 1.0, b_, image);
}

template <typename T>
void Planar<T>::project(const std::vector<T>& direction, const Batch<T>& rows, T* out) const {
  std::fill_n(out, rows.stride(), T{0});
  for (Index i = 0; i < this->dim(); ++i) {
    const T* row = rows.row(i);
    const T factor = direction[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) out[c] += factor * row[c];
  }
}

template <typename T>
void Planar<T>::add(const std::vector<T>& direction, const T* amount, Batch<T>& rows) const {
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = rows.row(i);
    const T factor = direction[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) row[c] += factor * amount[c];
  }
}

template <typename T>
void Planar<T>::record(const T* a, PerChain& log_det, Tape<T>& tape) const {
  T* slope = tape.recorded(kSlope).row(0);
  T* gradient = tape.recorded(kLogSlopeGradient).row(0);
  for (Index c = 0; c < log_det.stride(); ++c) {
    const Bend at = bend(static_cast<double>(a[c]));
    const double stretch = 1.0 + overlap_ * at.slope;
    slope[c] = static_cast<T>(at.slope);
    gradient[c] = static_cast<T>(overlap_ * at.curvature / stretch);
    log_det.row(0)[c] += elementary::log_of_any(stretch);
  }
}

/// point += sign u h(a + b)
template <typename T>
void Planar<T>::shift(double sign, const T* a, Batch<T>& point) const {
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    const double factor = sign * static_cast<double>(u_[static_cast<std::size_t>(i)]);
    for (Index c = 0; c < point.stride(); ++c) {
      row[c] = static_cast<T>(static_cast<double>(row[c]) +
                              factor * bend(static_cast<double>(a[c])).value);
    }
  }
}

template <typename T>
void Planar<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  T* a = tape.scratch(kProjection).row(0);
  project(w_, point, a);
  record(a, log_det, tape);
  shift(1.0, a, point);
}

template <typename T>
void Planar<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  T* a = tape.scratch(kProjection).row(0);
  project(w_, point, a);
  for (Index c = 0; c < point.stride(); ++c) {
    a[c] = static_cast<T>(solve(static_cast<double>(a[c])));
  }
  record(a, log_det, tape);
  shift(-1.0, a, point);
}

// J = I + h' u w^T
template <typename T>
void Planar<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  T* amount = tape.scratch(kAmount).row(0);
  const T* slope = tape.recorded(kSlope).row(0);
  project(w_, v, amount);
  for (Index c = 0; c < v.stride(); ++c) amount[c] *= slope[c];
  add(u_, amount, v);
}

template <typename T>
void Planar<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  T* amount = tape.scratch(kAmount).row(0);
  const T* slope = tape.recorded(kSlope).row(0);
  const T* gradient = tape.recorded(kLogSlopeGradient).row(0);
  project(u_, w, amount);
  for (Index c = 0; c < w.stride(); ++c) {
    amount[c] = amount[c] * slope[c] + log_det_bar.row(0)[c] * gradient[c];
  }
  add(w_, amount, w);
}

// J^-1 = I - h' u w^T / (1 + w.u h'), by Sherman and Morrison.
template <typename T>
void Planar<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  T* amount = tape.scratch(kAmount).row(0);
  const T* slope = tape.recorded(kSlope).row(0);
  const auto overlap = static_cast<T>(overlap_);
  project(w_, v, amount);
  for (Index c = 0; c < v.stride(); ++c) amount[c] *= -slope[c] / (T{1} + overlap * slope[c]);
  add(u_, amount, v);
}

// The log det's gradient is along w, and w is an eigenvector of J^-T: J^-T w = w / (1 + w.u h').
template <typename T>
void Planar<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  T* amount = tape.scratch(kAmount).row(0);
  const T* slope = tape.recorded(kSlope).row(0);
  const T* gradient = tape.recorded(kLogSlopeGradient).row(0);
  const auto overlap = static_cast<T>(overlap_);
  project(u_, w, amount);
  for (Index c = 0; c < w.stride(); ++c) {
    amount[c] =
        (log_det_bar.row(0)[c] * gradient[c] - amount[c] * slope[c]) / (T{1} + overlap * slope[c]);
  }
  add(w_, amount, w);
}

template class Planar<float>;
template class Planar<double>;

}  // namespace flotilla
