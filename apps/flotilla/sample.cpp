// SPDX-License-Identifier: BSD-3-Clause

// flotilla sample FLOW.h5 and flotilla resume RUN.h5: parse, run, report.

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/run/ensemble.hpp"
#include "flotilla/run/recorded.hpp"
#include "flotilla/run/remarks.hpp"
#include "flotilla/run/stopping.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  RunConfig run;
  bool quiet = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.run);
  options.push_back(quiet_row(call.quiet));
  return options;
}

/// Tells why a run ended before its last draw, and how it goes on.
std::string farewell(const RunConfig& run, const RunSummary& summary) {
  const std::string made = fmt::format("stopped by {} after {} of {} draws", summary.stopped_by,
                                       summary.draws, run.draws);
  if (!summary.may_go_on) {
    return made + ": there is no checkpoint to go on from, since --checkpoint-every is 0";
  }
  return fmt::format("{}: go on with 'flotilla resume {}'", made, run.output);
}

/// Runs what a configuration says, and reports. Collective.
int sample(const Communicator& comm, const RunConfig& run, bool quiet) {
  run.validate();
  const StopSignals stop_signals;
  const FlowRecord record = replicate_flow(comm, run.flow, run.context);
  Reporter reporter(terminal_columns());
  const RunSummary summary = run_ensemble(run, record, comm, quiet ? nullptr : &reporter);
  if (!summary.stopped_by.empty()) {
    if (comm.is_root()) fmt::print(stderr, "flotilla: {}\n", farewell(run, summary));
    return kStopped;
  }
  if (summary.was_complete) return 0;
  if (comm.is_root() && !quiet) show(summary_table(run, summary, comm.size()));
  const std::vector<std::string> unmet = unmet_thresholds(run, summary);
  if (comm.is_root()) {
    for (const std::vector<std::string>& told : {remarks(run, summary), unmet}) {
      for (const std::string& sentence : told) fmt::print(stderr, "flotilla: {}\n", sentence);
    }
  }
  return unmet.empty() ? 0 : kVerdict;
}

int sample(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  return sample(comm, call.run, call.quiet);
}

/// What of a run may be said anew when it goes on.
struct ResumeCall {
  std::string run;
  Index draws = 0;
  RunConfig manner;
  bool quiet = false;
};

/// Whether the option says how a run is made, not what it draws, and may change when it goes on.
bool may_be_said_anew(const Option& option) {
  const std::string name = option.name;
  return option.kind == OptionKind::kManner && name != "force" && name != "resume";
}

std::vector<Option> options_of(ResumeCall& call) {
  std::vector<Option> options = {
      {.name = "run",
       .place = &call.run,
       .kind = OptionKind::kRun,
       .help = "run file that was stopped or killed, or that is to be longer",
       .positional = true,
       .required = true},
      {.name = "draws",
       .place = &call.draws,
       .group = OptionGroup::kHowMuch,
       .help = "draws of each chain in the end; 0: as many as the run was begun for",
       .range = {.low = 0.0}},
  };
  for (const Option& option : flotilla::options_of(call.manner)) {
    if (may_be_said_anew(option)) options.push_back(option);
  }
  options.push_back(quiet_row(call.quiet));
  return options;
}

/// Gives `run` what `manner` says anew.
void take_manner(RunConfig& run, RunConfig& manner) {
  const std::vector<Option> ours = flotilla::options_of(run);
  for (const Option& option : flotilla::options_of(manner)) {
    if (!may_be_said_anew(option)) continue;
    const OptionPlace& target = find_option(ours, option.name)->place;
    std::visit([&](auto* place) { *std::get<decltype(place)>(target) = *place; }, option.place);
  }
}

int resume(const Communicator& comm, const Command& command, const Words& words) {
  ResumeCall call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  RunConfig run = recorded_config(comm, call.run);
  run.resume = true;
  take_manner(run, call.manner);
  if (call.draws > 0) run.draws = call.draws;
  return sample(comm, run, call.quiet);
}

}  // namespace

Command sample_command() {
  return {.name = "sample",
          .summary = "Draws from a flow with an ensemble of latent MALA chains.",
          .examples = {"flotilla sample two_moons.h5 -o run.h5",
                       "flotilla sample two_moons.h5 --target clipped --beta 0.5 --draws 500",
                       "mpirun -n 4 flotilla sample glow.h5 --config run.toml --until-rhat 1.01"},
          .verdict = "the draws were made, but --until-rhat or --until-ess was not met",
          .options = default_options<Call>,
          .run = sample};
}

Command resume_command() {
  return {
      .name = "resume",
      .summary =
          "Goes on with a run that was stopped or killed, with the same bits, or makes "
          "it longer.",
      .examples = {"flotilla resume run.h5", "mpirun -n 8 flotilla resume run.h5 --draws 20000"},
      .verdict = "the draws were made, but --until-rhat or --until-ess was not met",
      .options = default_options<ResumeCall>,
      .run = resume};
}

}  // namespace flotilla::app
