// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/printed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace flotilla {
namespace {

/// Bytes of the first character of a text in UTF-8 (RFC 3629); 0 if it is none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const std::size_t size = byte(0) < 0xC2   ? 0
                           : byte(0) < 0xE0 ? 2
                           : byte(0) < 0xF0 ? 3
                           : byte(0) < 0xF5 ? 4
                                            : 0;
  if (size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  return size;
}

}  // namespace

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

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    const auto first = static_cast<unsigned char>(text[0]);
    // U+0080 to U+009F steer a terminal too.
    const bool control = size == 1
                             ? (first < 0x20 && first != '\n' && first != '\t') || first == 0x7F
                             : first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (size > 0 && !control) {
      shown += text.substr(0, size);
    } else {
      for (const char byte : text.substr(0, std::max<std::size_t>(1, size))) {
        shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
      }
    }
    text.remove_prefix(std::max<std::size_t>(1, size));
  }
  return shown;
}

}  // namespace flotilla
