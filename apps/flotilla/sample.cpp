// SPDX-License-Identifier: BSD-3-Clause

// flotilla sample FLOW.h5: parse, run, report.

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/run/ensemble.hpp"
#include "flotilla/run/remarks.hpp"
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

int sample(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const RunConfig& run = call.run;
  run.validate();
  const FlowRecord record = replicate_flow(comm, run.flow, run.context);
  Reporter reporter(terminal_columns());
  const RunSummary summary = run_ensemble(run, record, comm, call.quiet ? nullptr : &reporter);
  if (comm.is_root() && !call.quiet) show(summary_table(run, summary, comm.size()));
  const std::vector<std::string> unmet = unmet_thresholds(run, summary);
  if (comm.is_root()) {
    for (const std::vector<std::string>& told : {remarks(run, summary), unmet}) {
      for (const std::string& sentence : told) fmt::print(stderr, "flotilla: {}\n", sentence);
    }
  }
  return unmet.empty() ? 0 : kVerdict;
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

}  // namespace flotilla::app
