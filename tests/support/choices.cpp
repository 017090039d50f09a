// SPDX-License-Identifier: BSD-3-Clause
#include "support/choices.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <string>

#include "flotilla/core/error.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"

namespace flotilla::test {

void expect_whole(const Choice& choice) {
  const std::regex spelling("[a-z][a-z0-9]*(-[a-z0-9]+)*");
  EXPECT_TRUE(std::regex_match(choice.name, spelling)) << choice.name;
  EXPECT_GT(std::string(choice.help).size(), 10U) << choice.name << " has no help";
  for (const Parameter& parameter : choice.parameters) {
    EXPECT_TRUE(std::regex_match(parameter.name, spelling)) << parameter.name;
    EXPECT_GT(std::string(parameter.help).size(), 10U) << parameter.name << " has no help";
    EXPECT_NE(parameter.unit, nullptr) << parameter.name;
    EXPECT_LT(parameter.range.low, parameter.range.high) << parameter.name;
    if (parameter.otherwise) {
      EXPECT_TRUE(parameter.range.contains(*parameter.otherwise))
          << parameter.name << ": its default is out of its range";
    }
  }
}

int expect_one_meaning(const std::vector<Choice>& choices) {
  std::map<std::string, Parameter> known;
  int looked_at = 0;
  for (const Choice& choice : choices) {
    for (const Parameter& parameter : choice.parameters) {
      const Parameter& first = known.try_emplace(parameter.name, parameter).first->second;
      EXPECT_EQ(parameter.otherwise, first.otherwise) << parameter.name;
      // The option shows the first range. A row may allow less of it.
      EXPECT_GE(parameter.range.low, first.range.low) << parameter.name;
      EXPECT_LE(parameter.range.high, first.range.high) << parameter.name;
      EXPECT_EQ(parameter.range.open, first.range.open) << parameter.name;
      EXPECT_STREQ(parameter.unit, first.unit) << parameter.name;
      EXPECT_STREQ(parameter.help, first.help) << parameter.name;
      ++looked_at;
    }
  }
  return looked_at;
}

int expect_ranges_kept(const Choice& choice,
                       const std::function<void(const Specification&)>& check) {
  int tried = 0;
  for (const Parameter& parameter : choice.parameters) {
    const Range& range = parameter.range;
    std::vector<double> wrong = {std::nan(""), HUGE_VAL, -HUGE_VAL};
    if (std::isfinite(range.low)) wrong.push_back(range.open ? range.low : range.low - 1.0);
    if (std::isfinite(range.high)) wrong.push_back(range.open ? range.high : range.high + 1.0);
    for (const double value : wrong) {
      try {
        check({choice.name, {{parameter.name, value}}});
        ADD_FAILURE() << choice.name << ": " << parameter.name << " may be " << value;
      } catch (const InputError& error) {
        const std::string expected =
            "--" + std::string(parameter.name) + " should be " + to_text(range) + " but is ";
        EXPECT_EQ(std::string(error.what()).rfind(expected, 0), 0U) << error.what();
      }
      ++tried;
    }
  }
  return tried;
}

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const KernelRow& row : kernel_registry()) names.emplace_back(row.choice.name);
  return names;
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const TargetRow& row : target_registry()) {
    if (!row.needs_density) names.emplace_back(row.choice.name);
  }
  return names;
}

std::string test_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace flotilla::test
