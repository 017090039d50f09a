// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/remarks.hpp"

#include <fmt/format.h>

#include <cmath>

#include "flotilla/core/printed.hpp"

namespace flotilla {
namespace {

constexpr double kHardlyAny = 0.01;  // an acceptance rate below which local moves are lost

std::string unmet(const char* option, double threshold, const std::string& name, double value,
                  const std::string& of, Index draws) {
  if (std::isnan(value)) {
    return fmt::format(
        "--{} {:g} was not met: {} has no value in {} draws: it needs two reports, so report more "
        "often (--report-every), or keep more draws (--draws)",
        option, threshold, name, draws);
  }
  return fmt::format(
      "--{} {:g} was not met: {} is {}{} after {} draws: keep more draws (--draws), or see what "
      "'flotilla summary' advises",
      option, threshold, name, printed(value, Print::kGeneral), of.empty() ? "" : " of " + of,
      draws);
}

}  // namespace

std::vector<std::string> unmet_thresholds(const RunConfig& config, const RunSummary& summary) {
  std::vector<std::string> found;
  const ConvergenceReport& report = summary.last_report;
  const bool nested = config.superchains > 0;
  const double rhat = nested ? report.nested_rhat : report.rhat;
  if (config.until_rhat && !(rhat <= *config.until_rhat)) {
    found.push_back(unmet("until-rhat", *config.until_rhat, nested ? "nested R-hat" : "R-hat", rhat,
                          nested ? "" : report.rhat_of, summary.draws));
  }
  if (config.until_ess && !(report.ess >= *config.until_ess)) {
    found.push_back(unmet("until-ess", *config.until_ess, "the effective sample size", report.ess,
                          report.ess_of, summary.draws));
  }
  return found;
}

std::vector<std::string> remarks(const RunConfig& config, const RunSummary& summary) {
  std::vector<std::string> found;
  const double acceptance = summary.moves.local_acceptance_rate();
  if (acceptance < kHardlyAny) {
    found.push_back(fmt::format(
        "hardly any local move was accepted (rate {:.2g} at step size {:.4g}), so that chains "
        "stood "
        "still{}: {}",
        acceptance, summary.step_size,
        summary.moves.global_moves() > 0.0 ? " between global moves" : "",
        config.adapt && config.warmup > 0
            ? "give warm-up more windows (a larger --warmup, --exchange-every 1), or begin with a "
              "smaller --step-size"
            : "begin with a smaller --step-size, or let warm-up adapt it"));
  }
  return found;
}

}  // namespace flotilla
