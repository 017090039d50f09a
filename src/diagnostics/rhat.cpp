#include "flotilla/diagnostics/rhat.hpp"

#include <cmath>
#include <limits>

namespace flotilla {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// The variance of the chains' means; 0 for a single chain.
double variance_of_means(std::span<const Moments> chains) {
  Moments means;
  for (const Moments& chain : chains) means.observe(chain.mean());
  return chains.size() > 1 ? means.variance() : 0.0;
}

double mean_variance(std::span<const Moments> chains) {
  double sum = 0.0;
  for (const Moments& chain : chains) sum += chain.variance();
  return sum / static_cast<double>(chains.size());
}

/// The square root of a ratio of variances, which 0/0 is not.
double scale(double total, double within) {
  return within > 0.0 || total > 0.0 ? std::sqrt(total / within) : kUndefined;
}

}  // namespace

double rhat(std::span<const Moments> chains) {
  if (chains.size() < 2 || chains.front().count() < 2.0) return kUndefined;
  const double draws = chains.front().count();
  const double within = mean_variance(chains);
  return scale(within * (draws - 1.0) / draws + variance_of_means(chains), within);
}

double nested_rhat(std::span<const Moments> chains, Index superchains) {
  const auto count = static_cast<std::size_t>(superchains);
  if (superchains < 2 || chains.size() % count != 0) return kUndefined;
  const std::size_t width = chains.size() / count;
  const bool single_draws = chains.front().count() < 2.0;
  Moments means;
  double within = 0.0;
  for (std::size_t k = 0; k < count; ++k) {
    const std::span<const Moments> own = chains.subspan(k * width, width);
    Moments superchain;
    for (const Moments& chain : own) superchain.observe(chain.mean());
    means.observe(superchain.mean());
    within += variance_of_means(own) + (single_draws ? 0.0 : mean_variance(own));
  }
  within /= static_cast<double>(count);
  return scale(within + means.variance(), within);
}

}  // namespace flotilla
