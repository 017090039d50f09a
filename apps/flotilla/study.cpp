// SPDX-License-Identifier: BSD-3-Clause

// flotilla study STUDY.toml: a sweep over runs by groups of ranks; an interrupted one can be
// resumed.

#include "flotilla/study/study.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "command_line.hpp"
#include "flotilla/core/error.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  std::string study;
  std::string output;
  bool quiet = false;
};

std::vector<Option> options_of(Call& call) {
  return {{.name = "study",
           .place = &call.study,
           .kind = OptionKind::kText,
           .help = "study file: settings, [sample], [compare], [grid], [list]",
           .positional = true,
           .required = true},
          {.name = "output",
           .place = &call.output,
           .kind = OptionKind::kOutput,
           .group = OptionGroup::kOutput,
           .help = "file that the figures go to",
           .otherwise = "the study's own output",
           .letter = 'o'},
          quiet_row(call.quiet)};
}

std::string describe(const CellOutcome& outcome, const StudyCell& cell) {
  std::string options;
  for (const auto& [key, value] : cell.options) options += fmt::format(" {}={}", key, value);
  const std::string what = outcome.before            ? "done before"
                           : outcome.message.empty() ? fmt::format("{:.1f} s", outcome.seconds)
                                                     : "FAILED: " + outcome.message;
  return fmt::format("run {} of {}:{}: {}{}\n", outcome.number + 1, outcome.cells, options, what,
                     outcome.unmet.empty() ? "" : ", " + outcome.unmet);
}

int study(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  // Every rank reads the file: it is small, and every rank needs all of it.
  StudyPlan plan;
  comm.together([&] { plan = read_study(call.study, call.output); });
  const StudyOutcome outcome = run_study(plan, comm, [&](const CellOutcome& told) {
    if (!call.quiet) tell(describe(told, plan.cells[told.number]));
  });
  if (comm.is_root() && !call.quiet) {
    if (!outcome.removed.empty()) show(fmt::format("\n{}\n", outcome.removed));
    show(fmt::format("\n{} runs, {} done before, {} failed\n{}\n", outcome.cells, outcome.before,
                     outcome.failed, plan.output));
    if (outcome.unmet > 0) {
      show(fmt::format("{} runs never met until_rhat or until_ess: see column unmet of its runs\n",
                       outcome.unmet));
    }
  }
  if (outcome.failed == 0) return 0;
  if (comm.is_root()) {
    fmt::print(stderr, "flotilla: {} of {} runs failed: their messages stand in {}\n",
               outcome.failed, outcome.cells, plan.output);
  }
  return kVerdict;
}

}  // namespace

Command study_command() {
  return {
      .name = "study",
      .summary = "Runs a sweep over runs; skips the runs that an earlier call finished.",
      .examples = {"flotilla study beta.toml", "mpirun -n 4 flotilla study beta.toml -o beta.h5"},
      .verdict = "a run of the study failed; its message is among the figures",
      .options = default_options<Call>,
      .run = study};
}

}  // namespace flotilla::app
