// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace flotilla {
namespace {

constexpr Threshold kMaxRhat = {
    .name = "max-rhat",
    .title = "R-hat",
    .help = "threshold of R-hat, or with superchains of nested R-hat",
    .range = {.low = 1.0},
    .value = &Thresholds::max_rhat,
    .at_most = true,
    .advice =
        "the chains disagree: warm up and sample longer, make more global moves "
        "(--global-fraction), or choose a target that chains can cross"};

constexpr Threshold kMinEss = {
    .name = "min-ess",
    .title = "ESS",
    .help = "threshold of bulk and tail effective sample size",
    .range = {.low = 0.0},
    .value = &Thresholds::min_ess,
    .at_most = false,
    .advice = "keep more draws, let more steps pass between them (--thin), or run more chains"};

constexpr Threshold kNonFinite = {.name = "",
                                  .title = "",
                                  .help = "",
                                  .range = {},
                                  .value = &Thresholds::max_non_finite,
                                  .at_most = true,
                                  .advice = "verify the flow, or use --precision double"};

/// How bad a figure is: larger is worse, undefined is worst.
double badness(const QuantitySummary& summary, const QuantityFigure& figure) {
  const double value = summary.*figure.value;
  if (std::isnan(value)) return HUGE_VAL;
  return figure.threshold->at_most ? value : -value;
}

std::string failure(const NamedQuantity& quantity, const QuantityFigure& figure, double threshold) {
  const double value = quantity.summary.*figure.value;
  if (std::isnan(value)) {
    return fmt::format(
        "{} of {} is not defined: it needs two chains of four finite draws that vary", figure.title,
        quantity.name);
  }
  const std::string option = figure.threshold->name;
  return fmt::format("{} of {} is {}, {} {}{:g}: {}", figure.title, quantity.name,
                     printed(value, figure.print), figure.threshold->at_most ? "above" : "below",
                     option.empty() ? "" : "--" + option + " ", threshold,
                     figure.threshold->advice);
}

}  // namespace

const std::vector<QuantityFigure>& quantity_figures() {
  using Q = QuantitySummary;
  // Superchains compare chains that are too short for R-hat.
  static const std::vector<QuantityFigure> rows = {
      {"mean", "mean", "of all draws", &Q::mean, Print::kGeneral, Runs::kAll, nullptr, Runs::kNone},
      {"mcse_mean", "mcse", "Monte Carlo standard error of the mean", &Q::mcse_mean,
       Print::kGeneral, Runs::kAll, nullptr, Runs::kNone},
      {"sd", "sd", "standard deviation of the draws", &Q::sd, Print::kGeneral, Runs::kAll, nullptr,
       Runs::kNone},
      {"q5", "5 %", "5 % quantile", &Q::q5, Print::kGeneral, Runs::kAll, nullptr, Runs::kNone},
      {"median", "50 %", "median", &Q::median, Print::kGeneral, Runs::kAll, nullptr, Runs::kNone},
      {"q95", "95 %", "95 % quantile", &Q::q95, Print::kGeneral, Runs::kAll, nullptr, Runs::kNone},
      {"rhat", "R-hat", "spread of all draws over that within chains: 1 if the chains agree",
       &Q::rhat, Print::kRatio, Runs::kAll, &kMaxRhat, Runs::kWithoutSuperchains},
      {"nested_rhat", "nested R-hat", "the same for superchains, which may be short",
       &Q::nested_rhat, Print::kRatio, Runs::kWithSuperchains, &kMaxRhat, Runs::kWithSuperchains},
      {"ess_bulk", "bulk ESS", "independent draws that the mean is worth", &Q::ess_bulk,
       Print::kCount, Runs::kAll, &kMinEss, Runs::kAll},
      {"ess_tail", "tail ESS", "the same for the 5 % or the 95 % quantile, whichever is smaller",
       &Q::ess_tail, Print::kCount, Runs::kAll, &kMinEss, Runs::kAll},
      {"non_finite", "count of non-finite draws", "draws that are infinite or not a number",
       &Q::non_finite, Print::kCount, Runs::kNone, &kNonFinite, Runs::kAll},
  };
  return rows;
}

