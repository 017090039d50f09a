// SPDX-License-Identifier: BSD-3-Clause
// Gaussian processes over eleven points: regression with normal noise, and of Poisson counts.
#include <vector>

#include "posterior.hpp"

namespace {

constexpr int kPoints = 11;

/// The lower Cholesky factor of alpha^2 exp(-(x_i - x_j)^2 / (2 rho^2)) + diagonal I.
template <typename T>
std::array<std::array<T, kPoints>, kPoints> cholesky(const std::vector<double>& x, const T& alpha,
                                                     const T& rho, const T& diagonal) {
  using std::exp;
  using std::sqrt;
  std::array<std::array<T, kPoints>, kPoints> factor{};
  for (int i = 0; i < kPoints; ++i) {
    for (int j = 0; j <= i; ++j) {
      const T distance = (x[i] - x[j]) / rho;
      T rest = alpha * alpha * exp(-0.5 * distance * distance);
      if (i == j) rest += diagonal;
      for (int k = 0; k < j; ++k) rest -= factor[i][k] * factor[j][k];
      factor[i][j] = i == j ? T(sqrt(rest)) : T(rest / factor[j][j]);
    }
  }
  return factor;
}

/// The priors that both models share: Gamma(25, 4) of rho, half normal(0, 2) of alpha.
template <typename T>
T log_prior(const T& rho, const T& alpha) {
  using std::log;
  return 24.0 * log(rho) - 4.0 * rho + normal(alpha, 0.0, 2.0);
}

struct Regression {
  static constexpr int kDim = 3;
  static constexpr int kParameters = 3;

  std::vector<double> x, y;

  std::string names() const { return "rho,alpha,sigma"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    std::array<T, kParameters> p{};
    for (int i = 0; i < kParameters; ++i) p[i] = positive(q[i], log_jacobian);
    return p;
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& /*q*/, const std::array<T, kParameters>& p) const {
    using std::log;
    const auto& [rho, alpha, sigma] = p;
    const auto factor = cholesky(x, alpha, rho, sigma);
    T sum = log_prior(rho, alpha) + normal(sigma, 0.0, 1.0);
    std::array<T, kPoints> white{};  // factor^-1 y
    for (int i = 0; i < kPoints; ++i) {
      T rest(y[i]);
      for (int k = 0; k < i; ++k) rest -= factor[i][k] * white[k];
      white[i] = rest / factor[i][i];
      sum += -0.5 * white[i] * white[i] - log(factor[i][i]);
    }
    return sum;
  }
};

struct PoissonCounts {
  static constexpr int kDim = 2 + kPoints;
  static constexpr int kParameters = 2 + kPoints;
  static constexpr double kJitter = 1e-10;

  std::vector<double> x, counts;

  std::string names() const { return "rho,alpha," + indexed("f", kPoints); }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    std::array<T, kParameters> p{};
    p[0] = positive(q[0], log_jacobian);
    p[1] = positive(q[1], log_jacobian);
    const auto factor = cholesky(x, p[1], p[0], T(kJitter));
    for (int i = 0; i < kPoints; ++i) {
      p[2 + i] = T(0.0);
      for (int k = 0; k <= i; ++k) p[2 + i] += factor[i][k] * q[2 + k];
    }
    return p;
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& q, const std::array<T, kParameters>& p) const {
    using std::exp;
    T sum = log_prior(p[0], p[1]);
    for (int i = 0; i < kPoints; ++i) {
      sum += normal(q[2 + i], 0.0, 1.0) + counts[i] * p[2 + i] - exp(p[2 + i]);
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<Posterior> gp_regr(const Data& data) {
  return std::make_unique<Differentiated<Regression>>(Regression{data.at("x"), data.at("y")});
}

std::unique_ptr<Posterior> gp_pois_regr(const Data& data) {
  return std::make_unique<Differentiated<PoissonCounts>>(PoissonCounts{data.at("x"), data.at("k")});
}
