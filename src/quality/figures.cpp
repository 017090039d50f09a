// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace flotilla {
namespace {

constexpr Threshold kMaxRhat = {.name = "max-rhat",
                                .title = "R-hat",
                                .help = "threshold of R-hat, or with superchains of nested R-hat",
                                .range = {.low = 1.0},
                                .value = &Thresholds::max_rhat,
                                .at_most = true};

constexpr Threshold kMinEss = {.name = "min-ess",
                               .title = "ESS",
                               .help = "threshold of bulk and tail effective sample size",
                               .range = {.low = 0.0},
                               .value = &Thresholds::min_ess,
                               .at_most = false};

constexpr Threshold kNonFinite = {.name = "",
                                  .title = "",
                                  .help = "",
                                  .range = {},
                                  .value = &Thresholds::max_non_finite,
                                  .at_most = true};

/// How bad a figure is: larger is worse, undefined is worst. That of a constant quantity is best.
double badness(const Diagnosis& diagnosis, const QuantitySummary& summary,
               const QuantityFigure& figure) {
  const double value = summary.*figure.value;
  if (std::isnan(value)) return diagnosis.is_constant(summary) ? -HUGE_VAL : HUGE_VAL;
  return figure.threshold->at_most ? value : -value;
}

/// Why a figure has no value.
std::string undefined(const Diagnosis& diagnosis, const QuantitySummary& summary,
                      const QuantityFigure& figure) {
  const Index fewest = figure.threshold == &kMinEss ? kFewestForEss : kFewestForRhat;
  if (diagnosis.draws < fewest) {
    return fmt::format("it needs {} draws of each chain, which have {}", fewest, diagnosis.draws);
  }
  if (summary.non_finite > 0.0) return "it needs draws that are all finite";
  return "its draws do not vary";
}

std::string failure(const Diagnosis& diagnosis, const NamedQuantity& quantity,
                    const QuantityFigure& figure, const Thresholds& thresholds) {
  const double value = quantity.summary.*figure.value;
  if (std::isnan(value)) {
    return fmt::format("{} of {} is not defined: {}", figure.title, quantity.name,
                       undefined(diagnosis, quantity.summary, figure));
  }
  const Threshold& threshold = *figure.threshold;
  const std::string option = threshold.name;
  return fmt::format("{} of {} is {}, {} {}{:g}", figure.title, quantity.name,
                     printed(value, figure.print), threshold.at_most ? "above" : "below",
                     option.empty() ? "" : "--" + option + " ", thresholds.*threshold.value);
}

const QuantitySummary* log_density_of(const Diagnosis& diagnosis) {
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    if (quantity.name == "lp") return &quantity.summary;
  }
  return nullptr;
}

std::string tell_of_standing_chains(const Diagnosis& diagnosis) {
  return fmt::format("{:.0f} of {} chains never moved", diagnosis.unmoved_chains, diagnosis.chains);
}

std::string tell_of_no_bound(const Diagnosis& diagnosis) {
  return fmt::format(
      "lp reaches {}, where half of its draws are below {}: the target has no bound that chains "
      "can feel",
      printed(diagnosis.highest_lp, Print::kGeneral),
      printed(log_density_of(diagnosis)->median, Print::kGeneral));
}

}  // namespace

// Some chains of a short run have not moved yet. It is a fault if so many are no chance, or all.
bool chains_stand_still(const Diagnosis& diagnosis) {
  constexpr double kMostSlip = 5.0;  // standard errors
  if (diagnosis.draws < 2) return false;
  const double chains = static_cast<double>(diagnosis.chains);
  if (diagnosis.unmoved_chains == chains) return true;
  const double expected = chains * std::pow(diagnosis.repeats, diagnosis.draws - 1);
  return diagnosis.unmoved_chains > expected + kMostSlip * std::sqrt(expected);
}

// A density's logarithm has a long tail below. It has none above, unless the density has a spike
// that chains fall into: its highest values then lie far outside the range of the others.
bool has_no_bound(const Diagnosis& diagnosis) {
  constexpr double kFar = 50.0;
  const QuantitySummary* lp = log_density_of(diagnosis);
  if (lp == nullptr) return false;
  return diagnosis.highest_lp - lp->median > kFar * std::max(1.0, lp->median - lp->q5);
}

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
      {"ess_chain", "ESS of a chain",
       "independent draws that a single chain is worth, by its halves", &Q::ess_chain,
       Print::kCount, Runs::kNone, nullptr, Runs::kNone},
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
      {"unmoved_chains", "chains that never moved",
       "chains whose kept draws are all the same point",
       [](const D& d) { return d.unmoved_chains; }, Print::kCount},
      {"repeats", "", "share of kept draws that are the same point as the one before",
       [](const D& d) { return d.repeats; }, Print::kPercent},
      {"rising_chains", "", "share of chains whose lp is larger in the second half",
       [](const D& d) { return d.rising_chains; }, Print::kPercent},
      {"highest_lp", "", "largest lp of all kept draws", [](const D& d) { return d.highest_lp; },
       Print::kGeneral},
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

const std::vector<RunFault>& run_faults() {
  static const std::vector<RunFault> rows = {
      {chains_stand_still, tell_of_standing_chains},
      {has_no_bound, tell_of_no_bound},
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
  std::stable_sort(
      ordered.begin(), ordered.end(), [&](const NamedQuantity* a, const NamedQuantity* b) {
        return badness(diagnosis, a->summary, figure) > badness(diagnosis, b->summary, figure);
      });
  return ordered;
}

std::vector<std::string> failures(const Diagnosis& diagnosis, const Thresholds& thresholds) {
  std::vector<std::string> found;
  for (const RunFault& fault : run_faults()) {
    if (fault.found(diagnosis)) found.push_back(fault.sentence(diagnosis));
  }
  for (const QuantityFigure& figure : quantity_figures()) {
    if (figure.threshold == nullptr || !holds(figure.judged, diagnosis)) continue;
    const NamedQuantity& quantity = *worst_first(diagnosis, figure).front();
    const double limit = thresholds.*figure.threshold->value;
    const double value = quantity.summary.*figure.value;
    if (figure.threshold->at_most ? value <= limit : value >= limit) continue;
    if (std::isnan(value) && diagnosis.is_constant(quantity.summary)) continue;
    found.push_back(failure(diagnosis, quantity, figure, thresholds));
  }
  return found;
}

}  // namespace flotilla
