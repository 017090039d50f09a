// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/latent_spread.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/elementary.hpp"
#include "sampler/window_memory.hpp"

namespace flotilla {
namespace {

constexpr Index kMostPairs = LatentSpread::kGroup / 2;
constexpr double kUnit = 0x1p-20;

// So many differences weigh as much as the belief that a scale is 1.
constexpr double kPriorWeight = 100.0;

/// A row of the differences of a group's chains: chain k minus chain k + pairs. Zero beyond.
using Differences = std::array<double, kMostPairs>;

Differences differences(const double* row, Index pairs) {
  Differences d{};
  for (Index k = 0; k < pairs; ++k) d[static_cast<std::size_t>(k)] = row[k] - row[k + pairs];
  return d;
}

double sum_of_squares(const Differences& d) {
  double sum = 0.0;
  for (const double value : d) sum += value * value;
  return sum;
}

/// E log(chi^2_n / n), to 1 %: how much too small the logarithm of a variance of n squares is.
double log_bias(double n) {
  return -1.0 / n - 1.0 / (3.0 * n * n);
}

std::int64_t weighted(double value, Index pairs) {
  return std::llround(value / kUnit) * pairs;
}

/// Scalar products of the differences of a group, all with all.
class Gram {
 public:
  void add(const Differences& d, double scale) {
    for (std::size_t k = 0; k < d.size(); ++k) {
      for (std::size_t l = 0; l < d.size(); ++l) products_[k][l] += scale * d[k] * d[l];
    }
  }
  /// Mean of |d_k|^2, and of (d_k . d_l)^2 over k != l.
  double mean_square(Index pairs) const {
    double sum = 0.0;
    for (std::size_t k = 0; k < products_.size(); ++k) sum += products_[k][k];
    return sum / static_cast<double>(pairs);
  }
  double mean_squared_product(Index pairs) const {
    double sum = 0.0;
    for (std::size_t k = 0; k < products_.size(); ++k) {
      for (std::size_t l = 0; l < k; ++l) sum += products_[k][l] * products_[k][l];
    }
    return 2.0 * sum / static_cast<double>(pairs * (pairs - 1));
  }

 private:
  std::array<Differences, kMostPairs> products_{};
};

}  // namespace

void LatentSpread::observe(const Batch<double>& position, const std::vector<double>& scales,
                           Index chains) {
  const auto dim = static_cast<std::size_t>(position.dim());
  std::vector<double> variances(dim);
  for (Index first = 0; first < chains; first += kGroup) {
    const Index pairs = std::min(kGroup, chains - first) / 2;
    if (pairs < 2) continue;
    Gram gram;
    bool usable = true;
    for (std::size_t i = 0; i < dim; ++i) {
      const Differences d = differences(position.row(static_cast<Index>(i)) + first, pairs);
      variances[i] = sum_of_squares(d) / (2.0 * static_cast<double>(pairs));
      usable = usable && variances[i] > 0.0 && std::isfinite(variances[i]);
      gram.add(d, scales.empty() ? 1.0 : 1.0 / (scales[i] * scales[i]));
    }
    const double square = gram.mean_square(pairs);
    const double product = gram.mean_squared_product(pairs);
    if (!usable || !std::isfinite(product)) continue;
    const double bias = log_bias(static_cast<double>(pairs));
    sums_[kWeight] += pairs;
    sums_[kConcentration] += weighted(product / (square * square), pairs);
    sums_[kLogTrace] += weighted(elementary::log(0.5 * square), pairs);
    for (std::size_t i = 0; i < dim; ++i) {
      sums_[kFirstVariance + i] += weighted(elementary::log(variances[i]) - bias, pairs);
    }
  }
}

SpreadAdaptation::SpreadAdaptation(Index dim)
    : sums_(static_cast<std::size_t>(dim) + LatentSpread::kFirstVariance) {}

void SpreadAdaptation::update(const LatentSpread::Sums& window) {
  updates_ += 1;
  const double keep = kept_of_windows(updates_);
  for (std::size_t k = 0; k < sums_.size(); ++k) {
    const double unit = k == LatentSpread::kWeight ? 1.0 : kUnit;
    sums_[k] = keep * sums_[k] + unit * static_cast<double>(window[k]);
  }
}

std::vector<double> SpreadAdaptation::scales() const {
  std::vector<double> scales(sums_.size() - LatentSpread::kFirstVariance);
  const double weight = sums_[LatentSpread::kWeight];
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const double log_variance = sums_[LatentSpread::kFirstVariance + i] / (weight + kPriorWeight);
    scales[i] = elementary::exp(0.5 * log_variance);
  }
  return scales;
}

double SpreadAdaptation::damping() const {
  const double weight = sums_[LatentSpread::kWeight];
  if (weight == 0.0) return 1.0;
  const double concentration = sums_[LatentSpread::kConcentration] / weight;
  const double trace = elementary::exp(sums_[LatentSpread::kLogTrace] / weight);
  return 1.0 / std::sqrt(concentration * trace);
}

}  // namespace flotilla
