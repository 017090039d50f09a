// flotilla sample FLOW.h5: parse, run, report.

#include <fmt/format.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "commands.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/run/ensemble.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

void define_run(CLI::App& app, RunConfig& run) {
  app.add_option("flow,--flow", run.flow, "flow file")->required();
  app.add_option("-o,--output", run.output, "run file to write");
  app.add_flag("--force", run.force, "replace an existing run file");
  app.add_option("--start", run.start,
                 "start from points in data space, FILE.h5[:dataset] of shape [n x dim]; chain i "
                 "takes point i modulo n (default: draws of the base density)");
  app.add_option("--context", run.context,
                 "what a conditional flow is conditioned on: numbers as in 0.5,-1, or an array "
                 "FILE.h5[:dataset]");
  app.add_option("--chains", run.chains, "chains of the whole run");
  app.add_option("--superchains", run.superchains,
                 "groups of chains that start from one point, for nested R-hat; 0: all apart");
  app.add_option("--warmup", run.warmup, "warm-up steps");
  app.add_option("--draws", run.draws, "draws kept of each chain");
  app.add_option("--thin", run.thin, "steps from one kept draw to the next");
  app.add_option("--seed", run.seed, "the draws are a function of flow, options and this");
  app.add_option("--tile-width", run.tile_width,
                 "chains that move through the flow together, a multiple of 32");
  app.add_option("--precision", run.precision, "of the flow: float or double");
}

/// Options that say the opposite of what the configuration holds, or concern the screen alone.
struct Switches {
  bool no_adapt = false;
  bool no_latent = false;
  bool quiet = false;
};

void define_method(CLI::App& app, RunConfig& run) {
  app.add_option("--target", run.target, "tempered or clipped");
  app.add_option("--beta", run.beta,
                 "how much the target charges for l = log|det J|; 0 is naive sampling");
  app.add_option("--clip-quantile", run.clip_quantile,
                 "clipped: charge where l exceeds this quantile of l");
  app.add_option("--clip-level", run.clip_level,
                 "clipped: charge where l exceeds this level, in nats (default: the quantile)");
  app.add_option("--clip-sharpness", run.clip_sharpness, "clipped: of the softplus, per nat");
  app.add_option("--kernel", run.kernel, "local moves: metric-mala or mala");
  app.add_option("--global-fraction", run.global_fraction,
                 "probability of a global move, drawn from the base density");
  app.add_option("--step-size", run.step_size, "to begin warm-up with (default: dim^(-1/6))");
  app.add_option("--target-accept", run.target_accept, "acceptance rate that warm-up aims at");
  app.add_option("--exchange-every", run.exchange_every,
                 "warm-up steps between two exchanges of statistics");
}

void define_switches(CLI::App& app, RunConfig& run, Switches& switches) {
  app.add_flag("--no-adapt", switches.no_adapt, "keep the step size through warm-up");
  app.add_flag("--save-warmup", run.save_warmup, "store the draws of warm-up too");
  app.add_flag("--no-latent", switches.no_latent, "do not store the latent points z");
  app.add_option("--report-every", run.report_every,
                 "draws from one report of convergence to the next, in OUTPUT.jsonl; 0: none");
  app.add_option("--until-rhat", run.until_rhat,
                 "stop once a report has R-hat no larger; with superchains nested R-hat");
  app.add_option("--until-ess", run.until_ess,
                 "stop once a report has every effective sample size no smaller");
  app.add_flag("--quiet", switches.quiet, "print nothing but errors");
}

/// --force is for run files: what a run reads is never replaced by its draws.
void expect_apart(const RunConfig& run) {
  for (const std::string& input : {run.flow, run.start.substr(0, run.start.rfind(':')),
                                   run.context.substr(0, run.context.rfind(':'))}) {
    std::error_code unknown;
    if (!std::filesystem::equivalent(input, run.output, unknown)) continue;
    throw InputError(fmt::format(
        "--output is a file that the run reads, {}: give the draws another name", input));
  }
}

}  // namespace

int sample(const Communicator& comm, int argc, char** argv) {
  RunConfig run;
  Switches switches;
  const CommandLine command_line(
      "sample", "Draws from a flow with an ensemble of latent MALA chains.", [&](CLI::App& app) {
        define_run(app, run);
        define_method(app, run);
        define_switches(app, run, switches);
      });
  const std::optional<std::string> text = command_line.parse(comm, argc, argv);
  if (!text) return 0;
  run.text = *text;
  run.adapt = !switches.no_adapt;
  run.latent = !switches.no_latent;
  run.validate();

  comm.together([&] {
    if (comm.is_root()) expect_apart(run);
  });
  FlowRecord record = replicate_flow(comm, run.flow);
  const std::vector<double> context = replicate_context(comm, run.context);
  comm.together([&] { record = at_context(std::move(record), context); });
  Reporter reporter(prints_on_terminal());
  const RunSummary summary = run_ensemble(run, record, comm, switches.quiet ? nullptr : &reporter);
  if (comm.is_root() && !switches.quiet) show(summary_table(run, summary, comm.size()));
  return 0;
}

}  // namespace flotilla::app
