#include "flotilla/flow/network.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"
#include "flow/product.hpp"

namespace flotilla {
namespace {

Activation parse_activation(const LayerReader& reader) {
  const std::string name = reader.text("activation");
  if (name == "tanh") return Activation::kTanh;
  if (name == "relu") return Activation::kRelu;
  if (name == "leaky_relu") return Activation::kLeakyRelu;
  if (name == "silu") return Activation::kSilu;
  if (name == "elu") return Activation::kElu;
  reader.fail(fmt::format("activation '{}' is unknown (tanh, relu, leaky_relu, silu, elu)", name));
}

double parse_parameter(const LayerReader& reader, Activation activation) {
  if (activation == Activation::kLeakyRelu) return reader.number_or("negative_slope", 0.01);
  if (activation == Activation::kElu) return reader.number_or("alpha", 1.0);
  return 0.0;
}

/// The scratch batches take turns: a layer's output goes where its input does not stand.
template <typename T>
Batch<T>& turn(const Tape<T>& tape, std::size_t layer) {
  return tape.scratch(layer % 2);
}

}  // namespace

template <typename T>
Network<T>::Network(const LayerReader& reader, Index inputs, Index outputs)
    : inputs_(inputs), outputs_(outputs), activation_(parse_activation(reader)) {
  parameter_ = static_cast<T>(parse_parameter(reader, activation_));
  Index width = inputs;
  for (int k = 0; reader.has_array(fmt::format("weight_{}", k)); ++k) {
    const std::string weight = fmt::format("weight_{}", k);
    const std::vector<Index>& shape = reader.shape(weight);
    const bool last = !reader.has_array(fmt::format("weight_{}", k + 1));
    const Index rows = last || shape.empty() ? outputs : shape[0];
    const std::vector<double>& values = reader.array(weight, {rows, width});
    const std::vector<double>& bias = reader.array(fmt::format("bias_{}", k), {rows});
    linears_.push_back({PackedMatrix<T>(rows, width, values),
                        PackedMatrix<T>(width, rows, transposed(rows, width, values)),
                        std::vector<T>(bias.begin(), bias.end())});
    width = rows;
  }
  if (linears_.empty()) reader.fail("array 'weight_0' is missing: a conditioner has at least one");
}

template <typename T>
Index Network<T>::multiply_adds() const {
  Index count = 0;
  for (const Linear& linear : linears_) count += linear.weight.rows() * linear.weight.cols();
  return count;
}

template <typename T>
std::vector<Index> Network<T>::recorded() const {
  std::vector<Index> rows;
  for (std::size_t k = 0; k + 1 < linears_.size(); ++k) rows.push_back(linears_[k].weight.rows());
  return rows;
}

template <typename T>
Index Network<T>::scratch_rows() const {
  const std::vector<Index> rows = recorded();
  return rows.empty() ? 0 : *std::max_element(rows.begin(), rows.end());
}

template <typename T>
std::vector<std::string> Network<T>::entry_names() const {
  std::vector<std::string> names = {"activation"};
  if (activation_ == Activation::kLeakyRelu) names.emplace_back("negative_slope");
  if (activation_ == Activation::kElu) names.emplace_back("alpha");
  for (std::size_t k = 0; k < linears_.size(); ++k) {
    names.push_back(fmt::format("weight_{}", k));
    names.push_back(fmt::format("bias_{}", k));
  }
  return names;
}

template <typename T>
void Network<T>::activate(Activation activation, T parameter, T* value, T* derivative,
                          Index count) {
  switch (activation) {
    case Activation::kTanh:
      for (Index c = 0; c < count; ++c) {
        const T y = elementary::tanh(value[c]);
        value[c] = y;
        derivative[c] = T{1} - y * y;
      }
      return;
    case Activation::kRelu:
    case Activation::kLeakyRelu:  // relu is the leaky one with slope 0
      for (Index c = 0; c < count; ++c) {
        const T slope = value[c] > T{0} ? T{1} : parameter;
        value[c] *= slope;
        derivative[c] = slope;
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
        const T below = parameter * elementary::expm1(value[c] > T{0} ? T{0} : value[c]);
        derivative[c] = value[c] > T{0} ? T{1} : below + parameter;
        value[c] = value[c] > T{0} ? value[c] : below;
      }
      return;
  }
}

template <typename T>
void Network<T>::forward(const Batch<T>& in, Batch<T>& out, Tape<T>& tape,
                         std::size_t first_slot) const {
  const Index count = in.stride();
  const Batch<T>* source = &in;
  for (std::size_t k = 0; k < linears_.size(); ++k) {
    const Linear& linear = linears_[k];
    const bool last = k + 1 == linears_.size();
    Batch<T>& result = last ? out : turn(tape, k);
    Batch<T>* derivative = last ? nullptr : &tape.recorded(first_slot + k);
    multiply(linear.weight, *source, result, [&](Index row) {
      T* value = result.row(row);
      const T bias = linear.bias[static_cast<std::size_t>(row)];
      for (Index c = 0; c < count; ++c) value[c] += bias;
      if (derivative != nullptr) {
        activate(activation_, parameter_, value, derivative->row(row), count);
      }
    });
    source = &result;
  }
}

template <typename T>
void Network<T>::tangent(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in,
                         Batch<T>& out) const {
  const Batch<T>* source = &in;
  for (std::size_t k = 0; k < linears_.size(); ++k) {
    const bool last = k + 1 == linears_.size();
    Batch<T>& result = last ? out : turn(tape, k);
    multiply(linears_[k].weight, *source, result, [&](Index row) {
      if (last) return;
      const T* derivative = tape.recorded(first_slot + k).row(row);
      T* value = result.row(row);
      for (Index c = 0; c < result.stride(); ++c) value[c] *= derivative[c];
    });
    source = &result;
  }
}

template <typename T>
void Network<T>::reverse(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& out_bar,
                         Batch<T>& in_bar) const {
  const Batch<T>* source = &out_bar;
  for (std::size_t k = linears_.size(); k-- > 0;) {
    Batch<T>& result = k == 0 ? in_bar : turn(tape, k);
    multiply(linears_[k].weight_transposed, *source, result, [&](Index row) {
      if (k == 0) return;
      const T* derivative = tape.recorded(first_slot + k - 1).row(row);
      T* value = result.row(row);
      for (Index c = 0; c < result.stride(); ++c) value[c] *= derivative[c];
    });
    source = &result;
  }
}

template class Network<float>;
template class Network<double>;

}  // namespace flotilla
