// flotilla compare RUN.h5 --reference DATA.h5: how close draws are to a sample of the truth.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "command_line.hpp"
#include "flotilla/quality/comparison.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

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
  for (const QualityMeasure& measure : kQualityMeasures) {
    line(measure.title, [&](const SampleQuality& sample) { return sample.*measure.estimate; });
  }
  for (std::size_t mode = 0; mode < comparison.samples.front().modes.size(); ++mode) {
    line(fmt::format("weight of mode {}", mode),
         [&](const SampleQuality& sample) { return sample.modes[mode]; });
  }
  if (!comparison.remark.empty()) text += fmt::format("\n{}\n", comparison.remark);
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
  if (!comparison.remark.empty()) all["remark"] = comparison.remark;
  for (const SampleQuality& sample : comparison.samples) {
    nlohmann::ordered_json entry;
    for (const QualityMeasure& measure : kQualityMeasures)
      entry[measure.name] = json(sample.*measure.estimate);
    entry["modes"] = nlohmann::ordered_json::array();
    for (const Estimate& weight : sample.modes) entry["modes"].push_back(json(weight));
    all[sample.name] = entry;
  }
  return all.dump(2) + "\n";
}

struct Call {
  ComparisonConfig comparison;
  bool json = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.comparison);
  options.push_back({.name = "json",
                     .place = &call.json,
                     .kind = OptionKind::kManner,
                     .group = OptionGroup::kOutput,
                     .help = "print JSON"});
  return options;
}

int compare(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const Comparison comparison = flotilla::compare(call.comparison, comm);
  if (comm.is_root()) show(call.json ? json(comparison) : table(comparison));
  return 0;
}

}  // namespace

Command compare_command() {
  return {.name = "compare",
          .summary = "Says how close the draws of a run are to a sample of the truth.",
          .examples = {"flotilla compare run.h5 --reference two_moons.h5:x",
                       "flotilla compare run.h5 --reference toy.h5:x --modes toy.h5:modes --json"},
          .verdict = "",
          .options = default_options<Call>,
          .run = compare};
}

}  // namespace flotilla::app
