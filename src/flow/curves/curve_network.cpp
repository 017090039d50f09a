// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/curve_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flow/conditioner/activation.hpp"
#include "flow/conditioner/curvature.hpp"
#include "flow/matrix/product.hpp"

namespace flotilla {
namespace {

std::string name_of(const char* what, std::size_t k) {
  return fmt::format("curve_{}_{}", what, k);
}

std::size_t lanes(Index rows) {
  return static_cast<std::size_t>(rows * kCurveLanes);
}

/// out <- A in
void product(const PackedMatrix<double>& matrix, const double* in, double* out) {
  multiply(matrix, in, out, kCurveLanes, [](Index) {});
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
  if (layers_.back().outputs() != 1) {
    reader.fail(fmt::format("the network of its curve should have one output but has {}",
                            layers_.back().outputs()));
  }
  for (std::size_t k = 0; k < hidden(); ++k) {
    widest_ = std::max(widest_, layers_[k].outputs());
    units_ += layers_[k].outputs();
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
  if (inputs < 1 || outputs < 1 || (k > 0 && inputs != layers_.back().outputs())) {
    reader.fail(
        fmt::format("array '{}' has {} inputs, which do not fit what is before it", name, inputs));
  }
  const std::vector<double>& weights = reader.array(name, shape);
  shape.pop_back();
  const std::vector<double>& biases = reader.array(name_of("bias", k), shape);
  const double* weight = weights.data() + (stacked ? coordinate * outputs * inputs : 0);
  const double* bias = biases.data() + (stacked ? coordinate * outputs : 0);
  const Index skipped = k == 0 ? 1 : 0;  // u
  std::vector<double> own;
  for (Index i = 0; i < outputs; ++i) {
    const double* row = weight + i * inputs;
    if (skipped == 1) by_u_.push_back(row[0]);
    own.insert(own.end(), row + skipped, row + inputs);
    may_fall_ = may_fall_ || std::any_of(row, row + (k == 0 ? 1 : inputs),
                                         [](double value) { return value < 0.0; });
  }
  if (k == 0) signal_ = inputs - skipped;
  layers_.push_back({{outputs, inputs - skipped, own}, {bias, bias + outputs}});
}

Index CurveNetwork::value_multiply_adds() const {
  Index sum = first_units();
  for (std::size_t k = 1; k < layers_.size(); ++k)
    sum += layers_[k].inputs() * layers_[k].outputs();
  return sum;
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
  rows.slopes = rows.first + lanes(first_units());
  rows.curvatures = rows.slopes + lanes(units_);
  rows.tangents = rows.curvatures + lanes(units_);
  rows.a = rows.tangents + lanes(units_);
  rows.b = rows.a + lanes(widest_);
  rows.c = rows.b + lanes(widest_);
  rows.d = rows.c + lanes(widest_);
  return rows;
}

void CurveNetwork::LinearMap::apply(const double* in, double* out) const {
  multiply(weight.matrix, in, out, kCurveLanes, [&](Index row) {
    const double constant = bias[static_cast<std::size_t>(row)];
    for (Index l = 0; l < kCurveLanes; ++l) out[row * kCurveLanes + l] += constant;
  });
}

void CurveNetwork::prepare(const double* signal, double* work) const {
  layers_.front().apply(signal, rows(work).first);
}

/// The sums that enter the first hidden units.
void CurveNetwork::enter(const LaneRow& u, const double* first, double* sums) const {
  for (const double by_u : by_u_) {
    for (const double point : u) *sums++ = *first++ + point * by_u;
  }
}

/// sums <- h(sums), and the first two derivatives. Null curvatures are not computed.
void CurveNetwork::activate_units(double* sums, double* slopes, double* curvatures_out,
                                  Index units) const {
  constexpr double kAlpha = 1.0;
  constexpr double kLeak = 0.01;
  // -elu(-a) has the slope of elu at -a, and the curvature with the other sign.
  const Index count = units * kCurveLanes;
  const Index plain = two_way_ ? (units + 1) / 2 * kCurveLanes : count;
  const auto turn = [&](double* values) {
    for (Index i = plain; i < count; ++i) values[i] = -values[i];
  };
  turn(sums);
  if (curvatures_out != nullptr) {
    curvatures(activation_, kAlpha, sums, curvatures_out, count);
    turn(curvatures_out);
  }
  activate(activation_, kLeak, kAlpha, sums, slopes, count);
  turn(sums);
}

LaneRow CurveNetwork::value(const LaneRow& u, double* work) const {
  Rows at = rows(work);
  double* sums = at.a;
  double* next = at.b;
  enter(u, at.first, sums);
  for (std::size_t k = 0; k < hidden(); ++k) {
    activate_units(sums, at.slopes, nullptr, layers_[k].outputs());
    at.slopes += lanes(layers_[k].outputs());
    layers_[k + 1].apply(sums, next);
    std::swap(sums, next);
  }
  return lane_row(sums);
}

auto CurveNetwork::at(const LaneRow& u, double* work) const -> Point {
  return run(u, work, false);
}

auto CurveNetwork::record(const LaneRow& u, double* work) const -> Point {
  return run(u, work, true);
}

auto CurveNetwork::run(const LaneRow& u, double* work, bool with_curvatures) const -> Point {
  Rows at = rows(work);
  enter(u, at.first, at.a);
  for (std::size_t i = 0; i < by_u_.size(); ++i) {
    std::fill_n(at.tangents + i * kCurveLanes, kCurveLanes, by_u_[i]);
  }
  for (std::size_t k = 0; k < hidden(); ++k) {
    const std::size_t values = lanes(layers_[k].outputs());
    activate_units(at.a, at.slopes, with_curvatures ? at.curvatures : nullptr,
                   layers_[k].outputs());
    for (std::size_t i = 0; i < values; ++i) at.b[i] = at.slopes[i] * at.tangents[i];
    at.slopes += values;
    at.curvatures += values;
    at.tangents += values;
    const bool last = k + 1 == hidden();
    double* tangents = last ? at.d : at.tangents;
    layers_[k + 1].apply(at.a, at.c);
    product(layers_[k + 1].weight.matrix, at.b, tangents);
    if (last) return {lane_row(at.c), lane_row(tangents)};
    std::swap(at.a, at.c);
  }
  return {};  // there is a hidden layer
}

// With sums a_k, tangents t_k = da_k/du, units h(a_k): the cotangents of m and of dm/du = w . (h'
// t). That of t_k equals that of a_k for m, so two vectors go back: p for m, q for dm/du.
LaneRow CurveNetwork::gradients(double* work, double* by_first, double* slope_by_first) const {
  Rows at = rows(work);
  LaneRow one;
  one.fill(1.0);
  product(layers_.back().weight.transpose, one.data(), at.a);
  std::fill_n(at.b, lanes(widest_), 0.0);
  at.slopes += lanes(units_);
  at.curvatures += lanes(units_);
  at.tangents += lanes(units_);
  for (std::size_t k = hidden(); k-- > 0;) {
    const std::size_t values = lanes(layers_[k].outputs());
    at.slopes -= values;
    at.curvatures -= values;
    at.tangents -= values;
    for (std::size_t i = 0; i < values; ++i) {
      at.b[i] = at.curvatures[i] * at.tangents[i] * at.a[i] + at.slopes[i] * at.b[i];
      at.a[i] *= at.slopes[i];
    }
    if (k == 0) break;
    product(layers_[k].weight.transpose, at.a, at.c);
    product(layers_[k].weight.transpose, at.b, at.d);
    std::swap(at.a, at.c);
    std::swap(at.b, at.d);
  }
  LaneRow bend = {};
  for (std::size_t i = 0; i < by_u_.size(); ++i) {
    for (std::size_t l = 0; l < bend.size(); ++l) bend[l] += by_u_[i] * at.b[lanes(1) * i + l];
  }
  std::copy_n(at.a, lanes(first_units()), by_first);
  std::copy_n(at.b, lanes(first_units()), slope_by_first);
  return bend;
}

void CurveNetwork::add_gradient(const LaneRow& factor, double* work, double* by_first) const {
  Rows at = rows(work);
  product(layers_.back().weight.transpose, factor.data(), at.a);
  at.slopes += lanes(units_);
  for (std::size_t k = hidden(); k-- > 0;) {
    const std::size_t values = lanes(layers_[k].outputs());
    at.slopes -= values;
    for (std::size_t i = 0; i < values; ++i) at.a[i] *= at.slopes[i];
    if (k == 0) break;
    product(layers_[k].weight.transpose, at.a, at.c);
    std::swap(at.a, at.c);
  }
  for (std::size_t i = 0; i < lanes(first_units()); ++i) by_first[i] += at.a[i];
}

void CurveNetwork::to_signal(const double* first_bar, double* signal_bar) const {
  product(layers_.front().weight.transpose, first_bar, signal_bar);
}

}  // namespace flotilla
