// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Tensors to and from plain arrays.

#include <torch/script.h>

#include <algorithm>

namespace flotilla::torchscript {

template <typename T>
constexpr at::ScalarType kScalar = sizeof(T) == sizeof(float) ? at::kFloat : at::kDouble;

/// A tensor of its own memory with these values, in C order.
template <typename T>
at::Tensor copy_of(const T* values, at::IntArrayRef shape) {
  at::Tensor tensor = at::empty(shape, kScalar<T>);
  std::copy_n(values, tensor.numel(), tensor.template data_ptr<T>());
  return tensor;
}

/// Writes a tensor's values, in C order.
template <typename T>
void store(const at::Tensor& tensor, T* values) {
  const at::Tensor plain = tensor.detach().contiguous();
  std::copy_n(plain.template data_ptr<T>(), plain.numel(), values);
}

}  // namespace flotilla::torchscript
