// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The second derivatives of activations.

#include "core/elementary.hpp"
#include "flow/conditioner/blueprint.hpp"

namespace flotilla {

/// curvature <- h''(input), `count` of each; zero where h is piecewise linear.
///
/// @param alpha  of elu
template <typename T>
void curvatures(Activation activation, T alpha, const T* input, T* curvature, Index count) {
  switch (activation) {
    case Activation::kTanh:
      for (Index c = 0; c < count; ++c) {
        const T y = elementary::tanh(input[c]);
        curvature[c] = T{-2} * y * (T{1} - y * y);
      }
      return;
    case Activation::kRelu:
    case Activation::kLeakyRelu:
      // An input that is not a number stays one.
      for (Index c = 0; c < count; ++c) curvature[c] = T{0} * input[c];
      return;
    case Activation::kSilu:
      for (Index c = 0; c < count; ++c) {
        const T s = elementary::sigmoid(input[c]);
        curvature[c] = s * (T{1} - s) * (T{2} + input[c] * (T{1} - T{2} * s));
      }
      return;
    case Activation::kElu:
      for (Index c = 0; c < count; ++c) {
        const T below = alpha * elementary::exp(input[c] > T{0} ? T{0} : input[c]);
        curvature[c] = input[c] > T{0} ? T{0} : below;
      }
      return;
    case Activation::kSigmoid:
      for (Index c = 0; c < count; ++c) {
        const T s = elementary::sigmoid(input[c]);
        curvature[c] = s * (T{1} - s) * (T{1} - T{2} * s);
      }
      return;
    case Activation::kGelu: {
      constexpr T kDensityAtZero = static_cast<T>(0.39894228040143267794);
      for (Index c = 0; c < count; ++c) {
        const T square = input[c] * input[c];
        curvature[c] = kDensityAtZero * elementary::exp(T{-0.5} * square) * (T{2} - square);
      }
      return;
    }
    case Activation::kSoftplus:
      for (Index c = 0; c < count; ++c) {
        const T s = elementary::sigmoid(input[c]);
        curvature[c] = s * (T{1} - s);
      }
      return;
  }
}

}  // namespace flotilla
