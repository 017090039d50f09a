// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <string>

namespace flotilla {

/// Facts of the place where a rank runs, by name: an empty text where one is not known.
using PlaceFacts = std::map<std::string, std::string>;

/// Facts of this process, its node, and a folder as the node sees it. Not collective.
PlaceFacts place_facts(const std::string& folder);

/// For the way to rank 0.
std::string as_text(const PlaceFacts& facts);
PlaceFacts facts_of(const std::string& text);

}  // namespace flotilla
