// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/diagnosis.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "flotilla/core/undefined.hpp"
#include "flotilla/quality/figures.hpp"
#include "flotilla/run/recorded.hpp"
#include "flotilla/sampler/registry.hpp"
#include "quality/series.hpp"

namespace flotilla {
namespace {

std::string phase_of(const std::string& group) {
  return group.starts_with("warmup_") ? "warmup_" : "";
}

/// The group that holds a variable: the requested one, or the statistics of its phase.
RunVariable find(const RunReader& reader, const std::string& group, const std::string& name) {
  const std::string stats = phase_of(group) + "sample_stats";
  const bool statistic = name == "lp" || name == "log_det_jacobian";
  // If the requested group does not exist, the message names it.
  return reader.variable(statistic && reader.has_group(group) ? stats : group, name);
}

/// Draws, with what was derived from them, lp and log_det_jacobian.
std::vector<std::string> default_variables(const RunReader& reader, const std::string& group) {
  const std::string bare = group.substr(phase_of(group).size());
  if (bare != "posterior" && bare != "unconstrained_posterior" && bare != "sample_stats") {
    throw InputError(
        fmt::format("--group should be posterior, unconstrained_posterior or sample_stats, or one "
                    "of these with the prefix warmup_, but is '{}'",
                    group));
  }
  if (bare == "posterior") {
    std::vector<std::string> names = {"x"};
    for (const std::string& name : reader.variable_names(group)) {
      if (name != "x") names.push_back(name);
    }
    names.insert(names.end(), {"lp", "log_det_jacobian"});
    return names;
  }
  if (bare == "unconstrained_posterior") return {"z", "lp", "log_det_jacobian"};
  return {"lp", "log_det_jacobian"};
}

/// The figures of all quantities, one after another, to send.
std::vector<double> packed(const std::vector<QuantitySummary>& summaries) {
  std::vector<double> numbers;
  for (const QuantitySummary& summary : summaries) {
    for (const QuantityFigure& figure : quantity_figures()) {
      numbers.push_back(summary.*figure.value);
    }
  }
  return numbers;
}

std::vector<QuantitySummary> unpacked(const std::vector<double>& numbers) {
  std::vector<QuantitySummary> summaries(numbers.size() / quantity_figures().size());
  auto next = numbers.begin();
  for (QuantitySummary& summary : summaries) {
    for (const QuantityFigure& figure : quantity_figures()) summary.*figure.value = *next++;
  }
  return summaries;
}

/// Summaries of all coordinates of a variable. Every rank computes its share.
void summarise_variable(const RunReader& reader, const RunVariable& variable, bool exact,
                        const Communicator& comm, Diagnosis& diagnosis) {
  const Index first = variable.dim * comm.rank() / comm.size();
  const Index end = variable.dim * (comm.rank() + 1) / comm.size();
  std::vector<QuantitySummary> own;
  comm.together([&] {
    own =
        summarise_coordinates(reader, variable, {first, end - first}, diagnosis.superchains, exact);
  });
  const std::vector<QuantitySummary> all = unpacked(comm.gather(packed(own)));
  for (Index i = 0; i < variable.dim; ++i) {
    diagnosis.quantities.push_back({coordinate_name(variable, i), all[static_cast<std::size_t>(i)],
                                    !circle_of(variable, i).is_line()});
  }
}

/// What the statistics of the kept draws say of one chain.
struct ChainCourse {
  double lp = kUndefined;  ///< of the last draw read, and its log det
  double log_det = kUndefined;
  double halves[2] = {0.0, 0.0};  ///< lp, summed over each half
  bool moved = false;
};

/// Sums over the kept draws of the statistics that the run recorded for each step.
class Moves {
 public:
  Moves(const RunReader& reader, const std::string& stats)
      : reader_(reader),
        acceptance_(reader.variable(stats, "acceptance_rate")),
        global_(reader.variable(stats, "is_global")),
        accepted_(reader.variable(stats, "accepted")),
        diverging_(reader.variable(stats, "diverging")),
        lp_(reader.variable(stats, "lp")),
        log_det_(reader.variable(stats, "log_det_jacobian")),
        chains_(static_cast<std::size_t>(acceptance_.chains)) {
    for (const RunVariable* other : {&global_, &accepted_, &diverging_, &lp_, &log_det_}) {
      expect_same_draws(reader.path(), acceptance_, *other);
    }
  }

