// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The model that the stand-ins for BridgeStan's libraries hold, as if Stan had made it of
//
//     data { real m; real limit; }
//     parameters { real mu; real<lower=0> tau; matrix[2, 3] a; }
//     transformed parameters { vector[2] theta = [mu, 2 * tau]'; }
//     model {
//       if (mu > limit) reject("mu is above its limit");
//       mu ~ normal(m, 1);  tau ~ lognormal(0, 0.5);
//       for (i in 1:2) for (j in 1:3) a[i, j] ~ normal(2 * i + 0.5 * j, 1);
//     }
//     generated quantities { real y = normal_rng(mu, 1); }

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>

namespace stand_in {

constexpr int kDim = 8;
constexpr double kSpread = 0.5;  // of log(tau)
constexpr double kLogTwoPi = 1.8378770664093454836;

/// Data without data: {"m": 0, "limit": 1e300}. JSON is a file or a text, as in BridgeStan.
inline std::string json_of(const std::string& data) {
  if (!data.ends_with(".json")) return data;
  std::ifstream file(data);
  if (!file) throw std::runtime_error("cannot read\nthe file " + data);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline double number_of(const std::string& json, const std::string& name, double otherwise) {
  const std::size_t place = json.find('"' + name + "\":");
  if (place == std::string::npos) return otherwise;
  return std::strtod(json.c_str() + place + name.size() + 3, nullptr);
}

class Model {
 public:
  explicit Model(const char* data) {
    const std::string json = json_of(data == nullptr ? "" : data);
    if (!json.empty() && json.front() != '{') throw std::runtime_error("expected\na JSON object");
    m_ = number_of(json, "m", 0.0);
    limit_ = number_of(json, "limit", 1e300);
  }

  /// Like Stan's: constants are dropped with `propto`, and log(tau)'s Jacobian is one of these.
  double log_density(bool propto, bool jacobian, const double* u, double* gradient) const {
    if (u[0] > limit_) throw std::domain_error("mu is above\nits limit");
    double value = propto ? 0.0 : -0.5 * kDim * kLogTwoPi - std::log(kSpread);
    value += normal(u[0], m_, 1.0, &gradient[0]);
    value += normal(u[1], 0.0, kSpread, &gradient[1]);
    if (!jacobian) {
      value -= u[1];
      gradient[1] -= 1.0;
    }
    for (int k = 0; k < 6; ++k) {
      value += normal(u[2 + k], 2.0 * row(k) + 0.5 * column(k), 1.0, &gradient[2 + k]);
    }
    return value;
  }

  static const char* names(bool transformed, bool generated) {
    static std::string text;
    text = "mu,tau,a.1.1,a.2.1,a.1.2,a.2.2,a.1.3,a.2.3";  // the first index runs fastest
    if (transformed) text += ",theta.1,theta.2";
    if (generated) text += ",y";
    return text.c_str();
  }

  static int count(bool transformed, bool generated) {
    return kDim + (transformed ? 2 : 0) + (generated ? 1 : 0);
  }

  void constrain(bool transformed, bool generated, const double* u, double* outputs,
                 std::mt19937* generator) const {
    double* next = outputs;
    *next++ = u[0];
    *next++ = std::exp(u[1]);
    for (int k = 0; k < 6; ++k) *next++ = u[2 + k];
    if (transformed) {
      *next++ = u[0];
      *next++ = 2.0 * std::exp(u[1]);
    }
    if (!generated) return;
    if (generator == nullptr) throw std::invalid_argument("there is no generator");
    *next++ = u[0] + std::normal_distribution<double>()(*generator);
  }

 private:
  static int row(int k) { return 1 + k % 2; }
  static int column(int k) { return 1 + k / 2; }

  static double normal(double at, double mean, double spread, double* slope) {
    const double distance = (at - mean) / spread;
    *slope = -distance / spread;
    return -0.5 * distance * distance;
  }

  double m_ = 0.0;
  double limit_ = 0.0;
};

}  // namespace stand_in
