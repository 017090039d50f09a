// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace flotilla {

/// The range of an option or a parameter. NaN is never in it.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open = false;  ///< if true, low and high themselves are not allowed

  /// Whether a value is in the range; false for NaN and infinities.
  bool contains(double value) const {
    if (open) return value > low && value < high;
    return value >= low && value <= high && std::isfinite(value);
  }
  bool operator==(const Range&) const = default;
};

/// The range in words: "from 0 to 1", "above 0 and finite", "a finite number".
std::string to_text(const Range& range);

/// One parameter of a target or a kernel, as a row of a registry entry. Its option, check, help
/// text and record in the run file all follow from this row.
struct Parameter {
  const char* name = "";            ///< spelt like the option, "clip-level"
  std::optional<double> otherwise;  ///< default; empty if it is found when the run begins
  Range range;
  const char* unit = "";  ///< "nats"; empty if it has none
  const char* help = "";
  const char* in_place_of = "";  ///< the parameter that this one replaces; empty if none
};

/// Values of parameters, keyed by name.
using ParameterValues = std::map<std::string, double>;

/// What makes a target or a kernel: the name of its registry row, and values of the row's
/// parameters. A run file records it and gives it back.
struct Specification {
  std::string name;
  ParameterValues parameters;  ///< a missing parameter has its default

  bool operator==(const Specification&) const = default;
};

/// One choice of an option such as --target: the part that every registry row has, whether it makes
/// a target or a kernel.
struct Choice {
  const char* name;
  const char* help;
  std::vector<Parameter> parameters;
};

/// Checks the parameters of a specification.
/// @throws InputError if the choice does not have a parameter, if a value is out of range, or if a
/// parameter is given together with the one that it replaces
void expect_parameters(const Choice& choice, const Specification& specification);

/// The values of all parameters: from the specification, else the default. A parameter with neither
/// is left out. @throws InputError as expect_parameters() does
ParameterValues with_defaults(const Choice& choice, const Specification& specification);

}  // namespace flotilla
