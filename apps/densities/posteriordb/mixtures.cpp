// SPDX-License-Identifier: BSD-3-Clause
// Two hidden states: a mixture of two normal densities, and a hidden Markov model.
#include <vector>

#include "posterior.hpp"

namespace {

struct GaussianMixture {
  static constexpr int kDim = 5;
  static constexpr int kParameters = 5;

  std::vector<double> y;

  std::string names() const { return "mu.1,mu.2,sigma.1,sigma.2,theta"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    const T mu2 = q[0] + positive(q[1], log_jacobian);
    const T sigma1 = positive(q[2], log_jacobian);
    const T sigma2 = positive(q[3], log_jacobian);
    const T theta = between_zero_and(T(1.0), q[4], log_jacobian);
    return {q[0], mu2, sigma1, sigma2, theta};
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& /*q*/, const std::array<T, kParameters>& p) const {
    using std::log;
    const auto& [mu1, mu2, sigma1, sigma2, theta] = p;
    const T log_first = log(theta);
    const T log_second = log(1.0 - theta);
    T sum = normal(mu1, 0.0, 2.0) + normal(mu2, 0.0, 2.0) + normal(sigma1, 0.0, 2.0) +
            normal(sigma2, 0.0, 2.0) + 4.0 * log_first + 4.0 * log_second;
    for (const double value : y) {
      const T first = log_first + normal(T(value), mu1, sigma1);
      const T second = log_second + normal(T(value), mu2, sigma2);
      sum += log_sum(first, second);
    }
    return sum;
  }
};

struct HiddenMarkov {
  static constexpr int kDim = 4;
  static constexpr int kParameters = 6;

  std::vector<double> y;

  std::string names() const { return "theta1.1,theta1.2,theta2.1,theta2.2,mu.1,mu.2"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    const T from_first = between_zero_and(T(1.0), q[0], log_jacobian);
    const T from_second = between_zero_and(T(1.0), q[1], log_jacobian);
    const T mu1 = positive(q[2], log_jacobian);
    const T mu2 = mu1 + positive(q[3], log_jacobian);
    return {from_first, T(1.0 - from_first), from_second, T(1.0 - from_second), mu1, mu2};
  }

  /// The forward algorithm, in logs.
  template <typename T>
  T log_density(const std::array<T, kDim>& /*q*/, const std::array<T, kParameters>& p) const {
    using std::log;
    const T& mu1 = p[4];
    const T& mu2 = p[5];
    const T stay1 = log(p[0]), leave1 = log(p[1]), leave2 = log(p[2]), stay2 = log(p[3]);
    T first = normal(T(y[0]), mu1, 1.0);
    T second = normal(T(y[0]), mu2, 1.0);
    for (std::size_t t = 1; t < y.size(); ++t) {
      const T to_first = log_sum(T(first + stay1), T(second + leave2)) + normal(T(y[t]), mu1, 1.0);
      const T to_second = log_sum(T(first + leave1), T(second + stay2)) + normal(T(y[t]), mu2, 1.0);
      first = to_first;
      second = to_second;
    }
    return normal(mu1, 3.0, 1.0) + normal(mu2, 10.0, 1.0) + log_sum(first, second);
  }
};

}  // namespace

std::unique_ptr<Posterior> low_dim_gauss_mix(const Data& data) {
  return std::make_unique<Differentiated<GaussianMixture>>(GaussianMixture{data.at("y")});
}

std::unique_ptr<Posterior> hmm_example(const Data& data) {
  return std::make_unique<Differentiated<HiddenMarkov>>(HiddenMarkov{data.at("y")});
}
