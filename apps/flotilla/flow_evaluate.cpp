// flotilla flow evaluate FLOW.h5 --points FILE.h5: what a flow makes of points, in a file.

#include "flow_evaluate.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "command_line.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/run/evaluation.hpp"

namespace flotilla::app {
namespace {

void define(CLI::App& app, EvaluationConfig& config) {
  app.add_option("flow,--flow", config.flow, "flow file")->required();
  app.add_option(
      "--points", config.points,
      "points FILE.h5[:dataset] of shape [n x dim]: latent points z, or x with --inverse");
  app.add_option("--naive", config.naive, "in place of points, so many draws of the base density");
  app.add_option("--seed", config.seed, "of those draws");
  app.add_flag("--inverse", config.inverse, "the points are in data space: find their z");
  app.add_option("--context", config.context,
                 "what a conditional flow is conditioned on: numbers as in 0.5,-1, or an array "
                 "FILE.h5[:dataset]");
  app.add_option("--precision", config.precision, "of the flow: float or double");
  app.add_option("-o,--output", config.output,
                 "file to write: x, z [n x dim], log_det_jacobian, log_density [n]");
  app.add_flag("--force", config.force, "replace an existing output");
}

/// --force is for outputs: what is read is never replaced.
void expect_apart(const EvaluationConfig& config) {
  for (const std::string& input :
       {config.flow, Location::parse(config.points).path, Location::parse(config.context).path}) {
    std::error_code unknown;
    if (!std::filesystem::equivalent(input, config.output, unknown)) continue;
    throw InputError(fmt::format("--output is a file that is read, {}: choose another", input));
  }
}

}  // namespace

int flow_evaluate(const Communicator& comm, int argc, char** argv) {
  EvaluationConfig config;
  const CommandLine command_line("flow evaluate",
                                 "Evaluates a flow at points: x = f(z) or z = f^-1(x), log "
                                 "|det dx/dz| and log q_X(x) of each.",
                                 [&](CLI::App& app) { define(app, config); });
  if (!command_line.parse(comm, argc, argv)) return 0;
  config.validate();
  comm.together([&] {
    if (comm.is_root()) expect_apart(config);
  });
  const Evaluation found = evaluate(config, comm);
  if (!comm.is_root()) return 0;
  fmt::print("{}: x, z, log_det_jacobian and log_density of {} points\n", config.output,
             found.points);
  if (found.non_finite > 0) {
    fmt::print("of {} of them a value is not finite: it is NaN or infinite in the file\n",
               found.non_finite);
  }
  return 0;
}

}  // namespace flotilla::app
