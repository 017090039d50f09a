// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/circular.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "flotilla/core/undefined.hpp"

namespace flotilla {
namespace {

double radians(const Circle& circle) {
  return 2.0 * std::numbers::pi / circle.length;
}

/// The draws as a view shows them.
ChainDraws viewed(View view, const Circle& circle, double centre, const ChainDraws& draws) {
  ChainDraws found = draws;
  for (double& value : found.values) value = seen(view, circle, centre, value);
  return found;
}

}  // namespace

double seen(View view, const Circle& circle, double centre, double x) {
  switch (view) {
    case View::kLine:
      return x;
    case View::kPlace:
      return centre + circle.gap(x, centre);
    case View::kCosine:
      return std::cos(radians(circle) * (x - centre));
    case View::kSine:
      return std::sin(radians(circle) * (x - centre));
  }
  return x;
}

double circular_mean(const Circle& circle, double centre, double cosine, double sine) {
  return circle.wrapped(centre + std::atan2(sine, cosine) / radians(circle));
}

template <typename T>
double centre_of(const Circle& circle, std::span<const T> draws) {
  double cosine = 0.0;
  double sine = 0.0;
  for (const T draw : draws) {
    const auto x = static_cast<double>(draw);
    if (!std::isfinite(x)) continue;
    cosine += seen(View::kCosine, circle, circle.low, x);
    sine += seen(View::kSine, circle, circle.low, x);
  }
  return circular_mean(circle, circle.low, cosine, sine);
}

template double centre_of(const Circle&, std::span<const float>);
template double centre_of(const Circle&, std::span<const double>);

QuantitySummary on_circle(const Circle& circle, double centre, const QuantitySummary& place,
                          const QuantitySummary& cosine, const QuantitySummary& sine) {
  QuantitySummary found = place;
  found.mean = circular_mean(circle, centre, cosine.mean, sine.mean);
  const double length = std::hypot(cosine.mean, sine.mean);
  found.mcse_mean = smaller(sine.mcse_mean / (length * radians(circle)), 0.5 * circle.length);
  for (double* quantile : {&found.q5, &found.median, &found.q95}) {
    *quantile = circle.wrapped(*quantile);
  }
  found.rhat = larger(cosine.rhat, sine.rhat);
  found.nested_rhat = larger(cosine.nested_rhat, sine.nested_rhat);
  found.ess_bulk = smaller(cosine.ess_bulk, sine.ess_bulk);
  found.ess_tail = smaller(cosine.ess_tail, sine.ess_tail);
  found.ess_chain = smaller(cosine.ess_chain, sine.ess_chain);
  return found;
}

QuantitySummary summarise_on_circle(const ChainDraws& draws, const Circle& circle,
                                    Index superchains) {
  const double centre = centre_of<double>(circle, draws.values);
  const auto summary = [&](View view) {
    return summarise(viewed(view, circle, centre, draws), superchains);
  };
  return on_circle(circle, centre, summary(View::kPlace), summary(View::kCosine),
                   summary(View::kSine));
}

}  // namespace flotilla
