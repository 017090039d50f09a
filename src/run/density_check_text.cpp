// SPDX-License-Identifier: BSD-3-Clause

// A check of a density as text and as JSON.
#include <fmt/format.h>

#include "flotilla/core/printed.hpp"
#include "flotilla/run/density_check.hpp"
#include "run/finding_json.hpp"

namespace flotilla {

std::string check_text(const DensityCheck& check) {
  std::string text = fmt::format("{}: {} points of {} coordinates\n\n", printable(check.density),
                                 check.points, check.dim);
  text += findings_text(check.findings);
  return text + (passed(check.findings) ? "\nnothing wrong was found\n"
                                        : "\ndo not sample from it before it is mended\n");
}

std::string check_json(const DensityCheck& check) {
  nlohmann::ordered_json all = {
      {"density", check.density},
      {"dim", check.dim},
      {"points", check.points},
      {"seconds_per_point", json_number(check.seconds_per_point)},
      {"flow_seconds_per_point", json_number(check.flow_seconds_per_point)},
  };
  add_findings(all, check.findings);
  return printed_json(all);
}

}  // namespace flotilla
