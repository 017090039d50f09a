// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace flotilla {

/// The numbers that an option or a parameter may have; NaN is never one of them.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open = false;  ///< low and high themselves are not allowed

  bool contains(double value) const {
    if (open) return value > low && value < high;
    return value >= low && value <= high && std::isfinite(value);
  }
  bool operator==(const Range&) const = default;
};

/// A range as messages and help say it: "from 0 to 1", "above 0 and finite", "a finite number".
std::string to_text(const Range& range);

/// One parameter of a target or a kernel: a row of its registry entry, from which follow the
/// option, its check, its help and what a run file records.
struct Parameter {
  const char* name = "";            ///< as the option is spelt, "clip-level"
  std::optional<double> otherwise;  ///< the default; nothing where it is found when the run begins
  Range range;
  const char* unit = "";  ///< "nats"; empty where it has none
  const char* help = "";
};

/// Values of parameters, by name.
using ParameterValues = std::map<std::string, double>;

/// What makes a target or a kernel: the name of its row, and values of that row's parameters. A run
/// file records it, and gives it back.
struct Specification {
  std::string name;
  ParameterValues parameters;  ///< one that is missing has its default

  bool operator==(const Specification&) const = default;
};

/// One of the things that an option such as --target chooses from: what every row of a registry
/// says of itself, whatever it makes.
struct Choice {
  const char* name;
  const char* help;
  std::vector<Parameter> parameters;
};

/// @throws InputError where a specification has a parameter that the choice has not, or a value out
/// of its range
void expect_parameters(const Choice& choice, const Specification& specification);

/// The values of all parameters: those of the specification, and the defaults of the others. One
/// that has neither is missing. @throws InputError as expect_parameters() does
ParameterValues with_defaults(const Choice& choice, const Specification& specification);

}  // namespace flotilla
