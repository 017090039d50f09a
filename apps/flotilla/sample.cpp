// flotilla sample FLOW.h5: parse, run, report.

#include <fmt/format.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/run/ensemble.hpp"
#include "reporter.hpp"
#include "run_options.hpp"

namespace flotilla::app {
namespace {

/// --force is for run files: what a run reads is never replaced by its draws.
void expect_apart(const RunConfig& run) {
  for (const std::string& input :
       {run.flow, Location::parse(run.start).path, Location::parse(run.context).path}) {
    std::error_code unknown;
    if (!std::filesystem::equivalent(input, run.output, unknown)) continue;
    throw InputError(fmt::format(
        "--output is a file that the run reads, {}: give the draws another name", input));
  }
}

}  // namespace

int sample(const Communicator& comm, int argc, char** argv) {
  RunOptions options;
  const std::optional<RunConfig> parsed = options.parse(comm, argc, argv);
  if (!parsed) return 0;
  const RunConfig& run = *parsed;

  comm.together([&] {
    if (comm.is_root()) expect_apart(run);
  });
  FlowRecord record = replicate_flow(comm, run.flow);
  const std::vector<double> context = replicate_context(comm, parse_context(run.context));
  comm.together([&] { record = at_context(std::move(record), context); });
  Reporter reporter(prints_on_terminal());
  const RunSummary summary = run_ensemble(run, record, comm, options.quiet() ? nullptr : &reporter);
  if (comm.is_root() && !options.quiet()) show(summary_table(run, summary, comm.size()));
  return 0;
}

}  // namespace flotilla::app
