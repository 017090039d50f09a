// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/finding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "flotilla/core/printed.hpp"
#include "run/finding_json.hpp"

namespace flotilla {
namespace {

const char* word_of(Finding::Verdict verdict) {
  constexpr std::array kWords = {"ok", "note", "FAILED"};
  return kWords.at(static_cast<std::size_t>(verdict));
}

}  // namespace

bool passed(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.verdict == Finding::Verdict::kFailed;
  });
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.name.size());
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("  {:<{}} {:<7} {}\n", finding.name, width, word_of(finding.verdict),
                        printable(finding.sentence));
  }
  return text;
}

void add_findings(nlohmann::ordered_json& check, const std::vector<Finding>& findings) {
  check["passed"] = passed(findings);
  check["findings"] = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    check["findings"].push_back({{"name", finding.name},
                                 {"verdict", word_of(finding.verdict)},
                                 {"sentence", finding.sentence}});
  }
}

std::string printed_json(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace flotilla
