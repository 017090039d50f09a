// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <cmath>

#include "flotilla/quality/text.hpp"
#include "run/json_number.hpp"

namespace flotilla {
namespace {

std::string cell(const Estimate& estimate) {
  if (std::isnan(estimate.value)) return "-";
  return fmt::format("{:.4g} ± {:.1g}", estimate.value, estimate.error);
}

nlohmann::ordered_json json_of(const Estimate& estimate) {
  return {{"value", json_number(estimate.value)}, {"error", json_number(estimate.error)}};
}

}  // namespace

// The sign ± has two bytes but is one column wide.
std::string as_table(const Comparison& comparison) {
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

std::string as_json(const Comparison& comparison) {
  nlohmann::ordered_json all = {{"points", comparison.points},
                                {"bandwidth", json_number(comparison.bandwidth)}};
  if (!comparison.remark.empty()) all["remark"] = comparison.remark;
  for (const SampleQuality& sample : comparison.samples) {
    nlohmann::ordered_json entry;
    for (const QualityMeasure& measure : kQualityMeasures) {
      entry[measure.name] = json_of(sample.*measure.estimate);
    }
    entry["modes"] = nlohmann::ordered_json::array();
    for (const Estimate& weight : sample.modes) entry["modes"].push_back(json_of(weight));
    all[sample.name] = entry;
  }
  // Text from a file, or a path, may be no UTF-8.
  return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace flotilla
