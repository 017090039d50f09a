// SPDX-License-Identifier: BSD-3-Clause
// Lynx and hares of the Hudson Bay: the predator-prey equations of Lotka and Volterra.
#include <vector>

#include "posterior.hpp"

namespace {

struct LotkaVolterra {
  static constexpr int kDim = 8;
  static constexpr int kParameters = 8;
  /// Steps of the fourth-order Runge-Kutta method in a year: its error is far below the noise.
  static constexpr int kSteps = 20;

  std::vector<std::array<double, 2>> populations;
  std::array<double, 2> first;

  std::string names() const {
    return indexed("theta", 4) + "," + indexed("z_init", 2) + "," + indexed("sigma", 2);
  }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    std::array<T, kParameters> p{};
    for (int i = 0; i < kParameters; ++i) p[i] = positive(q[i], log_jacobian);
    return p;
  }

  template <typename T>
  static std::array<T, 2> rate(const std::array<T, 2>& z, const std::array<T, kParameters>& p) {
    return {T((p[0] - p[1] * z[1]) * z[0]), T((p[3] * z[0] - p[2]) * z[1])};
  }

  template <typename T>
  static std::array<T, 2> moved(const std::array<T, 2>& z, double time,
                                const std::array<T, 2>& rate) {
    return {T(z[0] + time * rate[0]), T(z[1] + time * rate[1])};
  }

  /// The populations a year later.
  template <typename T>
  static void advance(std::array<T, 2>& z, const std::array<T, kParameters>& p) {
    constexpr double h = 1.0 / kSteps;
    for (int step = 0; step < kSteps; ++step) {
      const std::array<T, 2> k1 = rate(z, p);
      const std::array<T, 2> k2 = rate(moved(z, 0.5 * h, k1), p);
      const std::array<T, 2> k3 = rate(moved(z, 0.5 * h, k2), p);
      const std::array<T, 2> k4 = rate(moved(z, h, k3), p);
      for (int i = 0; i < 2; ++i) z[i] += h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
    }
  }

  /// Log of a log-normal density of `observed`, up to a constant.
  template <typename T>
  static T log_normal(double observed, const T& median, const T& sigma) {
    using std::log;
    return normal(T(std::log(observed)), T(log(median)), sigma);
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& q, const std::array<T, kParameters>& p) const {
    T sum = normal(p[0], 1.0, 0.5) + normal(p[2], 1.0, 0.5) + normal(p[1], 0.05, 0.05) +
            normal(p[3], 0.05, 0.05);
    std::array<T, 2> z = {p[4], p[5]};
    const std::array<T, 2> sigma = {p[6], p[7]};
    for (int i = 0; i < 2; ++i) {
      // Log-normal priors: density of p, whose logarithm is q.
      sum += normal(q[6 + i], -1.0, 1.0) - q[6 + i];
      sum += normal(q[4 + i], std::log(10.0), 1.0) - q[4 + i];
      sum += log_normal(first[i], z[i], sigma[i]);
    }
    for (const std::array<double, 2>& observed : populations) {
      advance(z, p);
      for (int i = 0; i < 2; ++i) sum += log_normal(observed[i], z[i], sigma[i]);
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<Posterior> lotka_volterra(const Data& data) {
  return std::make_unique<Differentiated<LotkaVolterra>>(
      LotkaVolterra{data.at("y"), data.at("y_init")});
}
