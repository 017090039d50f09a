// SPDX-License-Identifier: BSD-3-Clause

// flotilla summary RUN.h5: whether the chains agree, and how many independent draws they are worth.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "command_line.hpp"
#include "flotilla/quality/diagnosis.hpp"
#include "flotilla/quality/figures.hpp"
#include "flotilla/quality/text.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  std::string run;
  DiagnosisConfig what;
  Thresholds thresholds;
  bool all = false;
  bool json = false;
  bool csv = false;
  bool strict = false;
};

/// A switch that decides how the figures are printed.
Option manner(const char* name, bool& place, const char* help) {
  return {.name = name,
          .place = &place,
          .kind = OptionKind::kManner,
          .group = OptionGroup::kOutput,
          .help = help};
}

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = {
      {.name = "run",
       .place = &call.run,
       .kind = OptionKind::kRun,
       .help = "run file",
       .positional = true,
       .required = true},
      {.name = "group",
       .place = &call.what.group,
       .help = "group of draws: posterior, unconstrained_posterior or sample_stats; with the "
               "prefix warmup_, draws of warm-up"},
      {.name = "var",
       .place = &call.what.variables,
       .help = "variables of the group, as in x,lp",
       .otherwise = "its draws, lp, log_det_jacobian"},
      manner("all", call.all, "list every coordinate, however many there are"),
      manner("json", call.json, "print JSON, every coordinate in it"),
      manner("csv", call.csv, "print a line of CSV for every coordinate"),
      manner("strict", call.strict, "exit with 3 if a threshold is not met"),
  };
  for (const Threshold* threshold : thresholds_with_options()) {
    options.push_back({.name = threshold->name,
                       .place = &(call.thresholds.*threshold->value),
                       .group = OptionGroup::kStopping,
                       .help = threshold->help,
                       .range = threshold->range});
  }
  return options;
}

/// The explanation of every printed figure, from its row.
std::vector<Term> terms() {
  std::vector<Term> all;
  for (const QuantityFigure& figure : quantity_figures()) {
    all.push_back({figure.name, figure.meaning});
  }
  for (const RunFigure& figure : run_figures()) all.push_back({figure.name, figure.meaning});
  return all;
}

int summary(const Communicator& comm, const Command& command, const Words& words) {
  Call options;
  if (!read_command_line(comm, command, options_of(options), words)) return 0;
  if (options.json && options.csv) throw InputError("--json and --csv exclude each other: choose");
  const Diagnosis diagnosis = diagnose(options.run, options.what, comm);
  const std::vector<std::string> found = failures(diagnosis, options.thresholds);
  const bool failed = options.strict && !found.empty();
  if (comm.is_root()) {
    if (options.json) {
      show(as_json(diagnosis, options.thresholds));
    } else if (options.csv) {
      show(as_csv(diagnosis));
    } else {
      show(as_table(diagnosis, options.all));
      if (!failed) show(verdict(diagnosis, options.thresholds));
    }
    if (failed) {
      fmt::print(stderr, "flotilla: not converged: {}\n{}", fmt::join(found, "; "),
                 advice(diagnosis, options.thresholds));
    }
  }
  return failed ? kVerdict : 0;
}

}  // namespace

Command summary_command() {
  return {.name = "summary",
          .summary = "Says whether the chains of a run have met, and what their draws are worth.",
          .examples = {"flotilla summary run.h5",
                       "flotilla summary run.h5 --strict --max-rhat 1.05 && echo converged",
                       "mpirun -n 4 flotilla summary run.h5 --var x --json"},
          .verdict = "with --strict: a threshold is not met",
          .options = default_options<Call>,
          .run = summary,
          .terms = terms()};
}

}  // namespace flotilla::app
