// SPDX-License-Identifier: BSD-3-Clause

// The likelihood of an observation y = A x + noise: -|r|^2 / 2 plus a constant, where
// r = (A x - y) / noise. Its gradient is -(A / noise)^T r.
#include "flotilla/target/observation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "flotilla/core/error.hpp"
#include "flow/matrix/packed_matrix.hpp"
#include "flow/matrix/product.hpp"

namespace flotilla {
namespace {

/// The arrays that every observation has, checked.
struct Measured {
  std::vector<double> y;
  std::vector<double> noise;  ///< as long as y

  std::size_t size() const { return y.size(); }

  /// log p(y | x) where A x = y.
  double at_best() const {
    double sum = 0.0;
    for (const double deviation : noise) sum -= std::log(deviation * std::sqrt(2.0 * M_PI));
    return sum;
  }
};

std::string shape_text(const Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.shape, " x "));
}

/// The array of this name. @throws InputError if there is none, or a value is not finite
const Tensor& finite_array(const Observation& observation, const std::string& array) {
  const auto found = observation.arrays.find(array);
  if (found == observation.arrays.end()) {
    throw InputError(fmt::format("{}: an observation should have an array '{}': add it",
                                 observation.name, array));
  }
  const std::vector<double>& values = found->second.values;
  const auto wrong = std::find_if_not(values.begin(), values.end(),
                                      [](double value) { return std::isfinite(value); });
  if (wrong == values.end()) return found->second;
  throw InputError(fmt::format("{}: '{}' should be finite, but its value {} is {}",
                               observation.name, array, wrong - values.begin(), *wrong));
}

[[noreturn]] void refuse_shape(const Observation& observation, const std::string& array,
                               const std::string& expected) {
  throw InputError(fmt::format("{}: '{}' should be {} but is {}", observation.name, array, expected,
                               shape_text(observation.arrays.at(array))));
}

/// One standard deviation for each of `count` values.
std::vector<double> noise_of(const Observation& observation, std::size_t count) {
  const Tensor& noise = finite_array(observation, "noise");
  const bool one = noise.values.size() == 1 && noise.shape.size() < 2;
  if (!one && noise.shape != std::vector<Index>{static_cast<Index>(count)}) {
    refuse_shape(observation, "noise", fmt::format("one number or [{}], as y is,", count));
  }
  for (const double deviation : noise.values) {
    if (deviation > 0.0) continue;
    throw InputError(fmt::format("{}: 'noise' should be standard deviations above 0, but one is {}",
                                 observation.name, deviation));
  }
  return one ? std::vector<double>(count, noise.values.front()) : noise.values;
}

Measured measured(const Observation& observation) {
  const Tensor& y = finite_array(observation, "y");
  if (y.shape.size() != 1 || y.values.empty()) {
    refuse_shape(observation, "y", "[m] with m of at least 1");
  }
  return {y.values, noise_of(observation, y.values.size())};
}

std::vector<Index> coordinates(const Observation& observation, std::size_t count, Index dim) {
  const Tensor& indices = finite_array(observation, "indices");
  if (indices.shape != std::vector<Index>{static_cast<Index>(count)}) {
    refuse_shape(observation, "indices", fmt::format("[{}], as y is,", count));
  }
  std::vector<Index> picked;
  for (const double index : indices.values) {
    if (index != std::floor(index) || index < 0.0 || index >= static_cast<double>(dim)) {
      throw InputError(fmt::format(
          "{}: 'indices' should be whole numbers from 0 to {}, since the flow has {} coordinates, "
          "but one is {}",
          observation.name, dim - 1, dim, index));
    }
    picked.push_back(static_cast<Index>(index));
  }
  return picked;
}

/// A with each row divided by its noise, [m x dim] in C order.
std::vector<double> weighted_matrix(const Observation& observation, const Measured& data,
                                    Index dim) {
  const Tensor& matrix = finite_array(observation, "operator");
  if (matrix.shape != std::vector<Index>{static_cast<Index>(data.size()), dim}) {
    refuse_shape(observation, "operator",
                 fmt::format("[{} x {}], a row for each value of y and a column for each "
                             "coordinate of the flow,",
                             data.size(), dim));
  }
  std::vector<double> weighted = matrix.values;
  for (std::size_t k = 0; k < weighted.size(); ++k) {
    weighted[k] /= data.noise[k / static_cast<std::size_t>(dim)];
  }
  return weighted;
}

/// y are some coordinates of x. One may be observed several times, or never.
class ObservedCoordinates final : public Density {
 public:
  ObservedCoordinates(std::string name, Measured data, std::vector<Index> picked, Index dim)
      : name_(std::move(name)),
        data_(std::move(data)),
        picked_(std::move(picked)),
        dim_(dim),
        at_best_(data_.at_best()) {}