  void read_into(Diagnosis& diagnosis) {
    for_each_slab(acceptance_, [&](const RunSlab& slab) {
      read_rates(slab);
      read_courses(slab);
    });
    diagnosis.diverging = diverged_;
    diagnosis.acceptance_rate = counts_[0] > 0.0 ? sums_[0] / counts_[0] : kUndefined;
    diagnosis.global_acceptance_rate = counts_[1] > 0.0 ? sums_[1] / counts_[1] : kUndefined;
    diagnosis.highest_lp = highest_lp_;
    double rising = 0.0;
    for (const ChainCourse& chain : chains_) {
      diagnosis.unmoved_chains += chain.moved ? 0.0 : 1.0;
      rising += chain.halves[1] > chain.halves[0] ? 1.0 : 0.0;
    }
    const double count = static_cast<double>(chains_.size());
    const double pairs = count * (static_cast<double>(acceptance_.draws) - 1.0);
    diagnosis.repeats = pairs > 0.0 ? repeats_ / pairs : kUndefined;
    diagnosis.rising_chains = pairs > 0.0 ? rising / count : kUndefined;
  }

 private:
  template <typename V>
  std::vector<V> read(const RunVariable& variable, const RunSlab& slab) const {
    std::vector<V> values(static_cast<std::size_t>(slab.size()));
    reader_.read(variable, slab, values.data());
    return values;
  }

  void read_rates(const RunSlab& slab) {
    const std::vector<double> rate = read<double>(acceptance_, slab);
    const std::vector<float> kind = read<float>(global_, slab);
    for (std::size_t i = 0; i < rate.size(); ++i) {
      const std::size_t which = kind[i] != 0.0F ? 1 : 0;
      sums_[which] += rate[i];
      counts_[which] += 1.0;
    }
    for (const float flag : read<float>(diverging_, slab)) diverged_ += flag != 0.0F ? 1.0 : 0.0;
  }

  /// With thinning, `accepted` knows the last step alone: so the draws are compared too.
  void read_courses(const RunSlab& slab) {
    const std::vector<double> lp = read<double>(lp_, slab);
    const std::vector<double> log_det = read<double>(log_det_, slab);
    const std::vector<float> accepted = read<float>(accepted_, slab);
    const Index half = acceptance_.draws / 2;
    std::size_t place = 0;
    for (Index c = slab.first_chain; c < slab.first_chain + slab.chains; ++c) {
      ChainCourse& chain = chains_[static_cast<std::size_t>(c)];
      for (Index d = slab.first_draw; d < slab.first_draw + slab.draws; ++d, ++place) {
        const bool same =
            accepted[place] == 0.0F && lp[place] == chain.lp && log_det[place] == chain.log_det;
        if (d > 0) repeats_ += same ? 1.0 : 0.0;
        if (d > 0 && !same) chain.moved = true;
        if (d < half) chain.halves[0] += lp[place];
        if (d >= acceptance_.draws - half) chain.halves[1] += lp[place];
        chain.lp = lp[place];
        chain.log_det = log_det[place];
        highest_lp_ = larger(highest_lp_, lp[place]);
      }
    }
  }

