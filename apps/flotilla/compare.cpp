// flotilla compare RUN.h5 --reference DATA.h5: how close draws are to a sample of the truth.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "command_line.hpp"
#include "commands.hpp"
#include "flotilla/run/comparison.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Measure {
  const char* name;
  const char* title;
  Estimate SampleQuality::*estimate;
};

constexpr Measure kMeasures[] = {
    {"sliced_wasserstein", "sliced Wasserstein", &SampleQuality::sliced_wasserstein},
    {"energy_distance", "energy distance", &SampleQuality::energy_distance},
    {"mmd", "squared MMD", &SampleQuality::mmd},
    {"precision", "precision", &SampleQuality::precision},
    {"recall", "recall", &SampleQuality::recall},
    {"density", "density", &SampleQuality::density},
    {"coverage", "coverage", &SampleQuality::coverage},
    {"log_density", "log q_X (nats)", &SampleQuality::log_density},
    {"below_quantile", "share below quantile", &SampleQuality::below_quantile},
};

void define(CLI::App& app, ComparisonConfig& config) {
  app.add_option("run,--run", config.run, "run file")->required();
  app.add_option("--reference", config.reference,
                 "draws of the truth, FILE.h5[:dataset] of shape [n x dim]; half of them are "
                 "compared with the other half, as the floor")
      ->required();
  app.add_option("--flow", config.flow, "the run's flow file, where it has moved");
  app.add_option("--modes", config.modes,
                 "points on modes, FILE.h5[:dataset] of shape [m x dim + 1]; the last column "
                 "numbers the modes from 0");
  app.add_option("--points", config.points, "of each set, fewer where there are fewer");
  app.add_option("--neighbours", config.neighbours, "k of precision, recall, density and coverage");
  app.add_option("--projections", config.projections, "directions of the sliced distance");
  app.add_option("--resamples", config.resamples, "of the bootstrap");
  app.add_option("--quantile", config.quantile,
                 "of the reference's log q_X, below which draws are counted");
  app.add_option("--seed", config.seed, "of directions, resamples and naive draws");
}

std::string cell(const Estimate& estimate) {
  if (std::isnan(estimate.value)) return "-";
  return fmt::format("{:.4g} ± {:.1g}", estimate.value, estimate.error);
}

/// A table with a column a sample. The sign ± has two bytes and one place.
std::string table(const Comparison& comparison) {
  std::string text = fmt::format(
      "{} points of each set, against the first half of the reference\n\n", comparison.points);
  text += fmt::format("{:<24}", "");
  for (const SampleQuality& sample : comparison.samples) text += fmt::format("{:>22}", sample.name);
  text += "\n";
  const auto line = [&](const std::string& title, auto of) {
    text += fmt::format("{:<24}", title);
    for (const SampleQuality& sample : comparison.samples) {
      text += fmt::format("{:>22}", cell(of(sample)));
    }
    text += "\n";
  };
  for (const Measure& measure : kMeasures) {
    line(measure.title, [&](const SampleQuality& sample) { return sample.*measure.estimate; });
  }
  for (std::size_t mode = 0; mode < comparison.samples.front().modes.size(); ++mode) {
    line(fmt::format("weight of mode {}", mode),
         [&](const SampleQuality& sample) { return sample.modes[mode]; });
  }
  return text;
}

nlohmann::ordered_json json(const Estimate& estimate) {
  const auto number = [](double value) {
    return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
  };
  return {{"value", number(estimate.value)}, {"error", number(estimate.error)}};
}

std::string json(const Comparison& comparison) {
  nlohmann::ordered_json all = {{"points", comparison.points}, {"bandwidth", comparison.bandwidth}};
  for (const SampleQuality& sample : comparison.samples) {
    nlohmann::ordered_json entry;
    for (const Measure& measure : kMeasures) entry[measure.name] = json(sample.*measure.estimate);
    entry["modes"] = nlohmann::ordered_json::array();
    for (const Estimate& weight : sample.modes) entry["modes"].push_back(json(weight));
    all[sample.name] = entry;
  }
  return all.dump(2) + "\n";
}

}  // namespace

int compare(const Communicator& comm, int argc, char** argv) {
  ComparisonConfig config;
  bool as_json = false;
  const CommandLine command_line("compare", "Says how close draws are to a sample of the truth.",
                                 [&](CLI::App& app) {
                                   define(app, config);
                                   app.add_flag("--json", as_json, "print JSON");
                                 });
  if (!command_line.parse(comm, argc, argv)) return 0;
  const Comparison comparison = flotilla::compare(config, comm);
  if (comm.is_root()) show(as_json ? json(comparison) : table(comparison));
  return 0;
}

}  // namespace flotilla::app
