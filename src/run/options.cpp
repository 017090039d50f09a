// SPDX-License-Identifier: BSD-3-Clause

// The table of a run's options: one row per option. Beside it: rules that concern two options.
#include "flotilla/run/config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "flotilla/core/error.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/sampler/statistics.hpp"
#include "flotilla/target/registry.hpp"
#include "run/duration.hpp"

namespace flotilla {
namespace {

constexpr double kMostChains = MoveStatistics::kMostMoves;  // moves of one step; Philox could
                                                            // number 2^32 chains
constexpr Index kMostSteps = Index{1} << 48U;               // its step is less than two
constexpr double kStepLimit = kMostSteps;
constexpr double kWidestTile = 4096;

/// The targets that need a density, for help: "explicit, posterior".
std::string having_density() {
  std::vector<std::string> names;
  for (const TargetRow& row : target_registry()) {
    if (row.needs_density) names.emplace_back(row.choice.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<Option> rows_of_what(RunConfig& run) {
  return {
      {.name = "flow",
       .place = &run.flow,
       .kind = OptionKind::kFlow,
       .help = "flow file",
       .positional = true,
       .required = true},
      {.name = "context",
       .place = &run.context,
       .kind = OptionKind::kArray,
       .help = "what a conditional flow is conditioned on: numbers as in 0.5,-1, or an array"},
      {.name = "density",
       .place = &run.density,
       .kind = OptionKind::kFile,
       .help = having_density() + ": the density, a library by flotilla/target/log_density.h or by "
                                  "BridgeStan, or a TorchScript file; it has all rights of this "
                                  "program"},
      {.name = "density-args",
       .place = &run.density_args,
       .kind = OptionKind::kArguments,
       .help = "text that the density is opened with, such as the path of its data"},
      {.name = "observe",
       .place = &run.observe,
       .kind = OptionKind::kFile,
       .help = "posterior: HDF5 file of what was observed, y = A x + noise; its likelihood is the "
               "density"},
      {.name = "start",
       .place = &run.start,
       .kind = OptionKind::kArray,
       .help = "points in data space to start from, of shape [n x dim], or a run file for its last "
               "draws: chain i takes point i modulo n",
       .otherwise = "draws of the base density"},
      {.name = "seed",
       .place = &run.seed,
       .help = "the draws are a function of flow, options and this"},
  };
}

/// "0.574 for metric-mala, 0.8 for ghmc": what each kernel aims at without the option.
std::string own_target_accepts() {
  std::vector<std::string> texts;
  for (const KernelRow& row : kernel_registry()) {
    texts.push_back(fmt::format("{} for {}", row.target_accept, row.choice.name));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::vector<Option> rows_of_how(RunConfig& run) {
  return {
      {.name = "global-fraction",
       .place = &run.global_fraction,
       .group = OptionGroup::kHow,
       .help = "probability of a global move, drawn from the base density; auto: warm-up finds it",
       .range = {0.0, 1.0},
       .choices = {"auto"}},
      {.name = "step-size",
       .place = &run.step_size,
       .group = OptionGroup::kHow,
       .help = "step size that warm-up begins with",
       .range = {0.0, std::numeric_limits<float>::max(), true},
       .otherwise = "dim^(-1/6)"},
      {.name = "target-accept",
       .place = &run.target_accept,
       .group = OptionGroup::kHow,
       .help = "acceptance rate of local moves that warm-up aims at",
       .range = {0.0, 1.0, true},
       .otherwise = own_target_accepts()},
      {.name = "exchange-every",
       .place = &run.exchange_every,
       .group = OptionGroup::kHow,
       .help = "warm-up steps between two exchanges of statistics; at most a twentieth of warm-up",
       .range = {1.0, kStepLimit},
       .unit = "steps"},
      {.name = "adapt",
       .place = &run.adapt,
       .group = OptionGroup::kHow,
       .help = "keep the step size through warm-up, and adapt nothing else"},
      {.name = "scale",
       .place = &run.scale,
       .group = OptionGroup::kHow,
       .help = "do not find the scale of each latent coordinate in warm-up"},
      {.name = "precision",
       .place = &run.precision,
       .group = OptionGroup::kHow,
       .help =
           "numbers that the flow is computed in; auto: float if it holds the flow's draws, else "
           "double",
       .choices = {"auto", "float", "double"}},
      {.name = "tile-width",
       .place = &run.tile_width,
       .group = OptionGroup::kHow,
       .help = "chains that move through the flow together",
       .range = {kColumnBlock, kWidestTile},
       .multiple = kColumnBlock},
  };
}

std::vector<Option> rows_of_how_much(RunConfig& run) {
  return {
      {.name = "chains",
       .place = &run.chains,
       .group = OptionGroup::kHowMuch,
       .help = "chains of the whole run",
       .range = {1.0, kMostChains}},
      {.name = "superchains",
       .place = &run.superchains,
       .group = OptionGroup::kHowMuch,
       .help = "groups of chains that start from one point, for nested R-hat; 0: all start apart",
       .range = {0.0, kMostChains}},
      {.name = "warmup",
       .place = &run.warmup,
       .group = OptionGroup::kHowMuch,
       .help = "warm-up steps",
       .range = {0.0, kStepLimit},
       .unit = "steps"},
      {.name = "draws",
       .place = &run.draws,
       .group = OptionGroup::kHowMuch,
       .help = "draws kept of each chain",
       .range = {1.0, kStepLimit}},
      {.name = "thin",
       .place = &run.thin,
       .group = OptionGroup::kHowMuch,
       .help = "steps from one kept draw to the next",
       .range = {1.0, kStepLimit},
       .unit = "steps"},
  };
}

std::vector<Option> rows_of_stopping(RunConfig& run) {
  return {
      {.name = "report-every",
       .place = &run.report_every,
       .group = OptionGroup::kStopping,
       .help = "draws between two reports of convergence, in OUTPUT.jsonl; 0: no reports",
       .range = {0.0, kStepLimit},
       .unit = "draws"},
      {.name = "until-rhat",
       .place = &run.until_rhat,
       .group = OptionGroup::kStopping,
       .help = "stop once R-hat is at most this in a report; with superchains nested R-hat",
       .range = {.low = 1.0}},
      {.name = "stall-timeout",
       .place = &run.stall_timeout,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kStopping,
       .help = "end the run if a rank waits for others for so long; 0: wait for ever",
       .range = {.low = 0.0},
       .unit = "minutes"},
      {.name = "max-walltime",
       .place = &run.max_walltime,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kStopping,
       .help = "stop in time to go on later: 55m, 1h30m, 3600s or 12:00:00",
       .otherwise = "no limit"},
      {.name = "until-ess",
       .place = &run.until_ess,
       .group = OptionGroup::kStopping,
       .help = "stop once every effective sample size is at least this in a report",
       .range = {.low = 0.0}},
  };
}

std::vector<Option> rows_of_output(RunConfig& run) {
  return {
      {.name = "output",
       .place = &run.output,
       .kind = OptionKind::kOutput,
       .group = OptionGroup::kOutput,
       .help = "run file to write",
       .letter = 'o'},
      {.name = "force",
       .place = &run.force,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kOutput,
       .help = "replace an existing run file"},
      {.name = "resume",
       .place = &run.resume,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kOutput,
       .help = "go on with the run in the output if it was stopped or killed; begin it if there is "
               "none; do nothing if it is complete"},
      {.name = "accept-seam",
       .place = &run.accept_seam,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kOutput,
       .help = "go on though another program or instruction set makes other bits; the run file "
               "says from which draw on"},
      {.name = "checkpoint-every",
       .place = &run.checkpoint_every,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kOutput,
       .help = "time between two checkpoints, in OUTPUT.checkpoint; 0: none, and no --resume",
       .range = {.low = 0.0},
       .unit = "minutes"},
      {.name = "save-warmup",
       .place = &run.save_warmup,
       .group = OptionGroup::kOutput,
       .help = "store the draws of warm-up too"},
      {.name = "latent",
       .place = &run.latent,
       .group = OptionGroup::kOutput,
       .help = "do not store the latent points z"},
  };
}

/// The choices of a registry that have a parameter, to begin its help: "clipped: ". Empty if all
/// have it.
template <typename Row>
std::string having(const std::vector<Row>& rows, const std::string& parameter) {
  std::vector<std::string> names;
  for (const Row& row : rows) {
    for (const Parameter& own : row.choice.parameters) {
      if (own.name == parameter) names.emplace_back(row.choice.name);
    }
  }
  return names.size() == rows.size() ? "" : fmt::format("{}: ", fmt::join(names, ", "));
}

/// The option that chooses a row of a registry, and one option for every parameter of a row.
template <typename Row>
std::vector<Option> rows_of_choice(const char* name, OptionGroup group, Specification& chosen,
                                   const std::vector<Row>& rows) {
  std::vector<Option> options = {{.name = name, .place = &chosen.name, .group = group, .help = ""}};
  for (const Row& row : rows) {
    options[0].choices.emplace_back(row.choice.name);
    options[0].help += fmt::format("{}{}: {}", options[0].help.empty() ? "" : "; ", row.choice.name,
                                   row.choice.help);
    for (const Parameter& own : row.choice.parameters) {
      if (find_option(options, own.name) != nullptr) continue;
      options.push_back({.name = own.name,
                         .place = &chosen.parameters,
                         .group = group,
                         .help = having(rows, own.name) + own.help,
                         .range = own.range,
                         .unit = own.unit,
                         .otherwise = own.otherwise ? fmt::format("{}", *own.otherwise) : ""});
    }
  }
  return options;
}

/// Fills in the defaults of its row. A specification of no row stays unchanged.
template <typename Row>
Specification with_parameters(const std::vector<Row>& rows, const Specification& chosen) {
  for (const Row& row : rows) {
    if (row.choice.name == chosen.name) return {chosen.name, with_defaults(row.choice, chosen)};
  }
  return chosen;
}

/// A rule about two options: the first must fit the second.
struct Rule {
  const char* option;
  const char* given;
  bool (*holds)(const RunConfig& run);
  std::string expected;
};

std::vector<Rule> rules() {
  return {
      {"superchains", "chains",
       [](const RunConfig& run) {
         return run.superchains == 0 || (run.superchains > 1 && run.superchains < run.chains &&
                                         run.chains % run.superchains == 0);
       },
       "0, or a divisor of --chains from 2 to half of them"},
      {"thin", "draws", [](const RunConfig& run) { return run.thin <= kMostSteps / run.draws; },
       fmt::format("at most {} over --draws", kMostSteps)},
      {"report-every", "thin",
       [](const RunConfig& run) { return run.report_every <= kMostSteps / run.thin; },
       fmt::format("at most {} over --thin", kMostSteps)},
      {"exchange-every", "chains",
       [](const RunConfig& run) {
         const Index window = std::min(run.exchange_every, run.warmup);
         return window == 0 || run.chains <= MoveStatistics::kMostMoves / window;
       },
       fmt::format("at most {} over --chains", MoveStatistics::kMostMoves)},
      {"until-rhat", "report-every",
       [](const RunConfig& run) { return !run.until_rhat || run.report_every > 0; },
       "left out if there are no reports"},
      {"until-ess", "report-every",
       [](const RunConfig& run) { return !run.until_ess || run.report_every > 0; },
       "left out if there are no reports"},
  };
}

/// @throws InputError if there is an observation, and a likelihood is not what the target needs
void expect_observation(const RunConfig& run) {
  if (run.observe.empty()) return;
  if (!target_row(run.target.name).takes_likelihood) {
    throw InputError(
        fmt::format("--observe is for --target posterior, but the target is {}: leave it out",
                    run.target.name));
  }
  if (run.density.empty() && run.density_args.empty()) return;
  throw InputError(fmt::format("--observe and --{} are two likelihoods: leave one out",
                               run.density.empty() ? "density-args" : "density"));
}

/// @throws InputError if a density is missing or not needed
void expect_density(const RunConfig& run) {
  expect_observation(run);
  const TargetRow& row = target_row(run.target.name);
  if (row.needs_density) {
    if (!run.density.empty() || !run.observe.empty()) return;
    throw InputError(fmt::format(
        "--target {} needs a density: name its shared library with --density{}", run.target.name,
        row.takes_likelihood ? ", or what was observed with --observe" : ""));
  }
  if (run.density.empty() && run.density_args.empty()) return;
  throw InputError(fmt::format("--{} is for --target {}, but the target is {}: leave it out",
                               run.density.empty() ? "density-args" : "density", having_density(),
                               run.target.name));
}

}  // namespace

std::vector<Option> options_of(RunConfig& run) {
  std::vector<Option> all;
  for (const std::vector<Option>& rows :
       {rows_of_what(run),
        rows_of_choice("target", OptionGroup::kWhat, run.target, target_registry()),
        rows_of_choice("kernel", OptionGroup::kHow, run.kernel, kernel_registry()),
        rows_of_how(run), rows_of_how_much(run), rows_of_stopping(run), rows_of_output(run)}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

void RunConfig::validate() const {
  RunConfig run = *this;  // options_of() needs a configuration that can be changed
  const std::vector<Option> options = options_of(run);
  check_options(options);
  expect_target(target);
  expect_kernel(kernel);
  expect_density(*this);
  walltime_seconds();
  for (const Rule& rule : rules()) {
    if (rule.holds(run)) continue;
    throw InputError(fmt::format("--{} should be {} but is {} with --{} {}", rule.option,
                                 rule.expected, current_text(*find_option(options, rule.option)),
                                 rule.given, current_text(*find_option(options, rule.given))));
  }
}

double RunConfig::walltime_seconds() const {
  if (max_walltime.empty()) return 0.0;
  if (const std::optional<double> seconds = seconds_of(max_walltime)) return *seconds;
  throw InputError(fmt::format(
      "--max-walltime should be a duration such as 55m, 1h30m, 3600s or 12:00:00 but is '{}'",
      max_walltime));
}

double RunConfig::wanted_acceptance() const {
  return target_accept.value_or(kernel_row(kernel.name).target_accept);
}

RunConfig RunConfig::completed() const {
  RunConfig run = *this;
  run.target = with_parameters(target_registry(), target);
  run.kernel = with_parameters(kernel_registry(), kernel);
  return run;
}

std::string RunConfig::text() const {
  RunConfig run = completed();
  return recorded_text(options_of(run));
}

}  // namespace flotilla
