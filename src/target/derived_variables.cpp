// SPDX-License-Identifier: BSD-3-Clause

// How flat names of outputs make variables with shapes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <set>

#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla {
namespace {

/// Names in the group posterior that belong to the run itself.
constexpr std::array kTaken = {"x", "x_dim_0", "chain", "draw", "superchain"};

/// A name and its indices: "theta.1.2".
struct Entry {
  std::string stem;
  std::vector<Index> indices;
  Index column = 0;
};

/// @throws InputError if a run file could not have a variable of that name
void expect_allowed(const std::string& name) {
  const bool plain =
      !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
        return std::isalnum(letter) != 0 || letter == '_' || letter == '.' || letter == ':';
      });
  if (plain && std::isdigit(static_cast<unsigned char>(name.front())) == 0 && name.front() != '.') {
    return;
  }
  throw InputError(
      fmt::format("an output of a density should have a name of letters, digits and '_', with "
                  "indices behind '.', but one is called '{}'",
                  printable(name)));
}

/// Splits a name at its indices. A name with something else behind a '.' has none.
Entry parse(const std::string& name, Index column) {
  expect_allowed(name);
  std::size_t end = name.find('.');
  Entry entry{name.substr(0, end), {}, column};
  while (end != std::string::npos) {
    const std::size_t next = name.find('.', end + 1);
    const char* const first = name.data() + end + 1;
    const char* const last = name.data() + (next == std::string::npos ? name.size() : next);
    Index index = 0;
    const auto [rest, error] = std::from_chars(first, last, index);
    const bool whole = error == std::errc() && rest == last && *first != '0' && index > 0;
    if (!whole) return {name, {}, column};
    entry.indices.push_back(index);
    end = next;
  }
  return entry;
}

/// The variable that entries of one stem make, if they fill its shape.
bool fill(const std::vector<Entry>& entries, DerivedVariable& variable) {
  const std::size_t dimensions = entries.front().indices.size();
  variable = {entries.front().stem, std::vector<Index>(dimensions, 0), {}};
  double size = 1.0;
  for (std::size_t d = 0; d < dimensions; ++d) {
    for (const Entry& entry : entries) {
      if (entry.indices.size() != dimensions) return false;
      variable.shape[d] = std::max(variable.shape[d], entry.indices[d]);
    }
    size *= static_cast<double>(variable.shape[d]);
  }
  if (size != static_cast<double>(entries.size())) return false;
  variable.columns.assign(entries.size(), -1);
  for (const Entry& entry : entries) {
    Index place = 0;
    for (std::size_t d = 0; d < dimensions; ++d) {
      place = place * variable.shape[d] + entry.indices[d] - 1;
    }
    variable.columns[static_cast<std::size_t>(place)] = entry.column;
  }
  return true;  // names differ, so that no place was filled twice
}

}  // namespace

std::vector<DerivedVariable> derived_variables(const std::vector<std::string>& names) {
  std::vector<std::string> stems;  // in the order of the names
  std::map<std::string, std::vector<Entry>> entries;
  std::set<std::string> known;
  for (std::size_t k = 0; k < names.size(); ++k) {
    if (!known.insert(names[k]).second) {
      throw InputError(
          fmt::format("two outputs of a density are called '{}': give one of them "
                      "another name",
                      printable(names[k])));
    }
    const Entry entry = parse(names[k], static_cast<Index>(k));
    if (entries[entry.stem].empty()) stems.push_back(entry.stem);
    entries[entry.stem].push_back(entry);
  }
  std::vector<DerivedVariable> variables;
  for (const std::string& stem : stems) {
    DerivedVariable variable;
    if (fill(entries[stem], variable)) {
      variables.push_back(variable);
      continue;
    }
    for (const Entry& entry : entries[stem]) {
      variables.push_back({names[static_cast<std::size_t>(entry.column)], {}, {entry.column}});
    }
  }
  std::set<std::string> taken(kTaken.begin(), kTaken.end());
  for (const DerivedVariable& variable : variables) known.insert(variable.name);
  for (DerivedVariable& variable : variables) {
    const bool free = taken.count(variable.name) == 0;
    while (taken.count(variable.name) > 0 || (!free && known.count(variable.name) > 0)) {
      variable.name += '_';
    }
    taken.insert(variable.name);
  }
  return variables;
}

}  // namespace flotilla
