// SPDX-License-Identifier: BSD-3-Clause
#include "run/duration.hpp"

#include <array>
#include <charconv>
#include <string_view>

namespace flotilla {
namespace {

constexpr double kDay = 86400.0;
constexpr double kMost = 1e4 * kDay;

struct Unit {
  char letter;
  double seconds;
};
constexpr std::array<Unit, 4> kUnits = {{{'d', kDay}, {'h', 3600.0}, {'m', 60.0}, {'s', 1.0}}};

/// Takes a whole number from the front of a text.
std::optional<double> take_number(std::string_view& text) {
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// "1h30m": units in falling order, each at most once.
std::optional<double> of_units(std::string_view text) {
  double seconds = 0.0;
  std::size_t next = 0;
  while (!text.empty()) {
    const std::optional<double> number = take_number(text);
    if (!number || text.empty()) return std::nullopt;
    while (next < kUnits.size() && kUnits.at(next).letter != text.front()) ++next;
    if (next == kUnits.size()) return std::nullopt;
    seconds += *number * kUnits.at(next++).seconds;
    text.remove_prefix(1);
  }
  return seconds;
}

/// "HH:MM:SS", with days in front or without.
std::optional<double> of_clock(std::string_view text) {
  double days = 0.0;
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    std::string_view front = text.substr(0, dash);
    const std::optional<double> number = take_number(front);
    if (!number || !front.empty()) return std::nullopt;
    days = *number;
    text.remove_prefix(dash + 1);
  }
  double seconds = 0.0;
  for (int part = 0; part < 3; ++part) {
    const std::optional<double> number = take_number(text);
    if (!number || (part > 0 && *number >= 60.0)) return std::nullopt;
    seconds = 60.0 * seconds + *number;
    if (part == 2) break;
    if (text.empty() || text.front() != ':') return std::nullopt;
    text.remove_prefix(1);
  }
  if (!text.empty()) return std::nullopt;
  return days * kDay + seconds;
}

}  // namespace

std::optional<double> seconds_of(const std::string& duration) {
  const bool clock = duration.find(':') != std::string::npos;
  const std::optional<double> seconds = clock ? of_clock(duration) : of_units(duration);
  if (!seconds || *seconds <= 0.0 || *seconds > kMost) return std::nullopt;
  return seconds;
}

}  // namespace flotilla
