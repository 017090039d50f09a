#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>

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
};

/// One parameter of a target or a kernel: a row of its registry entry, from which follow the
/// option, its check, its help and what a run file records.
struct Parameter {
  const char* name;                 ///< as the option is spelt, "clip-level"
  std::optional<double> otherwise;  ///< the default; nothing where it is found when the run begins
  Range range;
  const char* unit;  ///< "nats"; empty where it has none
  const char* help;
};

/// What makes a target or a kernel: the name of its row, and values of that row's parameters. A run
/// file records it, and gives it back.
struct Specification {
  std::string name;
  std::map<std::string, double> parameters;  ///< by name; one that is missing has its default

  bool operator==(const Specification&) const = default;
};

}  // namespace flotilla
