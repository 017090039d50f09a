// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/printed.hpp"

#include <fmt/format.h>

#include <cmath>

namespace flotilla {

std::string printed(double value, Print how) {
  if (std::isnan(value)) return "-";
  switch (how) {
    case Print::kGeneral:
      return fmt::format("{:.4g}", value);
    case Print::kRatio:
      return fmt::format("{:.4f}", value);
    case Print::kRate:
      return fmt::format("{:.3f}", value);
    case Print::kCount:
      return fmt::format(fmt::runtime(value < 1e6 ? "{:.0f}" : "{:.3g}"), value);
    case Print::kSeconds:
      return fmt::format("{:.2f} s", value);
    case Print::kPercent:
      return fmt::format("{:.1f} %", 100.0 * value);
  }
  return "";
}

}  // namespace flotilla
