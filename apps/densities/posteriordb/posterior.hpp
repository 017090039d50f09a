// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <Eigen/Core>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <unsupported/Eigen/AutoDiff>
#include <utility>

/// A posterior of posteriordb: a log density on all of R^dim, and the model's own parameters.
class Posterior {
 public:
  Posterior() = default;
  virtual ~Posterior() = default;
  Posterior(const Posterior&) = delete;
  Posterior& operator=(const Posterior&) = delete;

  virtual int dim() const = 0;

  /// Log density at an unconstrained point, in nats, up to a constant; the Jacobian of the
  /// constraints is part of it.
  /// @param q         [dim]
  /// @param gradient  [dim], overwritten; null if it is not wanted
  virtual double log_density(const double* q, double* gradient) const = 0;

  /// Names of the model's parameters, separated by commas.
  virtual const std::string& names() const = 0;

  /// @param parameters  [outputs], overwritten: one number for each name
  virtual void parameters(const double* q, double* parameters) const = 0;
};

/// The Posterior of a model that is written once, for any number type T. The gradient comes from
/// forward differentiation: all directions at once.
///
/// A model has
///     static constexpr int kDim, kParameters;
///     std::string names() const;
///     template <typename T> std::array<T, kParameters> constrain(const std::array<T, kDim>& q,
///                                                                T& log_jacobian) const;
///     template <typename T> T log_density(const std::array<T, kDim>& q,
///                                         const std::array<T, kParameters>& p) const;
template <typename Model>
class Differentiated final : public Posterior {
 public:
  explicit Differentiated(Model model) : model_(std::move(model)), names_(model_.names()) {}

  int dim() const override { return Model::kDim; }
  const std::string& names() const override { return names_; }

  double log_density(const double* q, double* gradient) const override {
    if (gradient == nullptr) return value(numbers<double>(q));
    std::array<Dual, Model::kDim> point{};
    for (int i = 0; i < Model::kDim; ++i) point[i] = Dual(q[i], Model::kDim, i);
    const Dual result = value(point);
    Eigen::Map<Directions>(gradient, Model::kDim) = result.derivatives();
    return result.value();
  }

  void parameters(const double* q, double* parameters) const override {
    double log_jacobian = 0.0;
    const auto values = model_.constrain(numbers<double>(q), log_jacobian);
    std::copy(values.begin(), values.end(), parameters);
  }

 private:
  using Directions = Eigen::Matrix<double, Model::kDim, 1>;
  using Dual = Eigen::AutoDiffScalar<Directions>;

  template <typename T>
  static std::array<T, Model::kDim> numbers(const double* q) {
    std::array<T, Model::kDim> point{};
    std::copy(q, q + Model::kDim, point.begin());
    return point;
  }

  template <typename T>
  T value(const std::array<T, Model::kDim>& q) const {
    T log_jacobian(0.0);
    const std::array<T, Model::kParameters> p = model_.constrain(q, log_jacobian);
    const T log_density = model_.log_density(q, p);
    return log_density + log_jacobian;
  }

  Model model_;
  std::string names_;
};

/// The data of a model, from posteriordb's JSON. @throws nlohmann::json::exception
using Data = nlohmann::json;

// Constraints: each maps a number of the real line, and adds log |dp/dq|.

template <typename T>
T positive(const T& q, T& log_jacobian) {
  using std::exp;
  log_jacobian += q;
  return exp(q);
}

/// Between 0 and `high`.
template <typename T>
T between_zero_and(const T& high, const T& q, T& log_jacobian) {
  using std::exp;
  using std::log;
  // Both forms are exact where theirs is the small exponential.
  const T tail = q > 0.0 ? T(exp(-q)) : T(exp(q));
  const T share = q > 0.0 ? T(1.0 / (1.0 + tail)) : T(tail / (1.0 + tail));
  log_jacobian += log(high) + log(tail) - 2.0 * log(1.0 + tail);
  return high * share;
}

// Log densities, up to a constant.

template <typename T, typename U, typename V>
T normal(const T& x, const U& mean, const V& deviation) {
  using std::log;
  const T score = (x - mean) / deviation;
  return -0.5 * score * score - log(deviation);
}

template <typename T>
T half_cauchy(const T& x, double scale) {
  using std::log;
  return -log(1.0 + x * x / (scale * scale));
}

/// log(exp(a) + exp(b)) without overflow.
template <typename T>
T log_sum(const T& a, const T& b) {
  using std::exp;
  using std::log;
  const T high = a > b ? a : b;
  const T low = a > b ? b : a;
  return high + log(1.0 + exp(low - high));
}

/// "name.1,name.2,...", counted as posteriordb counts.
inline std::string indexed(const std::string& name, int count) {
  std::string names;
  for (int i = 1; i <= count; ++i) {
    names += (i > 1 ? "," : "") + name + "." + std::to_string(i);
  }
  return names;
}

// The posteriors, each in a file of its name. @throws nlohmann::json::exception

std::unique_ptr<Posterior> arma11(const Data& data);
std::unique_ptr<Posterior> ar5(const Data& data);
std::unique_ptr<Posterior> eight_schools_noncentered(const Data& data);
std::unique_ptr<Posterior> garch11(const Data& data);
std::unique_ptr<Posterior> gp_pois_regr(const Data& data);
std::unique_ptr<Posterior> gp_regr(const Data& data);
std::unique_ptr<Posterior> hmm_example(const Data& data);
std::unique_ptr<Posterior> kidscore_interaction(const Data& data);
std::unique_ptr<Posterior> lotka_volterra(const Data& data);
std::unique_ptr<Posterior> low_dim_gauss_mix(const Data& data);
