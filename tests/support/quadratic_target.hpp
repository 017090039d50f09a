// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/target/target.hpp"

namespace flotilla::test {

/// An explicit target: log pi(z) = -|x - mean|^2 / (2 width^2) + l(z), so that x ~ N(mean, width^2
/// I) for any flow. Source: src/README.md, targets, explicit.
template <typename T>
class QuadraticTarget final : public Target<T> {
 public:
  QuadraticTarget(double mean, double width) : mean_(mean), precision_(1.0 / (width * width)) {}

  bool depends_on_x() const override { return true; }

  void evaluate(const Batch<T>& z, const Batch<T>& x, const PerChain& log_det,
                PerChain& log_density, Cotangents<T>& cotangents) const override {
    cotangents.z_bar.fill(T{0});
    cotangents.log_det_bar.fill(T{1});
    for (Index c = 0; c < z.stride(); ++c) {
      log_density(0, c) = log_det(0, c);
      for (Index i = 0; i < x.dim(); ++i) {
        const double gap = static_cast<double>(x(i, c)) - mean_;
        log_density(0, c) -= 0.5 * precision_ * gap * gap;
        cotangents.x_bar(i, c) = static_cast<T>(-precision_ * gap);
      }
    }
  }

 private:
  double mean_;
  double precision_;
};

}  // namespace flotilla::test