  const std::string& name() const override { return name_; }
  Index dim() const override { return dim_; }

  void evaluate(const DataPoints& points, double* log_density, double* gradient) const override {
    if (gradient != nullptr) std::fill_n(gradient, points.count * dim_, 0.0);
    for (Index k = 0; k < points.count; ++k) {
      const double* const x = points.x + k * dim_;
      double sum = 0.0;
      for (std::size_t j = 0; j < picked_.size(); ++j) {
        const double residual = (x[picked_[j]] - data_.y[j]) / data_.noise[j];
        sum += residual * residual;
        if (gradient != nullptr) gradient[k * dim_ + picked_[j]] -= residual / data_.noise[j];
      }
      log_density[k] = at_best_ - 0.5 * sum;
    }
  }

 private:
  std::string name_;
  Measured data_;
  std::vector<Index> picked_;
  Index dim_;
  double at_best_;
};

/// y are sums over coordinates of x. Points go through the matrix in blocks of one width, whose
/// columns do not see each other: a point has the same bits whatever stands beside it.
class ObservedSums final : public Density {
 public:
  ObservedSums(std::string name, const Measured& data, const std::vector<double>& weighted,
               Index dim)
      : name_(std::move(name)),
        weights_(static_cast<Index>(data.size()), dim, weighted),
        dim_(dim),
        at_best_(data.at_best()),
        points_(dim, kTogether),
        residuals_(static_cast<Index>(data.size()), kTogether),
        back_(dim, kTogether) {
    for (std::size_t j = 0; j < data.size(); ++j) aim_.push_back(data.y[j] / data.noise[j]);
  }

  const std::string& name() const override { return name_; }
  Index dim() const override { return dim_; }

  void evaluate(const DataPoints& points, double* log_density, double* gradient) const override {
    for (Index first = 0; first < points.count; first += kTogether) {
      const Index count = std::min(kTogether, points.count - first);
      find_residuals(points.x + first * dim_, count);
      for (Index c = 0; c < count; ++c) log_density[first + c] = log_density_of(c);
      if (gradient != nullptr) find_gradient(gradient + first * dim_, count);
    }
  }

 private:
  static constexpr Index kTogether = 64;  ///< points; a tile of the default width is one product

  /// @param x  [count x dim]
  void find_residuals(const double* x, Index count) const {
    for (Index c = 0; c < count; ++c) {
      for (Index i = 0; i < dim_; ++i) points_(i, c) = x[c * dim_ + i];
    }
    multiply(weights_.matrix, points_, 0, residuals_, 0, [&](Index j) {
      double* const row = residuals_.row(j);
      for (Index c = 0; c < kTogether; ++c) row[c] -= aim_[static_cast<std::size_t>(j)];
    });
  }

  double log_density_of(Index column) const {
    double sum = 0.0;
    for (Index j = 0; j < residuals_.dim(); ++j) {
      sum += residuals_(j, column) * residuals_(j, column);
    }
    return at_best_ - 0.5 * sum;
  }

  /// @param gradient  [count x dim], overwritten
  void find_gradient(double* gradient, Index count) const {
    multiply(weights_.transpose, residuals_, 0, back_, 0, [](Index /*row*/) {});
    for (Index c = 0; c < count; ++c) {
      for (Index i = 0; i < dim_; ++i) gradient[c * dim_ + i] = -back_(i, c);
    }
  }

  std::string name_;
  PackedPair<double> weights_;
  std::vector<double> aim_;  ///< y / noise
  Index dim_;
  double at_best_;
  mutable Batch<double> points_;
  mutable Batch<double> residuals_;
  mutable Batch<double> back_;
};

}  // namespace

std::unique_ptr<Density> likelihood(const Observation& observation, Index dim) {
  const bool sums = observation.arrays.contains("operator");
  if (sums == observation.arrays.contains("indices")) {
    throw InputError(
        fmt::format("{}: an observation should have either 'operator' [m x dim] or 'indices' [m], "
                    "but has {}",
                    observation.name, sums ? "both: remove one" : "neither: add one"));
  }
  Measured data = measured(observation);
  if (sums) {
    const std::vector<double> weighted = weighted_matrix(observation, data, dim);
    return std::make_unique<ObservedSums>(observation.name, data, weighted, dim);
  }
  std::vector<Index> picked = coordinates(observation, data.size(), dim);
  return std::make_unique<ObservedCoordinates>(observation.name, std::move(data), std::move(picked),
                                               dim);
}

}  // namespace flotilla
