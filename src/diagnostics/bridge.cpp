// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/bridge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "flotilla/diagnostics/effective_size.hpp"

namespace flotilla {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPrecision = 1e-12;  // of log Z, relative to its size

/// The shares of both sets of draws in the optimal bridge, and a guess of log Z.
struct Bridge {
  double run_share;
  double base_share;
  double log_evidence;

  /// p / (s1 p + s2 q) at a draw of q.
  double at_base(double log_ratio) const {
    return 1.0 / (run_share + base_share * std::exp(log_evidence - log_ratio));
  }
  /// q / (s1 p + s2 q) at a draw of p.
  double at_run(double log_ratio) const {
    return 1.0 / (run_share * std::exp(log_ratio - log_evidence) + base_share);
  }
};

template <typename Value>
double mean_of(std::span<const double> log_ratios, Value value) {
  double sum = 0.0;
  for (const double log_ratio : log_ratios) sum += value(log_ratio);
  return sum / static_cast<double>(log_ratios.size());
}

/// Moments of the values at draws.
template <typename Value>
Moments moments_of(std::span<const double> log_ratios, Value value) {
  Moments moments;
  for (const double log_ratio : log_ratios) moments.observe(value(log_ratio));
  return moments;
}

/// The log Z at which both means of the bridge agree. The mean over q falls with log Z, the mean
/// over p rises, and outside the range of the log ratios they are on opposite sides of 1.
double solve(std::span<const double> run, std::span<const double> base, Bridge bridge) {
  const auto [low_run, high_run] = std::minmax_element(run.begin(), run.end());
  double low = *low_run;
  double high = *high_run;
  for (const double log_ratio : base) {
    if (log_ratio == -kInfinity) continue;
    low = std::min(low, log_ratio);
    high = std::max(high, log_ratio);
  }
  // Draws of q with pi = 0 lower the mean over q without a bound on log Z from below.
  low += std::log(std::numeric_limits<double>::min());
  while (high - low > kPrecision * std::max(1.0, std::abs(high))) {
    bridge.log_evidence = 0.5 * (low + high);
    const double over_base = mean_of(base, [&](double u) { return bridge.at_base(u); });
    const double over_run = mean_of(run, [&](double u) { return bridge.at_run(u); });
    (over_base > over_run ? low : high) = bridge.log_evidence;
  }
  return 0.5 * (low + high);
}

/// Effective size of a series of the run; its number of draws if it does not vary.
double size_of_run(const ChainDraws& series) {
  if (!varies(series)) return static_cast<double>(series.values.size());
  return effective_size(split_chains(series));
}

/// Variance over squared mean: zero if nothing varies, infinite if all values are zero.
double relative_variance(const Moments& moments) {
  if (moments.mean() == 0.0) return kInfinity;
  const double count = std::max(1.0, moments.count() - 1.0);
  return moments.deviations() / count / (moments.mean() * moments.mean());
}

}  // namespace

BridgeEstimate bridge_estimate(const ChainDraws& run, std::span<const double> base) {
  BridgeEstimate estimate;
  if (*std::max_element(base.begin(), base.end()) == -kInfinity) return estimate;
  const double count = static_cast<double>(base.size());
  double size = size_of_run(run);
  if (std::isnan(size)) size = static_cast<double>(run.values.size());
  Bridge bridge = {size / (size + count), count / (size + count), 0.0};
  bridge.log_evidence = solve(run.values, base, bridge);
  estimate.log_evidence = bridge.log_evidence;

  ChainDraws at_run = run;
  for (double& value : at_run.values) value = bridge.at_run(value);
  const double over_base = relative_variance(
      moments_of(base, [&](double log_ratio) { return bridge.at_base(log_ratio); }));
  const double over_run =
      relative_variance(moments_of(at_run.values, [](double value) { return value; }));
  const double run_size = size_of_run(at_run);
  estimate.error = std::sqrt(over_base / count + over_run / run_size);
  estimate.base_draws = count / (1.0 + over_base);
  estimate.run_draws = run_size / (1.0 + over_run);

  const Bridge even = {0.5, 0.5, estimate.log_evidence};
  estimate.overlap =
      std::min(mean_of(base, [&](double log_ratio) { return even.at_base(log_ratio); }),
               mean_of(run.values, [&](double log_ratio) { return even.at_run(log_ratio); }));
  return estimate;
}

ImportanceEstimate importance_estimate(std::span<const double> base) {
  ImportanceEstimate estimate;
  const double highest = *std::max_element(base.begin(), base.end());
  if (highest == -kInfinity) return estimate;
  double sum = 0.0;
  double squares = 0.0;
  for (const double log_ratio : base) {
    const double weight = std::exp(log_ratio - highest);
    sum += weight;
    squares += weight * weight;
  }
  const double count = static_cast<double>(base.size());
  estimate.log_evidence = highest + std::log(sum / count);
  estimate.effective_size = sum * sum / squares;
  estimate.error = std::sqrt(std::max(0.0, 1.0 / estimate.effective_size - 1.0 / count));
  return estimate;
}

}  // namespace flotilla
