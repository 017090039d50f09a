// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Tensors to and from plain arrays.

#include <torch/script.h>

#include <algorithm>

namespace flotilla::torchscript {

template <typename T>
constexpr at::ScalarType kScalar = sizeof(T) == sizeof(float) ? at::kFloat : at::kDouble;

/// While it lives, what a module makes without a type, as torch.zeros(n) does, has that of T. The
/// exporter traces and checks a module in the same way.
template <typename T>
class DefaultType {
 public:
  DefaultType() : usual_(c10::get_default_dtype()) {
    c10::set_default_dtype(caffe2::TypeMeta::Make<T>());
  }
  ~DefaultType() { c10::set_default_dtype(usual_); }
  DefaultType(const DefaultType&) = delete;
  DefaultType& operator=(const DefaultType&) = delete;

 private:
  caffe2::TypeMeta usual_;
};

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
