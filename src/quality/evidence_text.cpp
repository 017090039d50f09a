// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <cmath>

#include "flotilla/quality/text.hpp"
#include "run/json_number.hpp"

namespace flotilla {
namespace {

std::string description(const Specification& target) {
  std::string text = target.name;
  for (const auto& [name, value] : target.parameters) text += fmt::format(", {} {:g}", name, value);
  return text;
}

std::string estimate(double value, double error) {
  return std::isnan(value) ? "-" : fmt::format("{:.4f} ± {:.2g}", value, error);
}

std::string line(const char* title, const std::string& value, const std::string& meaning) {
  return fmt::format("{:<22}{:>24}  {}\n", title, value, meaning);
}

}  // namespace

// The sign ± has two bytes but is one column wide.
std::string as_table(const Evidence& evidence) {
  const BridgeEstimate& bridge = evidence.bridge;
  const ImportanceEstimate& importance = evidence.importance;
  const bool refused = !refusal(evidence).empty();
  std::string text =
      fmt::format("target: {}\n{} draws of the run, {} of the base density\n\n",
                  description(evidence.target), evidence.run_draws, evidence.base_draws);
  text += line("log evidence", refused ? "-" : estimate(bridge.log_evidence, bridge.error),
               "nats, by bridge sampling");
  text += line("overlap", fmt::format("{:.3g}", bridge.overlap),
               "of target and base density, from 0 to 1");
  text +=
      line("it stands on", fmt::format("{:.3g}", bridge.run_draws), "independent draws of the run");
  text += line("", fmt::format("{:.3g}", bridge.base_draws), "draws of the base density");
  text += line("importance sampling", estimate(importance.log_evidence, importance.error),
               "nats, from the draws of the base density alone");
  text += line("its effective size", fmt::format("{:.3g}", importance.effective_size), "draws");
  if (evidence.non_finite > 0) {
    text +=
        fmt::format("at {} draws of the base density the target is not finite: it counts as zero\n",
                    evidence.non_finite);
  }
  return text;
}

std::string as_json(const Evidence& evidence) {
  const BridgeEstimate& bridge = evidence.bridge;
  const ImportanceEstimate& importance = evidence.importance;
  const std::string refused = refusal(evidence);
  const auto unless_refused = [&](double value) {
    return refused.empty() ? json_number(value) : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json all = {{"target", evidence.target.name}};
  for (const auto& [name, value] : evidence.target.parameters) all[name] = json_number(value);
  all["log_evidence"] = unless_refused(bridge.log_evidence);
  all["error"] = unless_refused(bridge.error);
  all["overlap"] = json_number(bridge.overlap);
  all["bridge_run_draws"] = json_number(bridge.run_draws);
  all["bridge_base_draws"] = json_number(bridge.base_draws);
  all["run_draws"] = evidence.run_draws;
  all["base_draws"] = evidence.base_draws;
  all["non_finite"] = evidence.non_finite;
  all["importance_log_evidence"] = json_number(importance.log_evidence);
  all["importance_error"] = json_number(importance.error);
  all["importance_effective_size"] = json_number(importance.effective_size);
  all["refusal"] =
      refused.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(refused);
  return all.dump(2) + "\n";
}

}  // namespace flotilla
