// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

namespace flotilla {

/// What a check found: a row of its table.
struct Finding {
  enum class Verdict { kPassed, kNoted, kFailed };

  std::string name;  ///< "gradient"
  Verdict verdict = Verdict::kPassed;
  std::string sentence;
};

/// Whether none of them failed.
bool passed(const std::vector<Finding>& findings);

/// A line for each, with its verdict: ok, note or FAILED.
std::string findings_text(const std::vector<Finding>& findings);

}  // namespace flotilla
