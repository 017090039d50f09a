// SPDX-License-Identifier: BSD-3-Clause
#include "run/density_climb.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace flotilla {
namespace {

constexpr int kClimbingSteps = 250;
constexpr int kLastSteps = 20;  // a density that still rises in these is still rising
constexpr double kFirstStep = 1e-3;
constexpr double kLongestStep = 0.1;  // times sqrt(dim): as long as a step of a chain

/// Evaluates the log density and its gradient at columns of latent points.
class ClimbedDensity {
 public:
  ClimbedDensity(const Flow<double>& flow, Index chains)
      : flow_(flow),
        tape_(flow.tape_shape(), chains),
        image_(flow.dim(), chains),
        score_(flow.dim(), chains),
        log_det_(1, chains),
        minus_one_(1, chains) {
    minus_one_.fill(-1.0);
  }

  /// @param value     [1 x chains] log q_Z(z) - l(z)
  /// @param gradient  [dim x chains]
  void evaluate(const Batch<double>& z, PerChain& value, Batch<double>& gradient) {
    image_ = z;
    log_det_.fill(0.0);
    value.fill(0.0);
    flow_.forward(image_, log_det_, tape_);
    flow_.base().add_log_density(z, 1.0, value);
    flow_.base().score(z, score_);
    gradient.fill(0.0);
    flow_.vjp(tape_, gradient, minus_one_);
    for (Index c = 0; c < z.chains(); ++c) {
      value(0, c) -= log_det_(0, c);
      for (Index i = 0; i < z.dim(); ++i) gradient(i, c) += score_(i, c);
    }
  }

 private:
  const Flow<double>& flow_;
  Tape<double> tape_;
  Batch<double> image_;
  Batch<double> score_;
  PerChain log_det_;
  Batch<double> minus_one_;
};

double length_of(const Batch<double>& columns, Index c) {
  double square = 0.0;
  for (Index i = 0; i < columns.dim(); ++i) square += columns(i, c) * columns(i, c);
  return std::sqrt(square);
}

/// Where every column stands, and how it goes on.
struct Climbers {
  Batch<double> z;
  PerChain value;
  Batch<double> gradient;
  std::vector<double> step;  ///< length of the next step
};

/// Tries one step of every column along its gradient; keeps those that rise.
void step(ClimbedDensity& density, Climbers& at, Climbers& tried) {
  const double longest = kLongestStep * std::sqrt(static_cast<double>(at.z.dim()));
  for (Index c = 0; c < at.z.chains(); ++c) {
    const double scale = at.step[static_cast<std::size_t>(c)] / length_of(at.gradient, c);
    for (Index i = 0; i < at.z.dim(); ++i) {
      tried.z(i, c) = at.z(i, c) + (std::isfinite(scale) ? scale * at.gradient(i, c) : 0.0);
    }
  }
  density.evaluate(tried.z, tried.value, tried.gradient);
  for (Index c = 0; c < at.z.chains(); ++c) {
    const bool rises = tried.value(0, c) > at.value(0, c);  // false for NaN
    double& length = at.step[static_cast<std::size_t>(c)];
    length = rises ? std::min(2.0 * length, longest) : 0.5 * length;
    if (!rises) continue;
    at.value(0, c) = tried.value(0, c);
    for (Index i = 0; i < at.z.dim(); ++i) {
      at.z(i, c) = tried.z(i, c);
      at.gradient(i, c) = tried.gradient(i, c);
    }
  }
}

Index best_of(const PerChain& value) {
  Index best = 0;
  for (Index c = 1; c < value.chains(); ++c) {
    if (value(0, c) > value(0, best) || std::isnan(value(0, best))) best = c;
  }
  return best;
}

}  // namespace

Climb climb_density(const Flow<double>& flow, Batch<double> starts) {
  const Index chains = starts.chains();
  ClimbedDensity density(flow, chains);
  Climbers at{std::move(starts), PerChain(1, chains), Batch<double>(flow.dim(), chains),
              std::vector<double>(static_cast<std::size_t>(chains), kFirstStep)};
  Climbers tried = at;
  density.evaluate(at.z, at.value, at.gradient);
  Climb climb;
  climb.starts = chains;
  climb.highest_draw = at.value(0, best_of(at.value));
  double before_last = 0.0;
  for (int k = 0; k < kClimbingSteps; ++k) {
    if (k == kClimbingSteps - kLastSteps) before_last = at.value(0, best_of(at.value));
    step(density, at, tried);
  }
  const Index best = best_of(at.value);
  climb.highest = at.value(0, best);
  climb.distance = length_of(at.z, best);
  climb.rising = climb.highest - before_last > 1.0;
  return climb;
}

}  // namespace flotilla
