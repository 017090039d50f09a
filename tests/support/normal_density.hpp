// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <string>

#include "flotilla/target/density.hpp"

namespace flotilla::test {

/// log p(x) = -|x - mean|^2 / (2 width^2), in any dimension. What lies beyond `edge` along the
/// first coordinate has no density.
class NormalDensity final : public Density {
 public:
  NormalDensity(double mean, double width, double edge = 1e300)
      : mean_(mean), precision_(1.0 / (width * width)), edge_(edge) {}

  const std::string& name() const override { return name_; }
  Index dim() const override { return 0; }

  void evaluate(const DataPoints& points, double* log_density, double* gradient) const override {
    ++calls;
    seen += points.count;
    if (gradient != nullptr) ++gradients;
    for (Index k = 0; k < points.count; ++k) {
      const double* const x = points.x + k * points.dim;
      log_density[k] = x[0] > edge_ ? -HUGE_VAL : 0.0;
      for (Index i = 0; i < points.dim; ++i) {
        const double gap = x[i] - mean_;
        log_density[k] -= 0.5 * precision_ * gap * gap;
        if (gradient != nullptr) gradient[k * points.dim + i] = -precision_ * gap;
      }
    }
  }

  mutable Index calls = 0;
  mutable Index seen = 0;       ///< points
  mutable Index gradients = 0;  ///< calls that asked for one

 private:
  std::string name_ = "normal";
  double mean_;
  double precision_;
  double edge_;
};

}  // namespace flotilla::test
