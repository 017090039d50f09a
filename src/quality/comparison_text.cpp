// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "flotilla/quality/text.hpp"
#include "run/json_number.hpp"

namespace flotilla {
namespace {

constexpr std::size_t kMostMoments = 20;  // of more the farthest are shown
constexpr double kMostRhat = 1.01;        // of chains that have met

std::string cell(const Estimate& estimate) {
  if (std::isnan(estimate.value)) return "-";
  return fmt::format("{:.4g} ± {:.1g}", estimate.value, estimate.error);
}

nlohmann::ordered_json json_of(const Estimate& estimate) {
  return {{"value", json_number(estimate.value)}, {"error", json_number(estimate.error)}};
}

// The sign ± has two bytes but is one column wide.
std::string table_of_samples(const Comparison& comparison) {
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

/// "3.02 ± 0.01", or the number alone if it is exact.
std::string known(double value, double error) {
  return error > 0.0 ? cell({value, error}) : fmt::format("{:.6g}", value);
}

/// What follows from the distances, in sentences.
std::string verdict_of(const TruthScores& truth) {
  const MomentScore& farthest = truth.farthest();
  std::string text =
      truth.apart() == 0
          ? fmt::format(
                "They agree with the truth: none of {} is more than {:g} standard errors "
                "from it",
                truth.moments.size(), kMostErrors)
          : fmt::format(
                "They do not agree with the truth: {} of {} are more than {:g} standard "
                "errors from it",
                truth.apart(), truth.moments.size(), kMostErrors);
  text += fmt::format(", the farthest {:.2g} ({}).\n", farthest.distance, farthest.name);
  if (truth.rhat <= kMostRhat) return text;
  return text + fmt::format(
                    "R-hat of {} is {:.3g}: its chains have not met, and the errors are too "
                    "small.\n",
                    truth.rhat_of, truth.rhat);
}

std::string table_of_moments(const TruthScores& truth) {
  std::vector<MomentScore> shown = truth.moments;
  if (shown.size() > kMostMoments) {
    std::stable_sort(shown.begin(), shown.end(), [](const MomentScore& a, const MomentScore& b) {
      return a.distance > b.distance;
    });
    shown.resize(kMostMoments);
  }
  std::string text =
      fmt::format("{:<28}{:>22}{:>22}{:>18}\n", "", "run", "truth", "standard errors");
  for (const MomentScore& one : shown) {
    text += fmt::format("{:<28}{:>22}{:>22}{:>18.2f}\n", one.name, cell({one.value, one.error}),
                        known(one.truth, one.unsure), one.distance);
  }
  if (shown.size() < truth.moments.size()) {
    text += fmt::format("... and {} that are nearer\n", truth.moments.size() - shown.size());
  }
  return text + "\n" + verdict_of(truth);
}

nlohmann::ordered_json json_of(const TruthScores& truth) {
  nlohmann::ordered_json moments = nlohmann::ordered_json::array();
  for (const MomentScore& one : truth.moments) {
    moments.push_back({{"name", one.name},
                       {"value", json_number(one.value)},
                       {"error", json_number(one.error)},
                       {"truth", json_number(one.truth)},
                       {"truth_error", json_number(one.unsure)},
                       {"distance", json_number(one.distance)}});
  }
  return {{"agrees", truth.apart() == 0},
          {"apart", truth.apart()},
          {"farthest", json_number(truth.farthest().distance)},
          {"typical", json_number(truth.typical())},
          {"rhat", json_number(truth.rhat)},
          {"moments", moments}};
}

}  // namespace

std::string as_table(const Comparison& comparison) {
  std::string text;
  if (!comparison.samples.empty()) text = table_of_samples(comparison);
  if (!comparison.truth) return text;
  return text + (text.empty() ? "" : "\n") + table_of_moments(*comparison.truth);
}

std::string as_json(const Comparison& comparison) {
  nlohmann::ordered_json all;
  if (!comparison.samples.empty()) {
    all["points"] = comparison.points;
    all["bandwidth"] = json_number(comparison.bandwidth);
  }
  if (comparison.truth) all["truth"] = json_of(*comparison.truth);
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
