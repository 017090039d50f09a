// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/curve_network.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flow/conditioner/activation.hpp"
#include "flow/conditioner/curvature.hpp"

namespace flotilla {
namespace {

std::string name_of(const char* what, std::size_t k) {
  return fmt::format("curve_{}_{}", what, k);
}

/// y <- y + sum_j x_j rows_j, rows_j `count` long each
void add_rows(const double* rows, const double* x, Index terms, double* y, Index count) {
  for (Index j = 0; j < terms; ++j) {
    const double* row = rows + j * count;
    const double factor = x[j];
    for (Index i = 0; i < count; ++i) y[i] += factor * row[i];
  }
}

double dot(const std::vector<double>& a, const double* b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

/// The working memory: sums of the first hidden units at u = 0; of all hidden units the slopes and
/// curvatures of their activations and the tangents of their sums; four rows of the widest layer.
struct CurveNetwork::Rows {
  double* first;
  double* slopes;
  double* curvatures;
  double* tangents;
  double* a;
  double* b;
  double* c;
  double* d;
};

CurveNetwork::CurveNetwork(const LayerReader& reader, Index coordinate) {
  const std::string name = reader.text("curve_activation");
  two_way_ = name == "two_way_elu";
  if (!two_way_) activation_ = activation_named(reader, "text 'curve_activation'", name);
  for (std::size_t k = 0; reader.has_array(name_of("weight", k)); ++k) {
    read_layer(reader, k, coordinate);
  }
  if (layers_.size() < 2) reader.fail("its curve should be a network of two linear maps or more");
  if (layers_.back().outputs != 1) {
    reader.fail(fmt::format("the network of its curve should have one output but has {}",
                            layers_.back().outputs));
  }
  for (std::size_t k = 0; k < hidden(); ++k) {
    widest_ = std::max(widest_, layers_[k].outputs);
    units_ += layers_[k].outputs;
  }
}

Index CurveNetwork::count(const LayerReader& reader) {
  const std::vector<Index>& shape = reader.shape(name_of("weight", 0));
  return shape.size() == 3 ? shape[0] : 1;
}

void CurveNetwork::read_layer(const LayerReader& reader, std::size_t k, Index coordinate) {
  const std::string name = name_of("weight", k);
  std::vector<Index> shape = reader.shape(name);
  const Index stack = count(reader);
  const bool stacked = shape.size() == 3;
  if (shape.size() < 2 || shape.size() > 3 || (stacked ? shape[0] : 1) != stack) {
    reader.fail(fmt::format("array '{}' should be [out x in], or [{} x out x in]", name, stack));
  }
  const Index outputs = shape[shape.size() - 2];
  const Index inputs = shape[shape.size() - 1];
  if (inputs < 1 || outputs < 1 || (k > 0 && inputs != layers_.back().outputs)) {
    reader.fail(
        fmt::format("array '{}' has {} inputs, which do not fit what is before it", name, inputs));
  }
  const std::vector<double>& weights = reader.array(name, shape);
  shape.pop_back();
  const std::vector<double>& biases = reader.array(name_of("bias", k), shape);
  const double* weight = weights.data() + (stacked ? coordinate * outputs * inputs : 0);
  const double* bias = biases.data() + (stacked ? coordinate * outputs : 0);
  const Index skipped = k == 0 ? 1 : 0;  // u
  LinearMap layer{inputs - skipped, outputs, {}, {}, {bias, bias + outputs}};
  layer.transposed.resize(static_cast<std::size_t>(layer.inputs * outputs));
  for (Index i = 0; i < outputs; ++i) {
    if (skipped == 1) by_u_.push_back(weight[i * inputs]);
    for (Index j = 0; j < layer.inputs; ++j) {
      const double value = weight[i * inputs + skipped + j];
      layer.weight.push_back(value);
      layer.transposed[static_cast<std::size_t>(j * outputs + i)] = value;
    }
  }
  if (k == 0) signal_ = layer.inputs;
  layers_.push_back(std::move(layer));
}

Index CurveNetwork::work() const {
  return first_units() + 3 * units_ + 4 * widest_;
}

bool CurveNetwork::has_negative_weights() const {
  const auto negative = [](double value) { return value < 0.0; };
  bool found = std::any_of(by_u_.begin(), by_u_.end(), negative);
  for (std::size_t k = 1; k < layers_.size(); ++k) {
    const std::vector<double>& weight = layers_[k].weight;
    found = found || std::any_of(weight.begin(), weight.end(), negative);
  }
  return found;
}

std::vector<std::string> CurveNetwork::entry_names() const {
  std::vector<std::string> names = {"curve_activation"};
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    names.push_back(name_of("weight", k));
    names.push_back(name_of("bias", k));
  }
  return names;
}

auto CurveNetwork::rows(double* work) const -> Rows {
  Rows rows{};
  rows.first = work;
  rows.slopes = rows.first + first_units();
  rows.curvatures = rows.slopes + units_;
  rows.tangents = rows.curvatures + units_;
  rows.a = rows.tangents + units_;
  rows.b = rows.a + widest_;
  rows.c = rows.b + widest_;
  rows.d = rows.c + widest_;
  return rows;
}

void CurveNetwork::prepare(const double* signal, double* work) const {
  const LinearMap& layer = layers_.front();
  double* first = rows(work).first;
  std::copy(layer.bias.begin(), layer.bias.end(), first);
  add_rows(layer.transposed.data(), signal, signal_, first, layer.outputs);
}

/// sums <- h(sums), and the first two derivatives. Null curvatures are not computed.
void CurveNetwork::activate_units(double* sums, double* slopes, double* curvatures_out,
                                  Index units) const {
  constexpr double kAlpha = 1.0;
  constexpr double kLeak = 0.01;
  // -elu(-a) has the slope of elu at -a, and the curvature with the other sign.
  const Index plain = two_way_ ? (units + 1) / 2 : units;
  const auto turn = [&](double* values) {
    for (Index i = plain; i < units; ++i) values[i] = -values[i];
  };
  turn(sums);
  if (curvatures_out != nullptr) {
    curvatures(activation_, kAlpha, sums, curvatures_out, units);
    turn(curvatures_out);
  }
  activate(activation_, kLeak, kAlpha, sums, slopes, units);
  turn(sums);
}

double CurveNetwork::value(double u, double* work) const {
  const Rows at = rows(work);
  double* sums = at.a;
  double* next = at.b;
  for (Index i = 0; i < first_units(); ++i) {
    sums[i] = at.first[i] + u * by_u_[static_cast<std::size_t>(i)];
  }
  for (std::size_t k = 0; k < hidden(); ++k) {
    const Index units = layers_[k].outputs;
    activate_units(sums, at.c, nullptr, units);
    const LinearMap& layer = layers_[k + 1];
    if (k + 1 == hidden()) return layer.bias[0] + dot(layer.weight, sums);
    std::copy(layer.bias.begin(), layer.bias.end(), next);
    add_rows(layer.transposed.data(), sums, units, next, layer.outputs);
    std::swap(sums, next);
  }
  return 0.0;  // there is a hidden layer
}

CurveValue CurveNetwork::at(double u, double* work) const {
  Rows at = rows(work);
  for (Index i = 0; i < first_units(); ++i) {
    const double by_u = by_u_[static_cast<std::size_t>(i)];
    at.a[i] = at.first[i] + u * by_u;
    at.tangents[i] = by_u;
  }
  for (std::size_t k = 0; k < hidden(); ++k) {
    const Index units = layers_[k].outputs;
    const LinearMap& layer = layers_[k + 1];
    activate_units(at.a, at.slopes, at.curvatures, units);
    for (Index i = 0; i < units; ++i) at.b[i] = at.slopes[i] * at.tangents[i];
    if (k + 1 == hidden()) {
      return {layer.bias[0] + dot(layer.weight, at.a), dot(layer.weight, at.b)};
    }
    at.slopes += units;
    at.curvatures += units;
    at.tangents += units;
    std::copy(layer.bias.begin(), layer.bias.end(), at.c);
    add_rows(layer.transposed.data(), at.a, units, at.c, layer.outputs);
    std::fill_n(at.tangents, layer.outputs, 0.0);
    add_rows(layer.transposed.data(), at.b, units, at.tangents, layer.outputs);
    std::swap(at.a, at.c);
  }
  return {0.0, 0.0};  // there is a hidden layer
}

// With sums a_k, tangents t_k = da_k/du, units h(a_k): the cotangents of m and of dm/du = w . (h'
// t). That of t_k equals that of a_k for m, so two vectors go back: p for m, q for dm/du.
double CurveNetwork::gradients(double factor, double* work, double* by_first,
                               double* slope_by_first) const {
  Rows at = rows(work);
  const std::vector<double>& last = layers_.back().weight;
  std::copy(last.begin(), last.end(), at.a);
  std::fill_n(at.b, widest_, 0.0);
  at.slopes += units_;
  at.curvatures += units_;
  at.tangents += units_;
  for (std::size_t k = hidden(); k-- > 0;) {
    const Index units = layers_[k].outputs;
    at.slopes -= units;
    at.curvatures -= units;
    at.tangents -= units;
    for (Index i = 0; i < units; ++i) {
      at.b[i] = at.curvatures[i] * at.tangents[i] * at.a[i] + at.slopes[i] * at.b[i];
      at.a[i] *= at.slopes[i];
    }
    if (k == 0) break;
    const LinearMap& layer = layers_[k];
    std::fill_n(at.c, layer.inputs, 0.0);
    std::fill_n(at.d, layer.inputs, 0.0);
    add_rows(layer.weight.data(), at.a, units, at.c, layer.inputs);
    add_rows(layer.weight.data(), at.b, units, at.d, layer.inputs);
    std::swap(at.a, at.c);
    std::swap(at.b, at.d);
  }
  for (Index i = 0; i < first_units(); ++i) by_first[i] += factor * at.a[i];
  if (slope_by_first != nullptr) std::copy_n(at.b, first_units(), slope_by_first);
  return dot(by_u_, at.b);
}

void CurveNetwork::to_signal(const double* first_bar, double* signal_bar) const {
  std::fill_n(signal_bar, signal_, 0.0);
  add_rows(layers_.front().weight.data(), first_bar, first_units(), signal_bar, signal_);
}

}  // namespace flotilla
