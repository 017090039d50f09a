// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "io/hdf5.hpp"

namespace flotilla {

/// What is known of how a file was made: attributes, in this order.
using RunFact = std::variant<std::string, double, std::int64_t>;
using RunFacts = std::vector<std::pair<std::string, RunFact>>;

/// Writes the facts as attributes. Collective in a file that ranks share. @throws Hdf5Error
void write_fact(hdf5::Object& object, const std::string& name, const RunFact& fact);
void write_facts(hdf5::Object& object, const RunFacts& facts);

}  // namespace flotilla
