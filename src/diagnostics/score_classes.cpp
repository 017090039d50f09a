// SPDX-License-Identifier: BSD-3-Clause
#include "diagnostics/score_classes.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "diagnostics/rank_scores.hpp"

namespace flotilla {

ScoreClasses::ScoreClasses(double centre, double scale)
    : centre_(centre), inverse_scale_(1.0 / scale), counts_(std::size_t{2} * kHalf) {}

template <typename T>
double ScoreClasses::observe(std::span<const T> draws) {
  // Finding classes vectorises, counting them does not: so find all classes first.
  constexpr std::size_t kTogether = 256;
  std::int32_t classes[kTogether];  // not cleared: clearing would take as long as counting
  std::size_t lost = 0;
  for (std::size_t first = 0; first < draws.size(); first += kTogether) {
    const std::span<const T> part = draws.subspan(first, std::min(kTogether, draws.size() - first));
    std::uint32_t bad = 0;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const float v = standardised(part[i]);
      classes[i] = class_of(v);
      bad += std::abs(v) <= std::numeric_limits<float>::max() ? 0U : 1U;
    }
    lost += bad;
    for (std::size_t i = 0; i < part.size(); ++i) {
      ++counts_[static_cast<std::size_t>(classes[i])];
    }
  }
  return static_cast<double>(lost);
}

void ScoreClasses::score(std::span<const float> standardised, std::span<float> scores,
                         std::span<float> folded) const {
  const Scores* of_class = scores_.data();
  for (std::size_t i = 0; i < standardised.size(); ++i) {
    const Scores own = of_class[class_of(standardised[i])];
    scores[i] = own.plain;
    folded[i] = own.folded;
  }
}

double ScoreClasses::edge(std::uint32_t number) {
  const auto distance = [](std::uint32_t place) {
    return static_cast<double>(std::bit_cast<float>((place + (127U << 10U)) << 13U)) - 1.0;
  };
  return number >= kHalf ? distance(number - kHalf) : -distance(kHalf - number);
}

void ScoreClasses::rank() {
  total_ = 0.0;
  for (const std::uint32_t count : counts_) total_ += static_cast<double>(count);
  scores_.assign(counts_.size(), {});
  double below = 0.0;
  for (std::size_t k = 0; k < counts_.size(); ++k) {
    if (counts_[k] == 0) continue;
    const auto count = static_cast<double>(counts_[k]);
    scores_[k].plain = static_cast<float>(normal_score(below + 0.5 * (count + 1.0), total_));
    below += count;
  }
  low_tail_ = quantile(0.05);
  median_ = quantile(0.5);
  high_tail_ = quantile(0.95);
  rank_folded();
  const auto end_of_class = [&](double value) {
    const std::int32_t own = class_of(standardised(value));
    return static_cast<float>(edge(static_cast<std::uint32_t>(own) + 1));
  };
  low_tail_end_ = end_of_class(low_tail_);
  high_tail_end_ = end_of_class(high_tail_);
  std::vector<std::uint32_t>().swap(counts_);
}

/// Ranks classes by their distance from the median. Distances grow on both sides of it: merge the
/// two.
void ScoreClasses::rank_folded() {
  const double median = (median_ - centre_) * inverse_scale_;
  const auto middle = [](std::size_t k) {
    const auto number = static_cast<std::uint32_t>(k);
    return 0.5 * (edge(number) + edge(number + 1));
  };
  std::size_t above = 0;
  while (above < counts_.size() && middle(above) < median) ++above;
  std::size_t below = above;  // classes [0, below) and [above, end) are still unranked
  double nearer = 0.0;
  while (below > 0 || above < counts_.size()) {
    const bool right = below == 0 || (above < counts_.size() &&
                                      middle(above) - median < median - middle(below - 1));
    const std::size_t k = right ? above++ : --below;
    if (counts_[k] == 0) continue;
    const auto count = static_cast<double>(counts_[k]);
    scores_[k].folded = static_cast<float>(normal_score(nearer + 0.5 * (count + 1.0), total_));
    nearer += count;
  }
}

double ScoreClasses::quantile(double p) const {
  const double place = p * (total_ - 1.0);
  double below = 0.0;
  std::size_t k = 0;
  for (; k + 1 < counts_.size(); ++k) {
    const auto count = static_cast<double>(counts_[k]);
    if (count > 0.0 && below + count > place) break;
    below += count;
  }
  const auto number = static_cast<std::uint32_t>(k);
  const double share = (place - below + 0.5) / static_cast<double>(counts_[k]);
  const double inside = edge(number) + std::min(share, 1.0) * (edge(number + 1) - edge(number));
  return centre_ + inside / inverse_scale_;
}

template double ScoreClasses::observe(std::span<const float>);
template double ScoreClasses::observe(std::span<const double>);

}  // namespace flotilla
