#include "run_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"

namespace flotilla::app {
namespace {

using ParameterOptions = std::map<std::string, std::optional<double>>;

/// Where the switches of RunOptions are put.
struct Switches {
  bool& no_adapt;
  bool& no_latent;
  bool& quiet;
};

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

/// The option that chooses a row of a registry, and those of the parameters of all rows.
template <typename Row>
void define_choice(CLI::App& app, const char* option, const std::vector<Row>& rows,
                   std::string& name, ParameterOptions& parameters) {
  std::string help;
  for (const Row& row : rows) {
    help += fmt::format("{}{}: {}", help.empty() ? "" : "; ", row.choice.name, row.choice.help);
  }
  app.add_option(fmt::format("--{}", option), name, help);
  for (const Row& row : rows) {
    for (const Parameter& parameter : row.choice.parameters) {
      const std::string spelt = fmt::format("--{}", parameter.name);
      if (app.get_option_no_throw(spelt) != nullptr) continue;  // of an earlier row
      app.add_option(spelt, parameters[parameter.name],
                     parameter.otherwise
                         ? fmt::format("{} (default: {})", parameter.help, *parameter.otherwise)
                         : std::string(parameter.help));
    }
  }
}

void take(const ParameterOptions& parameters, Specification& specification) {
  for (const auto& [name, value] : parameters) {
    if (value) specification.parameters[name] = *value;
  }
}

void define_method(CLI::App& app, RunConfig& run) {
  app.add_option("--global-fraction", run.global_fraction,
                 "probability of a global move, drawn from the base density");
  app.add_option("--step-size", run.step_size, "to begin warm-up with (default: dim^(-1/6))");
  app.add_option("--target-accept", run.target_accept, "acceptance rate that warm-up aims at");
  app.add_option("--exchange-every", run.exchange_every,
                 "warm-up steps between two exchanges of statistics");
}

void define_switches(CLI::App& app, RunConfig& run, Switches switches) {
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

}  // namespace

RunOptions::RunOptions()
    : command_line_("sample", "Draws from a flow with an ensemble of latent MALA chains.",
                    [this](CLI::App& app) { define(app); }) {}

void RunOptions::define(CLI::App& app) {
  define_run(app, run_);
  define_choice(app, "target", target_registry(), run_.target.name, target_parameters_);
  define_choice(app, "kernel", kernel_registry(), run_.kernel.name, kernel_parameters_);
  define_method(app, run_);
  define_switches(app, run_, {no_adapt_, no_latent_, quiet_});
}

RunConfig RunOptions::resolved(const std::string& text) const {
  RunConfig run = run_;
  run.text = text;
  run.adapt = !no_adapt_;
  run.latent = !no_latent_;
  take(target_parameters_, run.target);
  take(kernel_parameters_, run.kernel);
  return run;
}

std::optional<RunConfig> RunOptions::parse(const Communicator& comm, int argc, char** argv) {
  const std::optional<std::string> text = command_line_.parse(comm, argc, argv);
  if (!text) return std::nullopt;
  RunConfig run = resolved(*text);
  run.validate();
  return run;
}

RunConfig RunOptions::read(const std::string& toml) {
  run_ = {};
  for (auto* parameters : {&target_parameters_, &kernel_parameters_}) {
    for (auto& [name, value] : *parameters) value.reset();
  }
  no_adapt_ = no_latent_ = quiet_ = false;
  return resolved(command_line_.read(toml));
}

}  // namespace flotilla::app
