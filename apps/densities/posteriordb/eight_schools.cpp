// SPDX-License-Identifier: BSD-3-Clause
// Effects of coaching in eight schools, a hierarchical model (Rubin 1981), not centred.
#include <vector>

#include "posterior.hpp"

namespace {

struct EightSchools {
  static constexpr int kSchools = 8;
  static constexpr int kDim = kSchools + 2;
  static constexpr int kParameters = kSchools + 2;

  std::vector<double> effect, error;

  std::string names() const { return indexed("theta", kSchools) + ",mu,tau"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    std::array<T, kParameters> p{};
    const T& mu = q[kSchools];
    const T tau = positive(q[kSchools + 1], log_jacobian);
    for (int j = 0; j < kSchools; ++j) p[j] = mu + tau * q[j];
    p[kSchools] = mu;
    p[kSchools + 1] = tau;
    return p;
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& q, const std::array<T, kParameters>& p) const {
    T sum = normal(p[kSchools], 0.0, 5.0) + half_cauchy(p[kSchools + 1], 5.0);
    for (int j = 0; j < kSchools; ++j) {
      sum += normal(q[j], 0.0, 1.0) + normal(p[j], effect[j], error[j]);
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<Posterior> eight_schools_noncentered(const Data& data) {
  return std::make_unique<Differentiated<EightSchools>>(
      EightSchools{data.at("y"), data.at("sigma")});
}
