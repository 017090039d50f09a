// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/record.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "flotilla/core/error.hpp"

namespace flotilla {

std::size_t LayerRecord::parameters() const {
  static constexpr std::array kWiring = {"mask", "order", "indices", "image", "circular"};
  std::size_t count = 0;
  for (const auto& [name, tensor] : arrays) {
    const bool is_wiring = std::find(kWiring.begin(), kWiring.end(), name) != kWiring.end() ||
                           name.starts_with("sine_");
    count += is_wiring ? 0 : tensor.values.size();
  }
  return count;
}

LayerReader::LayerReader(const LayerRecord& record, std::string label, Index dim)
    : record_(&record), label_(std::move(label)), dim_(dim) {}

void LayerReader::fail(const std::string& message) const {
  throw InputError(fmt::format("{}: {}", label_, message));
}

std::string LayerReader::text(const std::string& name) const {
  const auto found = record_->texts.find(name);
  if (found == record_->texts.end()) fail(fmt::format("text attribute '{}' is missing", name));
  return found->second;
}

bool LayerReader::has_text(const std::string& name) const {
  return record_->texts.contains(name);
}

std::size_t LayerReader::choice(const std::string& name,
                                const std::vector<std::string>& allowed) const {
  if (!has_text(name)) return 0;
  const std::string value = text(name);
  const auto found = std::find(allowed.begin(), allowed.end(), value);
  if (found == allowed.end()) {
    fail(fmt::format("text '{}' should be one of {} but is '{}'", name, fmt::join(allowed, ", "),
                     value));
  }
  return static_cast<std::size_t>(found - allowed.begin());
}

double LayerReader::number(const std::string& name) const {
  if (!record_->numbers.contains(name)) fail(fmt::format("number '{}' is missing", name));
  return number_or(name, 0.0);
}

double LayerReader::number_or(const std::string& name, double fallback) const {
  const auto found = record_->numbers.find(name);
  if (found == record_->numbers.end()) return fallback;
  if (!std::isfinite(found->second)) fail(fmt::format("number '{}' is not finite", name));
  return found->second;
}

bool LayerReader::has_array(const std::string& name) const {
  return record_->arrays.contains(name);
}

const std::vector<Index>& LayerReader::shape(const std::string& name) const {
  const auto found = record_->arrays.find(name);
  if (found == record_->arrays.end()) fail(fmt::format("array '{}' is missing", name));
  return found->second.shape;
}

const std::vector<double>& LayerReader::array(const std::string& name,
                                              const std::vector<Index>& expected) const {
  const std::vector<Index>& found = shape(name);
  if (found != expected) {
    fail(fmt::format("array '{}' should have shape [{}] but has [{}]", name,
                     fmt::join(expected, " x "), fmt::join(found, " x ")));
  }
  const std::vector<double>& values = record_->arrays.at(name).values;
  Index count = 1;
  for (const Index size : expected) count *= size;
  if (static_cast<Index>(values.size()) != count) {
    fail(fmt::format("array '{}' should hold {} values but holds {}", name, count, values.size()));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      fail(fmt::format("array '{}' holds a non-finite value ({}) at element {}", name, values[i],
                       i));
    }
  }
  return values;
}

Index LayerReader::count_or(const std::string& name, Index fallback) const {
  const double value = number_or(name, static_cast<double>(fallback));
  if (value < 1.0 || value != std::floor(value) || value > static_cast<double>(dim_)) {
    fail(fmt::format("number '{}' should be a whole number from 1 to {} but is {}", name, dim_,
                     value));
  }
  return static_cast<Index>(value);
}

std::vector<Index> LayerReader::whole_numbers(const std::string& name, Index count) const {
  const std::vector<double>& values = array(name, {count});
  std::vector<Index> whole;
  whole.reserve(values.size());
  for (const double value : values) {
    if (value != std::floor(value) || value < 0.0 || value >= static_cast<double>(count) + 2.0) {
      fail(fmt::format("array '{}' should hold small whole numbers but holds {}", name, value));
    }
    whole.push_back(static_cast<Index>(value));
  }
  return whole;
}

void LayerReader::expect_only(const std::vector<std::string>& names) const {
  const auto check = [&](const std::string& name) {
    if (name == "direction" || name == "coordinates") return;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      fail(fmt::format("'{}' is not an entry of this type (it has: {})", name,
                       fmt::join(names, ", ")));
    }
  };
  for (const auto& [name, value] : record_->texts) check(name);
  for (const auto& [name, value] : record_->numbers) check(name);
  for (const auto& [name, value] : record_->arrays) check(name);
}

}  // namespace flotilla
