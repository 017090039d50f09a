// SPDX-License-Identifier: BSD-3-Clause
// Test scores of children, a linear regression with an interaction (Gelman and Hill 2006).
#include <vector>

#include "posterior.hpp"

namespace {

struct Kidscore {
  static constexpr int kDim = 5;
  static constexpr int kParameters = 5;

  std::vector<double> score, mother_iq, mother_school;

  std::string names() const { return indexed("beta", 4) + ",sigma"; }

  template <typename T>
  std::array<T, kParameters> constrain(const std::array<T, kDim>& q, T& log_jacobian) const {
    return {q[0], q[1], q[2], q[3], positive(q[4], log_jacobian)};
  }

  template <typename T>
  T log_density(const std::array<T, kDim>& /*q*/, const std::array<T, kParameters>& p) const {
    T sum = half_cauchy(p[4], 2.5);
    for (std::size_t n = 0; n < score.size(); ++n) {
      const T mean = p[0] + p[1] * mother_school[n] + p[2] * mother_iq[n] +
                     p[3] * (mother_school[n] * mother_iq[n]);
      sum += normal(T(score[n]), mean, p[4]);
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<Posterior> kidscore_interaction(const Data& data) {
  return std::make_unique<Differentiated<Kidscore>>(
      Kidscore{data.at("kid_score"), data.at("mom_iq"), data.at("mom_hs")});
}
