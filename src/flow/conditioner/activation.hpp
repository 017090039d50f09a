// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The activations of conditioners: their names in flow files, their values and derivatives.

#include <cmath>
#include <string_view>

#include "core/elementary.hpp"
#include "core/error_function.hpp"
#include "flow/conditioner/blueprint.hpp"

namespace flotilla {

/// @param what  what has this name, for the message
/// @throws InputError naming the activations if there is none of this name
Activation activation_named(const LayerReader& reader, const char* what, std::string_view name);

/// value <- h(value), derivative <- h'(value), `count` of each.
///
/// @param slope  of leaky_relu below zero
/// @param alpha  of elu
template <typename T>
void activate(Activation activation, T slope, T alpha, T* value, T* derivative, Index count) {
  // relu is leaky_relu with slope 0
  const T slope_below = activation == Activation::kLeakyRelu ? slope : T{0};
  switch (activation) {
    case Activation::kTanh:
      for (Index c = 0; c < count; ++c) {
        const T y = elementary::tanh(value[c]);
        value[c] = y;
        derivative[c] = T{1} - y * y;
      }
      return;
    case Activation::kRelu:
    case Activation::kLeakyRelu:
      for (Index c = 0; c < count; ++c) {
        derivative[c] = value[c] > T{0} ? T{1} : slope_below;
        value[c] *= derivative[c];
      }
      return;
    case Activation::kSilu:
      for (Index c = 0; c < count; ++c) {
        const T s = elementary::sigmoid(value[c]);
        derivative[c] = s * (T{1} + value[c] * (T{1} - s));
        value[c] *= s;
      }
      return;
    case Activation::kElu:
      for (Index c = 0; c < count; ++c) {
        const T below = alpha * elementary::expm1(value[c] > T{0} ? T{0} : value[c]);
        derivative[c] = value[c] > T{0} ? T{1} : below + alpha;
        value[c] = value[c] > T{0} ? value[c] : below;
      }
      return;
    case Activation::kSigmoid:
      for (Index c = 0; c < count; ++c) {
        const T s = elementary::sigmoid(value[c]);
        value[c] = s;
        derivative[c] = s * (T{1} - s);
      }
      return;
    case Activation::kGelu: {
      constexpr T kDensityAtZero = static_cast<T>(0.39894228040143267794);
      for (Index c = 0; c < count; ++c) {
        const T below = elementary::normal_cdf(value[c]);
        const T density = kDensityAtZero * elementary::exp(T{-0.5} * value[c] * value[c]);
        derivative[c] = below + value[c] * density;
        value[c] *= below;
      }
      return;
    }
    case Activation::kSoftplus:
      for (Index c = 0; c < count; ++c) {
        derivative[c] = elementary::sigmoid(value[c]);
        value[c] = elementary::softplus(value[c]);
      }
      return;
  }
}

/// value <- sin(value), derivative <- cos(value), `count` of each, at any angle in radians.
template <typename T>
void take_sines(T* value, T* derivative, Index count) {
  constexpr double kTurn = 6.28318530717958647692;
  for (Index c = 0; c < count; ++c) {
    const double turns = static_cast<double>(value[c]) / kTurn;
    const elementary::SinCos at = elementary::sincos_turn(turns - std::floor(turns));
    value[c] = static_cast<T>(at.sin);
    derivative[c] = static_cast<T>(at.cos);
  }
}

}  // namespace flotilla
