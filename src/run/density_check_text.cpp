// SPDX-License-Identifier: BSD-3-Clause

// A check of a density as text and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "flotilla/core/printed.hpp"
#include "flotilla/run/density_check.hpp"
#include "run/json_number.hpp"

namespace flotilla {
namespace {

const char* word_of(CheckFinding::Verdict verdict) {
  constexpr std::array kWords = {"ok", "note", "FAILED"};
  return kWords.at(static_cast<std::size_t>(verdict));
}

}  // namespace

std::string check_text(const DensityCheck& check) {
  std::string text = fmt::format("{}: {} points of {} coordinates\n\n", printable(check.density),
                                 check.points, check.dim);
  for (const CheckFinding& finding : check.findings) {
    text +=
        fmt::format("  {:<9} {:<7} {}\n", finding.name, word_of(finding.verdict), finding.sentence);
  }
  return text + (check.passed() ? "\nnothing wrong was found\n"
                                : "\ndo not sample from it before it is mended\n");
}

std::string check_json(const DensityCheck& check) {
  nlohmann::ordered_json all = {
      {"density", check.density},
      {"dim", check.dim},
      {"points", check.points},
      {"passed", check.passed()},
      {"seconds_per_point", json_number(check.seconds_per_point)},
      {"flow_seconds_per_point", json_number(check.flow_seconds_per_point)},
  };
  all["findings"] = nlohmann::ordered_json::array();
  for (const CheckFinding& finding : check.findings) {
    all["findings"].push_back({{"name", finding.name},
                               {"verdict", word_of(finding.verdict)},
                               {"sentence", finding.sentence}});
  }
  return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace flotilla