const std::vector<RunFigure>& run_figures() {
  using D = Diagnosis;
  static const std::vector<RunFigure> rows = {
      {"acceptance_rate", "acceptance rate, local", "mean acceptance probability of local moves",
       [](const D& d) { return d.acceptance_rate; }, Print::kRate},
      {"global_acceptance_rate", "acceptance rate, global", "the same of global moves",
       [](const D& d) { return d.global_acceptance_rate; }, Print::kRate},
      {"step_size", "step size", "of local moves, as warm-up found it",
       [](const D& d) { return d.step_size; }, Print::kGeneral},
      {"mean_squared_jump", "mean squared jump",
       "per step, in latent space; a rejected move counts as zero",
       [](const D& d) { return d.mean_squared_jump; }, Print::kGeneral},
      {"diverging", "diverging draws", "kept draws whose last proposal had a non-finite value",
       [](const D& d) { return d.diverging; }, Print::kCount},
      {"warmup_seconds", "", "wall time of warm-up", [](const D& d) { return d.warmup_seconds; },
       Print::kSeconds},
      {"sampling_seconds", "", "wall time of the phase that is looked at",
       [](const D& d) { return d.sampling_seconds; }, Print::kSeconds},
      {"gradients", "", "gradient evaluations of the sampling phase, all chains",
       [](const D& d) { return d.gradients; }, Print::kCount},
      {"ess_per_second", "smallest ESS per second", "of bulk and tail, over all quantities",
       [](const D& d) { return d.smallest_ess() / d.sampling_seconds; }, Print::kGeneral},
      {"ess_per_gradient", "smallest ESS per gradient",
       "the same per gradient, which does not depend on the machine",
       [](const D& d) { return d.smallest_ess() / d.gradients; }, Print::kGeneral},
  };
  return rows;
}

bool holds(Runs runs, const Diagnosis& diagnosis) {
  if (runs == Runs::kWithSuperchains) return diagnosis.superchains > 0;
  if (runs == Runs::kWithoutSuperchains) return diagnosis.superchains == 0;
  return runs == Runs::kAll;
}

std::vector<const Threshold*> thresholds_with_options() {
  std::vector<const Threshold*> found;
  for (const QuantityFigure& figure : quantity_figures()) {
    if (figure.threshold == nullptr || *figure.threshold->name == '\0') continue;
    if (std::find(found.begin(), found.end(), figure.threshold) == found.end()) {
      found.push_back(figure.threshold);
    }
  }
  return found;
}

std::vector<const NamedQuantity*> worst_first(const Diagnosis& diagnosis,
                                              const QuantityFigure& figure) {
  std::vector<const NamedQuantity*> ordered;
  for (const NamedQuantity& quantity : diagnosis.quantities) ordered.push_back(&quantity);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [&](const NamedQuantity* a, const NamedQuantity* b) {
                     return badness(a->summary, figure) > badness(b->summary, figure);
                   });
  return ordered;
}

std::vector<std::string> failures(const Diagnosis& diagnosis, const Thresholds& thresholds) {
  std::vector<std::string> found;
  for (const QuantityFigure& figure : quantity_figures()) {
    if (figure.threshold == nullptr || !holds(figure.judged, diagnosis)) continue;
    const NamedQuantity& quantity = *worst_first(diagnosis, figure).front();
    const double limit = thresholds.*figure.threshold->value;
    const double value = quantity.summary.*figure.value;
    if (figure.threshold->at_most ? value <= limit : value >= limit) continue;
    found.push_back(failure(quantity, figure, limit));
  }
  return found;
}

}  // namespace flotilla
