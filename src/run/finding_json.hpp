// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/run/finding.hpp"
#include "run/json_number.hpp"

namespace flotilla {

/// Adds the findings to the JSON of a check, and whether it passed.
void add_findings(nlohmann::ordered_json& check, const std::vector<Finding>& findings);

/// JSON as a command prints it. Bytes from anywhere that are no UTF-8 are replaced.
std::string printed_json(const nlohmann::ordered_json& json);

}  // namespace flotilla
