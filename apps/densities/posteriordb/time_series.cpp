// SPDX-License-Identifier: BSD-3-Clause
// Autoregressive models of a series: AR(5), ARMA(1, 1) and GARCH(1, 1).
#include <vector>

#include "posterior.hpp"

namespace {

struct Ar5 {
  static constexpr int kLags = 5;
  static constexpr int kDim = kLags + 2;
  static constexpr int kParameters = kDim;

  std::vector<double> y;

  std::string names() const { return "alpha," + indexed("beta", kLags) + ",sigma"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    std::array<T, kParameters> p = q;
    p[kLags + 1] = positive(q[kLags + 1], log_jacobian);
    return p;
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& /*q*/, const std::array<T, kParameters>& p) const {
    const T& sigma = p[kLags + 1];
    T sum = half_cauchy(sigma, 2.5);
    for (int k = 0; k <= kLags; ++k) sum += normal(p[k], 0.0, 10.0);
    for (std::size_t t = kLags; t < y.size(); ++t) {
      T mean = p[0];
      for (int k = 1; k <= kLags; ++k) mean += p[k] * y[t - k];
      sum += normal(T(y[t]), mean, sigma);
    }
    return sum;
  }
};

struct Arma11 {
  static constexpr int kDim = 4;
  static constexpr int kParameters = 4;

  std::vector<double> y;

  std::string names() const { return "mu,phi,theta,sigma"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    return {q[0], q[1], q[2], positive(q[3], log_jacobian)};
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& /*q*/, const std::array<T, kParameters>& p) const {
    const auto& [mu, phi, theta, sigma] = p;
    T sum = normal(mu, 0.0, 10.0) + normal(phi, 0.0, 2.0) + normal(theta, 0.0, 2.0) +
            half_cauchy(sigma, 2.5);
    T error = y[0] - (mu + phi * mu);  // the model takes the error before the first as 0
    sum += normal(error, 0.0, sigma);
    for (std::size_t t = 1; t < y.size(); ++t) {
      const T next = y[t] - (mu + phi * y[t - 1] + theta * error);
      error = next;
      sum += normal(error, 0.0, sigma);
    }
    return sum;
  }
};

struct Garch11 {
  static constexpr int kDim = 4;
  static constexpr int kParameters = 4;

  std::vector<double> y;
  double first_deviation = 0.0;

  std::string names() const { return "mu,alpha0,alpha1,beta1"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    const T alpha0 = positive(q[1], log_jacobian);
    const T alpha1 = between_zero_and(T(1.0), q[2], log_jacobian);
    const T beta1 = between_zero_and(T(1.0 - alpha1), q[3], log_jacobian);
    return {q[0], alpha0, alpha1, beta1};
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& /*q*/, const std::array<T, kParameters>& p) const {
    using std::sqrt;
    const auto& [mu, alpha0, alpha1, beta1] = p;
    T deviation(first_deviation);
    T sum = normal(T(y[0]), mu, deviation);
    for (std::size_t t = 1; t < y.size(); ++t) {
      const T residual = y[t - 1] - mu;
      const T variance = alpha0 + alpha1 * residual * residual + beta1 * deviation * deviation;
      deviation = sqrt(variance);
      sum += normal(T(y[t]), mu, deviation);
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<Posterior> ar5(const Data& data) {
  return std::make_unique<Differentiated<Ar5>>(Ar5{data.at("y")});
}

std::unique_ptr<Posterior> arma11(const Data& data) {
  return std::make_unique<Differentiated<Arma11>>(Arma11{data.at("y")});
}

std::unique_ptr<Posterior> garch11(const Data& data) {
  return std::make_unique<Differentiated<Garch11>>(Garch11{data.at("y"), data.at("sigma1")});
}
