// SPDX-License-Identifier: BSD-3-Clause

// The table of what would help a run that has not converged, by the evidence in its file.
#include "flotilla/quality/hints.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "flotilla/run/config.hpp"
#include "flotilla/sampler/global_share.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"

namespace flotilla {
namespace {

using D = Diagnosis;
using T = Thresholds;
using Changes = std::vector<Change>;

const RunConfig& defaults() {
  static const RunConfig config;
  return config;
}

// ---- Figures of the evidence.

/// The decisive R-hat: with superchains the nested one.
double QuantitySummary::*decisive(const D& run) {
  return run.superchains > 0 ? &QuantitySummary::nested_rhat : &QuantitySummary::rhat;
}

bool fails_rhat(const D& run, const T& limits, const QuantitySummary& summary) {
  return !run.is_constant(summary) && !(summary.*decisive(run) <= limits.max_rhat);
}

bool any_fails_rhat(const D& run, const T& limits) {
  return std::any_of(run.quantities.begin(), run.quantities.end(), [&](const NamedQuantity& one) {
    return fails_rhat(run, limits, one.summary);
  });
}

/// Steps of the sampling phase.
double steps(const D& run) {
  return static_cast<double>(run.draws) * run.settings.thin;
}

/// The fewest independent draws that a chain is worth, of the quantities that fail R-hat.
double shortest_chain(const D& run, const T& limits) {
  double least = static_cast<double>(run.draws);
  for (const NamedQuantity& one : run.quantities) {
    if (!fails_rhat(run, limits, one.summary) || std::isnan(one.summary.ess_chain)) continue;
    least = std::min(least, one.summary.ess_chain);
  }
  return least;
}

/// Independent draws of a chain at which R-hat of chains that agree is about at its threshold. With
/// superchains: of all chains of a superchain together.
double wanted_of_a_chain(const T& limits) {
  return 1.0 / std::max(1e-6, limits.max_rhat - 1.0);
}

/// Chains whose draws R-hat takes together.
double chains_together(const D& run) {
  const Index width = run.superchains > 0 ? run.chains / run.superchains : 1;
  return static_cast<double>(width);
}

/// By what factor chains should be longer, with a margin; 1 if they are long enough.
double factor_for_rhat(const D& run, const T& limits) {
  constexpr double kMargin = 1.5;
  if (!any_fails_rhat(run, limits)) return 1.0;
  const double have = shortest_chain(run, limits) * chains_together(run);
  return std::max(kMargin, kMargin * wanted_of_a_chain(limits) / have);
}

double factor_for_ess(const D& run, const T& limits) {
  constexpr double kMargin = 1.5;
  const double ess = run.smallest_ess();
  return ess < limits.min_ess ? kMargin * limits.min_ess / std::max(ess, 1.0) : 1.0;
}

double factor(const D& run, const T& limits) {
  return std::max(factor_for_rhat(run, limits), factor_for_ess(run, limits));
}

/// Whether lp is larger in the second half of more chains than chance explains.
bool still_rises(const D& run) {
  constexpr double kMostSlip = 5.0;  // standard errors
  return run.rising_chains > 0.5 + kMostSlip * 0.5 / std::sqrt(static_cast<double>(run.chains));
}

/// A quantity that has settled in each chain by itself, at different values; null if none has.
///
/// Single chains that agree have an R-hat of about 1 + 1 / n, where each is worth n independent
/// draws. What wanders is worth few, whatever the others do.
const NamedQuantity* settled_apart(const D& run, const T& limits) {
  constexpr double kWanders = 8.0;
  constexpr double kChance = 3.0;
  if (run.unmoved_chains > 0.5 * static_cast<double>(run.chains)) return nullptr;
  for (const NamedQuantity& one : run.quantities) {
    const QuantitySummary& summary = one.summary;
    if (summary.rhat > limits.max_rhat && summary.ess_chain >= kWanders &&
        summary.rhat - 1.0 > kChance / summary.ess_chain) {
      return &one;
    }
  }
  return nullptr;
}

bool adapted(const D& run) {
  return run.settings.adapt == 1.0 && run.settings.warmup > 0.0;
}

/// Whether warm-up adapted, and was no shorter than by default.
bool warmed_up(const D& run) {
  return adapted(run) && run.settings.warmup >= static_cast<double>(defaults().warmup);
}

/// How far the acceptance rate of local moves is above its target; 0 if it is not known.
double above_target(const D& run) {
  const double gap = run.acceptance_rate - run.settings.target_accept;
  return std::isnan(gap) ? 0.0 : gap;
}

/// The share of global moves that warm-up would find; NaN if the run made none.
double fitting_share(const D& run) {
  const double rate = run.global_acceptance_rate;
  return std::isnan(rate) ? rate : GlobalShare::of(rate, has_bounded_weight(run.settings.target));
}

/// Whether hardly any move is global, and warm-up would find a larger share.
bool wants_global_moves(const D& run) {
  constexpr double kClearly = 0.1;
  const double share = run.settings.global_fraction;
  const double fitting =
      std::isnan(run.global_acceptance_rate) ? GlobalShare::kInitial : fitting_share(run);
  return share < 0.5 * GlobalShare::kFloor && share < fitting - kClearly;
}

std::string moves_that_are_global(const D& run) {
  const double share = run.settings.global_fraction;
  return share > 0.0 ? "only " + printed(share, Print::kPercent) : "none";
}

// ---- Changes of options.

/// Rounded up to two digits.
std::string whole(double number) {
  const double unit = std::pow(10.0, std::max(0.0, std::floor(std::log10(number)) - 1.0));
  return fmt::format("{:.0f}", std::ceil(number / unit) * unit);
}

/// A warm-up that adapts, and is long enough for it; empty if the run had one.
Change adaptation(const D& run) {
  Change change;
  if (run.settings.adapt == 0.0) change.emplace_back("adapt", "true");
  const Index enough = defaults().warmup;
  if (run.settings.warmup < static_cast<double>(enough)) {
    change.emplace_back("warmup", fmt::format("{}", enough));
  }
  return change;
}

/// The share of global moves that warm-up finds.
Change adapted_share(const D& run) {
  Change change = {{"global-fraction", "auto"}};
  for (const auto& more : adaptation(run)) change.push_back(more);
  return change;
}

/// The number of superchains, each of which is worth the draws that nested R-hat wants; 0 if there
/// is none.
Index superchains_for(const D& run, const T& limits) {
  constexpr Index kFew = 8;
  constexpr Index kMany = 32;
  constexpr double kMargin = 2.0;
  const double wanted = kMargin * wanted_of_a_chain(limits) / shortest_chain(run, limits);
  for (Index count = std::min(kMany, run.chains / 2); count >= kFew; --count) {
    const Index width = run.chains / count;
    if (run.chains % count == 0 && static_cast<double>(width) >= wanted) return count;
  }
  return 0;
}

// ---- The rows.

bool bad_draws(const D& run, const T& /*limits*/) {
  return std::any_of(run.quantities.begin(), run.quantities.end(),
                     [](const NamedQuantity& one) { return one.summary.non_finite > 0.0; });
}

std::string bad_draws_finding(const D& /*run*/, const T& /*limits*/) {
  return "draws that are not finite are none of the sampler's, which rejects them: the file is "
         "damaged, or was changed: make the run again";
}

Changes nothing(const D& /*run*/, const T& /*limits*/) {
  return {};
}

bool no_bound(const D& run, const T& /*limits*/) {
  return has_no_bound(run) && run.settings.target == "tempered";
}

std::string no_bound_finding(const D& /*run*/, const T& /*limits*/) {
  return "the tempered target rewards a small log det without a bound";
}

Changes clipped(const D& /*run*/, const T& /*limits*/) {
  return {{{"target", "clipped"}}};
}

bool few_draws(const D& run, const T& /*limits*/) {
  return run.draws < kFewestForEss;
}

std::string few_draws_finding(const D& run, const T& /*limits*/) {
  return fmt::format("R-hat needs {} draws of each chain and ESS {}, and the chains have {}",
                     kFewestForRhat, kFewestForEss, run.draws);
}

Changes default_draws(const D& /*run*/, const T& /*limits*/) {
  return {{{"draws", fmt::format("{}", defaults().draws)}}};
}

/// Local moves are accepted far more, or far less, often than warm-up would have them, and no drift
/// of the chains explains it.
bool step_size_off(const D& run, const T& /*limits*/) {
  constexpr double kBelow = 0.15;
  constexpr double kAbove = 0.25;
  const double gap = above_target(run);
  return (gap < -kBelow || gap > kAbove) && !(warmed_up(run) && still_rises(run));
}

std::string step_size_finding(const D& run, const T& /*limits*/) {
  return fmt::format(
      "the step size {} is too {}: {} of local moves are accepted, where {} are aimed at{}",
      printed(run.step_size, Print::kGeneral), above_target(run) > 0.0 ? "small" : "large",
      printed(run.acceptance_rate, Print::kPercent),
      printed(run.settings.target_accept, Print::kPercent),
      adapted(run) ? ", for warm-up was too short to find it" : ", and warm-up did not adapt it");
}

Changes adapt(const D& run, const T& /*limits*/) {
  Change change = adaptation(run);
  if (change.empty()) change = {{"warmup", whole(4.0 * run.settings.warmup)}};
  return {change};
}

/// An acceptance target of the user's own that is far from the kernel's.
bool target_off(const D& run, const T& /*limits*/) {
  constexpr double kFar = 0.2;
  return adapted(run) &&
         std::abs(run.settings.target_accept - kernel_row(run.settings.kernel).target_accept) >
             kFar &&
         !(run.settings.global_fraction > 0.5);
}

std::string target_finding(const D& run, const T& /*limits*/) {
  return fmt::format("an acceptance rate of {} makes steps that are too {}",
                     printed(run.settings.target_accept, Print::kGeneral),
                     run.settings.target_accept > 0.5 ? "small" : "large");
}

Changes own_target(const D& run, const T& /*limits*/) {
  return {{{"target-accept", fmt::format("{}", kernel_row(run.settings.kernel).target_accept)}}};
}

/// Global moves are often rejected, and yet most moves are global.
bool share_high(const D& run, const T& /*limits*/) {
  constexpr double kFar = 0.2;
  // Of chains that still move in, other moves are accepted than warm-up saw.
  const double fitting = fitting_share(run);
  return run.settings.global_fraction > std::max(fitting, GlobalShare::kFloor) + kFar &&
         !still_rises(run);
}

std::string share_high_finding(const D& run, const T& /*limits*/) {
  return fmt::format(
      "chains stick: {} of the moves are global, of which {} are accepted; local ones lead away "
      "from points that global ones hardly leave",
      printed(run.settings.global_fraction, Print::kPercent),
      printed(run.global_acceptance_rate, Print::kPercent));
}

Changes share(const D& run, const T& /*limits*/) {
  return {adapted_share(run)};
}

/// Global moves are often accepted, and yet few moves are global.
bool share_low(const D& run, const T& /*limits*/) {
  constexpr double kFar = 0.2;
  constexpr double kOften = 0.2;
  return run.global_acceptance_rate > kOften &&
         run.settings.global_fraction < fitting_share(run) - kFar;
}

std::string share_low_finding(const D& run, const T& /*limits*/) {
  return fmt::format("{} of global moves are accepted, but only {} of the moves are global",
                     printed(run.global_acceptance_rate, Print::kPercent),
                     printed(run.settings.global_fraction, Print::kPercent));
}

/// The quantity of the largest R-hat, if that is larger than chains of one mode have it whose local
/// moves are as large as they can be; else null.
const NamedQuantity* far_apart(const D& run, const T& limits) {
  constexpr double kFar = 1.5;
  if (step_size_off(run, limits) || still_rises(run)) return nullptr;
  const NamedQuantity* worst = nullptr;
  for (const NamedQuantity& one : run.quantities) {
    const double least = worst == nullptr ? kFar : worst->summary.rhat;
    if (one.summary.rhat > least) worst = &one;
  }
  return worst;
}

/// Modes that no local move connects, and hardly any global move is tried.
bool modes_apart(const D& run, const T& limits) {
  return wants_global_moves(run) && !share_low(run, limits) &&
         (settled_apart(run, limits) != nullptr || far_apart(run, limits) != nullptr);
}

std::string modes_finding(const D& run, const T& limits) {
  const NamedQuantity* settled = settled_apart(run, limits);
  return fmt::format(
      "the chains disagree: {}, and longer chains alone will not do: global moves cross between "
      "modes, but {} of the moves are global",
      settled != nullptr ? settled->name + " has settled in each of them, at different values"
                         : far_apart(run, limits)->name + " is far apart between them",
      moves_that_are_global(run));
}

/// Chains that stand still, though local moves are accepted as often as they should be.
bool standing(const D& run, const T& limits) {
  return chains_stand_still(run) && !step_size_off(run, limits) && !share_high(run, limits) &&
         !share_low(run, limits);
}

std::string standing_finding(const D& run, const T& /*limits*/) {
  if (!wants_global_moves(run)) {
    return "chains stand at points whose weight is so large that no move leads away";
  }
  return fmt::format("chains stand where local moves find no way, and {} of the moves are global",
                     moves_that_are_global(run));
}

Changes other_moves(const D& run, const T& /*limits*/) {
  if (wants_global_moves(run)) return {adapted_share(run)};
  if (run.settings.target == "tempered") return {{{"target", "clipped"}}};
  return {{{"thin", whole(10.0 * run.settings.thin)}}};
}

/// Chains that disagree, though global moves are made.
bool modes_far(const D& run, const T& limits) {
  return !wants_global_moves(run) && run.settings.target == "tempered" &&
         settled_apart(run, limits) != nullptr && !still_rises(run) && !share_high(run, limits) &&
         !share_low(run, limits);
}

std::string modes_far_finding(const D& run, const T& limits) {
  return fmt::format(
      "the chains disagree: {} has settled in each of them, at different values, though {} of "
      "global moves are accepted; where weights have a bound, they cross",
      settled_apart(run, limits)->name, printed(run.global_acceptance_rate, Print::kPercent));
}

/// Chains that move in still when sampling begins.
bool moving_in(const D& run, const T& /*limits*/) {
  return still_rises(run);
}

std::string moving_in_finding(const D& run, const T& /*limits*/) {
  return fmt::format(
      "the log density still rises, in {} of the chains, after a warm-up of {:.0f} steps{}",
      printed(run.rising_chains, Print::kPercent), run.settings.warmup,
      warmed_up(run) && run.settings.target == "tempered" ? ", and may have no bound" : "");
}

Changes settling(const D& run, const T& /*limits*/) {
  Changes changes;
  if (warmed_up(run) && run.settings.target == "tempered") {
    changes.push_back({{"target", "clipped"}});
  } else {
    const auto least = static_cast<double>(defaults().warmup);
    const double wanted = 2.0 * (run.settings.warmup + steps(run));
    changes.push_back({{"warmup", whole(std::max(least, wanted))}});
  }
  return changes;
}

/// A kernel whose moves bring less than the default's, where local moves matter.
bool other_kernel(const D& run, const T& limits) {
  constexpr double kClearly = 2.0;
  return run.settings.kernel != defaults().kernel.name && !(run.settings.global_fraction > 0.7) &&
         factor(run, limits) > kClearly;
}

std::string kernel_finding(const D& run, const T& /*limits*/) {
  return fmt::format("{} is worth {} independent draws a gradient", run.settings.kernel,
                     printed(run.smallest_ess() / run.gradients, Print::kGeneral));
}

Changes default_kernel(const D& /*run*/, const T& /*limits*/) {
  return {{{"kernel", defaults().kernel.name}}};
}

/// Whether longer chains would be a dear cure, and the evidence names another.
bool better_cured(const D& run, const T& limits) {
  constexpr double kDear = 10.0;
  return factor(run, limits) > kDear &&
         (step_size_off(run, limits) || share_high(run, limits) || share_low(run, limits) ||
          moving_in(run, limits) || target_off(run, limits) || other_kernel(run, limits));
}

/// Chains that agree as far as one can tell, and are too short to be sure.
bool short_chains(const D& run, const T& limits) {
  return run.draws >= kFewestForEss && any_fails_rhat(run, limits) && !chains_stand_still(run) &&
         !modes_apart(run, limits) && !modes_far(run, limits) && !better_cured(run, limits);
}

std::string short_chains_finding(const D& run, const T& limits) {
  return fmt::format(
      "the chains are short: {} worth {} independent draws, and such an R-hat takes "
      "about {:.0f}",
      run.superchains > 0 ? "the chains of a superchain are" : "each is",
      printed(shortest_chain(run, limits) * chains_together(run), Print::kGeneral),
      std::ceil(wanted_of_a_chain(limits)));
}

/// Whether R-hat of as many draws, if they were independent, would be below its threshold.
bool enough_to_thin(const D& run, const T& limits) {
  constexpr double kLargest = 6.0;  // of many quantities, in halves of chains
  const double noise =
      kLargest / (static_cast<double>(run.draws) * std::sqrt(static_cast<double>(run.chains)));
  return noise < limits.max_rhat - 1.0;
}

Changes longer(const D& run, const T& limits) {
  const double by = factor(run, limits);
  Changes changes = {{{"draws", whole(by * static_cast<double>(run.draws))}}};
  if (enough_to_thin(run, limits)) changes.push_back({{"thin", whole(by * run.settings.thin)}});
  const Index superchains = run.superchains > 0 ? 0 : superchains_for(run, limits);
  if (superchains > 0 && factor_for_ess(run, limits) == 1.0) {
    changes.push_back({{"superchains", fmt::format("{}", superchains)}});
  }
  return changes;
}

/// Chains that agree, and have too few effective draws.
bool few_effective_draws(const D& run, const T& limits) {
  return run.smallest_ess() < limits.min_ess && !any_fails_rhat(run, limits) &&
         !better_cured(run, limits);
}

std::string few_effective_finding(const D& run, const T& /*limits*/) {
  return fmt::format("the chains agree, and all their draws are worth {} independent ones",
                     printed(run.smallest_ess(), Print::kCount));
}

Changes more(const D& run, const T& limits) {
  const double by = factor(run, limits);
  Changes changes = {{{"draws", whole(by * static_cast<double>(run.draws))}},
                     {{"chains", whole(by * static_cast<double>(run.chains))}}};
  return changes;
}

}  // namespace

const std::vector<HintRow>& hint_rows() {
  static const std::vector<HintRow> rows = {
      {"draws that are not finite", bad_draws, bad_draws_finding, nothing},
      {"no bound", no_bound, no_bound_finding, clipped},
      {"step size", step_size_off, step_size_finding, adapt},
      {"global moves rejected", share_high, share_high_finding, share},
      {"global moves accepted", share_low, share_low_finding, share},
      {"standing chains", standing, standing_finding, other_moves},
      {"modes apart", modes_apart, modes_finding, share},
      {"modes far apart", modes_far, modes_far_finding, clipped},
      {"few draws", few_draws, few_draws_finding, default_draws},
      {"moving in", moving_in, moving_in_finding, settling},
      {"acceptance target", target_off, target_finding, own_target},
      {"kernel", other_kernel, kernel_finding, default_kernel},
      {"short chains", short_chains, short_chains_finding, longer},
      {"few effective draws", few_effective_draws, few_effective_finding, more},
  };
  return rows;
}

std::string Hint::sentence() const {
  std::vector<std::string> alternatives;
  for (const Change& change : changes) {
    std::vector<std::string> words;
    for (const auto& [option, value] : change) {
      words.push_back(value == "true" ? fmt::format("without --no-{}", option)
                                      : fmt::format("--{} {}", option, value));
    }
    alternatives.push_back(fmt::format("{}", fmt::join(words, " and ")));
  }
  if (alternatives.empty()) return finding;
  return fmt::format("{}: {}", finding, fmt::join(alternatives, ", or "));
}

std::vector<Hint> hints(const Diagnosis& diagnosis, const Thresholds& thresholds) {
  std::vector<Hint> found;
  if (failures(diagnosis, thresholds).empty()) return found;
  for (const HintRow& row : hint_rows()) {
    if (found.size() == kMostHints || !row.found(diagnosis, thresholds)) continue;
    const std::vector<Change> changes = row.changes(diagnosis, thresholds);
    const bool told = std::any_of(found.begin(), found.end(),
                                  [&](const Hint& hint) { return hint.changes == changes; });
    if (!told) found.push_back({row.evidence, row.finding(diagnosis, thresholds), changes});
  }
  return found;
}

}  // namespace flotilla
