// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include "flotilla/core/printed.hpp"
#include "flotilla/quality/text.hpp"
#include "run/finding_json.hpp"

namespace flotilla {

std::string as_table(const Verification& verification) {
  return fmt::format(
      "{}: {}, {} of {} draws of {} chains\n\n{}{}", printable(verification.run),
      verification.complete ? "complete" : "unfinished", verification.draws, verification.room,
      verification.chains, findings_text(verification.findings),
      passed(verification.findings)
          ? "\nthe file is what the run wrote\n"
          : "\nthe file is not what the run wrote: do not use what is named above\n");
}

std::string as_json(const Verification& verification) {
  nlohmann::ordered_json all = {{"run", verification.run},
                                {"complete", verification.complete},
                                {"chains", verification.chains},
                                {"draws", verification.draws},
                                {"room", verification.room}};
  add_findings(all, verification.findings);
  return printed_json(all);
}

}  // namespace flotilla
