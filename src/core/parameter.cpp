// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/parameter.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

const Parameter& parameter_of(const Choice& choice, const std::string& name) {
  const auto found =
      std::find_if(choice.parameters.begin(), choice.parameters.end(),
                   [&](const Parameter& parameter) { return name == parameter.name; });
  if (found != choice.parameters.end()) return *found;
  std::vector<std::string> names;
  for (const Parameter& parameter : choice.parameters) names.emplace_back(parameter.name);
  throw InputError(fmt::format("--{} is no parameter of '{}', which has {}: leave it out", name,
                               choice.name,
                               names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

bool has(const Specification& specification, const char* name) {
  return specification.parameters.count(name) > 0;
}

/// Prints whole numbers with all digits.
std::string number_text(double value) {
  constexpr double kInFull = 1e15;
  if (value != std::floor(value) || std::abs(value) > kInFull) return fmt::format("{:g}", value);
  return fmt::format("{:.0f}", value);
}

}  // namespace

std::string to_text(const Range& range) {
  const bool below = std::isfinite(range.high);
  const bool above = std::isfinite(range.low);
  const std::string least = number_text(range.low);
  const std::string most = number_text(range.high);
  if (above && below && range.open) return fmt::format("between {} and {}", least, most);
  if (above && below) return fmt::format("from {} to {}", least, most);
  if (above) return fmt::format("{} {} and finite", range.open ? "above" : "at least", least);
  if (below) return fmt::format("{} {} and finite", range.open ? "below" : "at most", most);
  return "a finite number";
}

void expect_parameters(const Choice& choice, const Specification& specification) {
  for (const auto& [name, value] : specification.parameters) {
    const Parameter& parameter = parameter_of(choice, name);
    if (parameter.range.contains(value)) continue;
    throw InputError(
        fmt::format("--{} should be {} but is {}", name, to_text(parameter.range), value));
  }
  for (const Parameter& parameter : choice.parameters) {
    if (!has(specification, parameter.name) || !has(specification, parameter.in_place_of)) continue;
    throw InputError(
        fmt::format("--{} should stand in place of --{}, not beside it: leave one of them out",
                    parameter.name, parameter.in_place_of));
  }
}

ParameterValues with_defaults(const Choice& choice, const Specification& specification) {
  expect_parameters(choice, specification);
  ParameterValues values = specification.parameters;
  for (const Parameter& parameter : choice.parameters) {
    if (parameter.otherwise) values.try_emplace(parameter.name, *parameter.otherwise);
  }
  for (const Parameter& parameter : choice.parameters) {
    if (has(specification, parameter.name)) values.erase(parameter.in_place_of);
  }
  return values;
}

}  // namespace flotilla
