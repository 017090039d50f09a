// SPDX-License-Identifier: BSD-3-Clause

// Two Gaussians of unit width, at -a and a along the first coordinate, with weights 0.3 and 0.7.
// Any dimension. Argument: a, 3 without any.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "flotilla/target/log_density.h"

struct flotilla_log_density {
  double a;
};

namespace {

constexpr double kWeight = 0.3;  // of the mode at -a

double half_square(double value) {
  return 0.5 * value * value;
}

}  // namespace

int flotilla_log_density_abi() {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  char* rest = nullptr;
  const double a = *arguments == '\0' ? 3.0 : std::strtod(arguments, &rest);
  if (std::isfinite(a) && (rest == nullptr || (rest != arguments && *rest == '\0'))) {
    return new flotilla_log_density{a};
  }
  std::snprintf(message, message_size, "expected half the distance of the modes, a number");
  return nullptr;
}

int64_t flotilla_log_density_dim(const flotilla_log_density* /*density*/) {
  return 0;
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* /*message*/, size_t /*message_size*/) {
  const double a = density->a;
  for (int64_t k = 0; k < points; ++k) {
    const double* const point = x + k * dim;
    const double left = std::log(kWeight) - half_square(point[0] + a);
    const double right = std::log(1.0 - kWeight) - half_square(point[0] - a);
    // Beside the larger term the smaller one cannot overflow.
    log_density[k] = std::max(left, right) + std::log1p(std::exp(-std::abs(left - right)));
    for (int64_t i = 1; i < dim; ++i) log_density[k] -= half_square(point[i]);
    if (gradient == nullptr) continue;
    const double share = 1.0 / (1.0 + std::exp(right - left));  // of the mode at -a
    gradient[k * dim] = (1.0 - 2.0 * share) * a - point[0];
    for (int64_t i = 1; i < dim; ++i) gradient[k * dim + i] = -point[i];
  }
  return 0;
}

void flotilla_log_density_close(flotilla_log_density* density) {
  delete density;
}