  const RunReader& reader_;
  RunVariable acceptance_;
  RunVariable global_;
  RunVariable accepted_;
  RunVariable diverging_;
  RunVariable lp_;
  RunVariable log_det_;
  std::vector<ChainCourse> chains_;
  double sums_[2] = {0.0, 0.0};
  double counts_[2] = {0.0, 0.0};
  double diverged_ = 0.0;
  double repeats_ = 0.0;
  double highest_lp_ = -HUGE_VAL;
};

/// The number of superchains. @throws InputError if the chains cannot be that many groups
Index superchains_of(const RunReader& reader, Index chains) {
  const double count = reader.number("superchains");
  if (std::isnan(count) || count == 0.0) return 0;
  const double width = static_cast<double>(chains) / count;
  if (count >= 2.0 && width >= 2.0 && width == std::floor(width) && count == std::floor(count)) {
    return static_cast<Index>(count);
  }
  throw InputError(
      fmt::format("{}: its attribute superchains should be a divisor of its {} chains, from 2 to "
                  "half of them, but is {:g}: the file is damaged, or was changed",
                  reader.path(), chains, count));
}

RunSettings settings_of(const RunReader& reader) {
  return {.kernel = reader.text("kernel"),
          .target = reader.text("target"),
          .precision = reader.text("precision"),
          .warmup = reader.number("warmup"),
          .thin = reader.number("thin"),
          .adapt = reader.number("adapt"),
          .target_accept = reader.number("target_accept"),
          .global_fraction = reader.number("global_fraction")};
}

/// Of a chain. Other samplers record it in their runs, since their kernels are not known here.
double gradients_per_step(const RunReader& run) {
  const std::string fact = "gradients_per_step";
  if (run.has_fact(fact)) return run.number(fact);
  return make_local_move<double>(recorded_kernel(run))->cost().gradients;
}

}  // namespace

bool Diagnosis::is_constant(const QuantitySummary& summary) const {
  constexpr double kRounding = 1e-12;  // the mean of equal values may not be that value
  return draws > 1 && unmoved_chains < static_cast<double>(chains) &&
         summary.sd <= kRounding * std::abs(summary.mean);
}

double Diagnosis::smallest_ess() const {
  double smallest = HUGE_VAL;
  for (const NamedQuantity& quantity : quantities) {
    const QuantitySummary& summary = quantity.summary;
    if (is_constant(summary)) continue;
    smallest = smaller(smallest, smaller(summary.ess_bulk, summary.ess_tail));
  }
  return smallest < HUGE_VAL ? smallest : kUndefined;
}

Diagnosis diagnose(const std::string& run, const DiagnosisConfig& config,
                   const Communicator& comm) {
  std::optional<RunReader> reader;
  std::vector<RunVariable> variables;
  Diagnosis diagnosis;
  comm.together([&] {
    reader.emplace(run);
    std::vector<std::string> names = default_variables(*reader, config.group);
    if (!config.variables.empty()) names = config.variables;
    for (const std::string& name : names) variables.push_back(find(*reader, config.group, name));
    if (variables.front().draws < 1) {
      throw InputError(fmt::format("{}: no draw of '{}' is complete yet: wait for its first block",
                                   run, config.group));
    }
    for (const RunVariable& variable : variables) {
      expect_same_draws(run, variables.front(), variable);
    }
    diagnosis.run = run;
    diagnosis.group = config.group;
    diagnosis.chains = variables.front().chains;
    diagnosis.draws = variables.front().draws;
    diagnosis.superchains = superchains_of(*reader, diagnosis.chains);
    diagnosis.settings = settings_of(*reader);
    Moves(*reader, phase_of(config.group) + "sample_stats").read_into(diagnosis);
    diagnosis.mean_squared_jump = reader->number("mean_squared_jump");
    diagnosis.step_size = reader->number("step_size");
    diagnosis.warmup_seconds = reader->number("warmup_seconds");
    diagnosis.sampling_seconds = reader->number("sampling_seconds");
    if (!phase_of(config.group).empty()) diagnosis.sampling_seconds = diagnosis.warmup_seconds;
  });
  // A run in progress commits draws meanwhile. All ranks look at the draws that rank 0 saw.
  double draws = static_cast<double>(diagnosis.draws);
  for (const RunVariable& variable : variables) {
    draws = std::min(draws, static_cast<double>(variable.draws));
  }
  diagnosis.draws = static_cast<Index>(-comm.largest(-draws));
  for (RunVariable& variable : variables) variable.draws = diagnosis.draws;
  Index values = 0;
  for (const RunVariable& variable : variables) {
    values += variable.chains * variable.draws * variable.dim;
  }
  diagnosis.gradients = static_cast<double>(diagnosis.chains * diagnosis.draws) *
                        diagnosis.settings.thin * gradients_per_step(*reader);
  diagnosis.exact = values <= config.exact_values;
  for (const RunVariable& variable : variables) {
    summarise_variable(*reader, variable, diagnosis.exact, comm, diagnosis);
  }
  return diagnosis;
}

}  // namespace flotilla
