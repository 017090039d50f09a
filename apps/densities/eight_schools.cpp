// SPDX-License-Identifier: BSD-3-Clause

// A hierarchical model: effects theta_j of coaching in eight schools, measured as y_j with standard
// errors s_j. theta_j ~ N(mu, tau^2), mu ~ N(0, 5^2), tau ~ half-Cauchy(5).
//
// x = (mu, log tau, then of each school eta_j = (theta_j - mu) / tau); with the argument "centred"
// theta_j itself. Outputs: mu, tau, theta.
// Source: D. Rubin, "Estimation in parallel randomized experiments", Journal of Educational
// Statistics 6 (1981).
#include <cmath>
#include <cstdio>
#include <string>

#include "flotilla/target/log_density.h"

struct flotilla_log_density {
  bool centred;
};

namespace {

constexpr int kSchools = 8;
constexpr int kDim = 2 + kSchools;
constexpr double kEffect[kSchools] = {28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0};
constexpr double kError[kSchools] = {15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0};
constexpr double kWidth = 5.0;  // of mu and of tau

double square(double value) {
  return value * value;
}

/// The log density at one point, and its gradient unless that is null.
double log_density_at(bool centred, const double* x, double* gradient) {
  const double mu = x[0];
  const double tau = std::exp(x[1]);
  const double ratio = square(tau / kWidth);
  // The last term is the Jacobian of tau = exp(x[1]).
  double value = -0.5 * square(mu / kWidth) - std::log1p(ratio) + x[1];
  double by_mu = -mu / square(kWidth);
  double by_log_tau = 1.0 - 2.0 * ratio / (1.0 + ratio);
  for (int j = 0; j < kSchools; ++j) {
    const double eta = centred ? (x[2 + j] - mu) / tau : x[2 + j];
    const double misfit = (kEffect[j] - (mu + tau * eta)) / kError[j];
    const double by_theta = misfit / kError[j];
    value -= 0.5 * square(eta) + 0.5 * square(misfit);
    double by_x = by_theta;
    if (centred) {
      value -= x[1];
      by_x -= eta / tau;
      by_mu += eta / tau;
      by_log_tau += square(eta) - 1.0;
    } else {
      by_x = by_theta * tau - eta;
      by_mu += by_theta;
      by_log_tau += by_theta * tau * eta;
    }
    if (gradient != nullptr) gradient[2 + j] = by_x;
  }
  if (gradient != nullptr) {
    gradient[0] = by_mu;
    gradient[1] = by_log_tau;
  }
  return value;
}

}  // namespace

int flotilla_log_density_abi() {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  const std::string form(arguments);
  if (form.empty() || form == "centred") return new flotilla_log_density{form == "centred"};
  std::snprintf(message, message_size, "expected 'centred' or no argument");
  return nullptr;
}

int64_t flotilla_log_density_dim(const flotilla_log_density* /*density*/) {
  return kDim;
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* /*message*/, size_t /*message_size*/) {
  for (int64_t k = 0; k < points; ++k) {
    double* const own = gradient == nullptr ? nullptr : gradient + k * dim;
    log_density[k] = log_density_at(density->centred, x + k * dim, own);
  }
  return 0;
}

void flotilla_log_density_close(flotilla_log_density* density) {
  delete density;
}

int64_t flotilla_log_density_outputs(const flotilla_log_density* /*density*/) {
  return kDim;
}

const char* flotilla_log_density_output_names(const flotilla_log_density* /*density*/) {
  return "mu,tau,theta.1,theta.2,theta.3,theta.4,theta.5,theta.6,theta.7,theta.8";
}

int flotilla_log_density_derive(flotilla_log_density* density, int64_t points, int64_t dim,
                                const double* x, double* outputs, char* /*message*/,
                                size_t /*message_size*/) {
  for (int64_t k = 0; k < points; ++k) {
    const double* const point = x + k * dim;
    double* const own = outputs + k * kDim;
    own[0] = point[0];
    own[1] = std::exp(point[1]);
    for (int j = 0; j < kSchools; ++j) {
      own[2 + j] = density->centred ? point[2 + j] : own[0] + own[1] * point[2 + j];
    }
  }
  return 0;
}
