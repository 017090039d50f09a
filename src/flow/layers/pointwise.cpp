// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/pointwise.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

double inverse_tanh(double x) {
  return 0.5 * (elementary::log1p(x) - elementary::log1p(-x));
}

}  // namespace

FunctionPoint Exponential::at(double z) const {
  const double value = elementary::exp(z);
  return {value, value, z, 1.0};
}

double Exponential::inverse(double x) const {
  return elementary::log_of_any(x);
}

// 1 - tanh^2 z = 4 e / (1 + e)^2 with e = exp(-2 |z|), which does not cancel.
FunctionPoint HyperbolicTangent::at(double z) const {
  const double tail = elementary::exp(-2.0 * std::abs(z));
  const double value = elementary::tanh(z);
  const double log_slope = 2.0 * (std::numbers::ln2 - std::abs(z) - elementary::log1p(tail));
  return {value, 4.0 * tail / ((1.0 + tail) * (1.0 + tail)), log_slope, -2.0 * value};
}

double HyperbolicTangent::inverse(double x) const {
  return inverse_tanh(x);
}

LogarithmicTangent::LogarithmicTangent(const LayerReader& reader)
    : cut_(reader.number("cut_point")),
      value_at_cut_(elementary::tanh(cut_)),
      factor_((1.0 - elementary::tanh(value_at_cut_)) / cut_) {
  if (cut_ <= 0.0) {
    reader.fail(fmt::format("number 'cut_point' should be positive but is {}", cut_));
  }
}

FunctionPoint LogarithmicTangent::at(double z) const {
  const double size = std::abs(z);
  if (size > cut_) {
    const double value = value_at_cut_ + factor_ * elementary::log_of_any(size / cut_);
    const double slope = factor_ / size;
    return {std::copysign(value, z), slope, elementary::log_of_any(slope), -1.0 / z};
  }
  const double value = elementary::tanh(z);
  const double slope = (1.0 - value) * (1.0 + value);
  return {value, slope, elementary::log_of_any(slope), -2.0 * value};
}

double LogarithmicTangent::inverse(double x) const {
  const double size = std::abs(x);
  if (size > value_at_cut_) {
    return std::copysign(cut_ * elementary::exp((size - value_at_cut_) / factor_), x);
  }
  return inverse_tanh(x);
}

template <typename T, IncreasingFunction Function>
template <typename Pass>
void Pointwise<T, Function>::run(Batch<T>& point, PerChain& log_det, Tape<T>& tape,
                                 Pass pass) const {
  double* total = log_det.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    T* slope = tape.recorded(this->kSlope).row(i);
    T* gradient = tape.recorded(this->kLogSlopeGradient).row(i);
    for (Index c = 0; c < point.stride(); ++c) {
      const FunctionPoint at = pass(row[c]);
      slope[c] = static_cast<T>(at.slope);
      gradient[c] = static_cast<T>(at.log_by_z);
      total[c] += at.log_slope;
    }
  }
}

template <typename T, IncreasingFunction Function>
void Pointwise<T, Function>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  run(point, log_det, tape, [this](T& number) {
    const FunctionPoint at = function_.at(static_cast<double>(number));
    number = static_cast<T>(at.value);
    return at;
  });
}

template <typename T, IncreasingFunction Function>
void Pointwise<T, Function>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  run(point, log_det, tape, [this](T& number) {
    const double z = function_.inverse(static_cast<double>(number));
    number = static_cast<T>(z);
    return function_.at(z);
  });
}

template class Pointwise<float, Exponential>;
template class Pointwise<double, Exponential>;
template class Pointwise<float, HyperbolicTangent>;
template class Pointwise<double, HyperbolicTangent>;
template class Pointwise<float, LogarithmicTangent>;
template class Pointwise<double, LogarithmicTangent>;

}  // namespace flotilla
