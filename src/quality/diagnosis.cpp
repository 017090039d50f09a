// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/diagnosis.hpp"

#include <fmt/format.h>

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

std::vector<std::string> default_variables(const std::string& group) {
  const std::string bare = group.substr(phase_of(group).size());
  if (bare != "posterior" && bare != "unconstrained_posterior" && bare != "sample_stats") {
    throw InputError(
        fmt::format("--group should be posterior, unconstrained_posterior or sample_stats, or one "
                    "of these with the prefix warmup_, but is '{}'",
                    group));
  }
  if (bare == "posterior") return {"x", "lp", "log_det_jacobian"};
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
    diagnosis.quantities.push_back(
        {variable.scalar ? variable.name : fmt::format("{}[{}]", variable.name, i),
         all[static_cast<std::size_t>(i)]});
  }
}

/// Sums over the kept draws of the statistics that the run recorded for each step.
void read_moves(const RunReader& reader, const std::string& stats, Diagnosis& diagnosis) {
  const RunVariable acceptance = reader.variable(stats, "acceptance_rate");
  const RunVariable global = reader.variable(stats, "is_global");
  const RunVariable diverging = reader.variable(stats, "diverging");
  for (const RunVariable* other : {&global, &diverging}) {
    expect_same_draws(diagnosis.run, acceptance, *other);
  }
  double sums[2] = {0.0, 0.0};
  double counts[2] = {0.0, 0.0};
  for_each_slab(acceptance, [&](const RunSlab& slab) {
    std::vector<double> rate(static_cast<std::size_t>(slab.size()));
    std::vector<float> kind(rate.size());
    reader.read(acceptance, slab, rate.data());
    reader.read(global, slab, kind.data());
    for (std::size_t i = 0; i < rate.size(); ++i) {
      const std::size_t which = kind[i] != 0.0F ? 1 : 0;
      sums[which] += rate[i];
      counts[which] += 1.0;
    }
    reader.read(diverging, slab, kind.data());
    for (const float flag : kind) diagnosis.diverging += flag != 0.0F ? 1.0 : 0.0;
  });
  diagnosis.acceptance_rate = counts[0] > 0.0 ? sums[0] / counts[0] : kUndefined;
  diagnosis.global_acceptance_rate = counts[1] > 0.0 ? sums[1] / counts[1] : kUndefined;
}

}  // namespace

double Diagnosis::smallest_ess() const {
  double smallest = quantities.front().summary.ess_bulk;
  for (const NamedQuantity& quantity : quantities) {
    const QuantitySummary& summary = quantity.summary;
    smallest = smaller(smallest, smaller(summary.ess_bulk, summary.ess_tail));
  }
  return smallest;
}

Diagnosis diagnose(const std::string& run, const DiagnosisConfig& config,
                   const Communicator& comm) {
  std::optional<RunReader> reader;
  std::vector<RunVariable> variables;
  Diagnosis diagnosis;
  comm.together([&] {
    reader.emplace(run);
    std::vector<std::string> names = default_variables(config.group);
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
    diagnosis.superchains = reader->superchains();
    read_moves(*reader, phase_of(config.group) + "sample_stats", diagnosis);
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
                        reader->number("thin") *
                        make_local_move<double>(recorded_kernel(*reader))->cost().gradients;
  diagnosis.exact = values <= config.exact_values;
  for (const RunVariable& variable : variables) {
    summarise_variable(*reader, variable, diagnosis.exact, comm, diagnosis);
  }
  return diagnosis;
}

}  // namespace flotilla
