// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/rhat.hpp"

#include <cmath>

#include "flotilla/core/undefined.hpp"

namespace flotilla {
namespace {

/// Square root of a ratio of variances; NaN for 0/0.
double scale(double total, double within) {
  return within > 0.0 || total > 0.0 ? std::sqrt(total / within) : kUndefined;
}

/// Variance; 0 for a single value.
double variance_between(const Moments& means) {
  return means.count() > 1.0 ? means.variance() : 0.0;
}

}  // namespace

void Rhat::observe(const Moments& chain) {
  draws_ = chain.count();
  means_.observe(chain.mean());
  variances_ += chain.variance();
}

void Rhat::merge(const Rhat& other) {
  draws_ = other.draws_ > 0.0 ? other.draws_ : draws_;
  means_.merge(other.means_);
  variances_ += other.variances_;
}

bool Rhat::is_constant() const {
  return draws_ > 1.0 && within() == 0.0 && variance_between(means_) == 0.0;
}

double Rhat::total() const {
  return within() * (draws_ - 1.0) / draws_ + variance_between(means_);
}

double Rhat::value() const {
  if (means_.count() < 2.0 || draws_ < 2.0) return kUndefined;
  return scale(total(), within());
}

double Rhat::effective_size() const {
  const double between = variance_between(means_);
  return std::isnan(value()) || between == 0.0 ? kUndefined : means_.count() * total() / between;
}

void NestedRhat::observe(const Moments& chain) {
  current_.observe(chain.mean());
  if (chain.count() > 1.0) variances_ += chain.variance();
  close_superchain();
}

void NestedRhat::merge(const Rhat& part) {
  const double variances = part.within() * part.means().count();
  current_.merge(part.means());
  if (!std::isnan(variances)) variances_ += variances;
  close_superchain();
}

void NestedRhat::close_superchain() {
  if (current_.count() < width_) return;
  superchains_.observe(current_.mean());
  within_ += variance_between(current_) + variances_ / width_;
  current_ = {};
  variances_ = 0.0;
}

double NestedRhat::value() const {
  if (superchains_.count() < 2.0 || current_.count() > 0.0) return kUndefined;
  const double within = within_ / superchains_.count();
  return scale(within + superchains_.variance(), within);
}

void ChainSize::observe(const Moments& first_half, const Moments& second_half) {
  if (!(first_half.count() > 1.0)) return;
  within_ += first_half.variance() + second_half.variance();
  const double gap = second_half.mean() - first_half.mean();
  gaps_ += gap * gap;
}

double ChainSize::value() const {
  return within_ > 0.0 || gaps_ > 0.0 ? 2.0 * within_ / gaps_ : kUndefined;
}

double rhat(std::span<const Moments> chains) {
  Rhat gathered;
  for (const Moments& chain : chains) gathered.observe(chain);
  return gathered.value();
}

double nested_rhat(std::span<const Moments> chains, Index superchains) {
  const auto count = static_cast<Index>(chains.size());
  if (superchains < 2 || count % superchains != 0) return kUndefined;
  NestedRhat gathered(count / superchains);
  for (const Moments& chain : chains) gathered.observe(chain);
  return gathered.value();
}

}  // namespace flotilla
