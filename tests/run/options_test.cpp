// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/config.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/quality/comparison.hpp"
#include "flotilla/study/study.hpp"

namespace flotilla::test {
namespace {

struct Mistake {
  const char* option;
  std::function<void(RunConfig&)> make;
};

std::vector<Mistake> mistakes() {
  return {
      {"--output", [](RunConfig& c) { c.output = ""; }},
      {"--chains", [](RunConfig& c) { c.chains = 0; }},
      {"--chains", [](RunConfig& c) { c.chains = -4; }},
      {"--chains", [](RunConfig& c) { c.chains = (Index{1} << 27U) + 1; }},
      {"--warmup", [](RunConfig& c) { c.warmup = -1; }},
      {"--draws", [](RunConfig& c) { c.draws = 0; }},
      {"--thin", [](RunConfig& c) { c.thin = 0; }},
      {"--thin", [](RunConfig& c) { c.thin = Index{1} << 40U; }},
      {"--seed", [](RunConfig& c) { c.seed = ~std::uint64_t{0}; }},
      {"--tile-width", [](RunConfig& c) { c.tile_width = 33; }},
      {"--tile-width", [](RunConfig& c) { c.tile_width = 0; }},
      {"--target", [](RunConfig& c) { c.target.name = "flat"; }},
      {"--beta", [](RunConfig& c) { c.target.parameters["beta"] = std::nan(""); }},
      {"--clip-quantile",
       [](RunConfig& c) {
         c.target = {"clipped", {{"clip-quantile", 1.0}}};
       }},
      {"--clip-level",
       [](RunConfig& c) {
         c.target = {"clipped", {{"clip-level", std::nan("")}}};
       }},
      {"--clip-level",
       [](RunConfig& c) {
         c.target = {"clipped", {{"clip-level", 3.0}, {"clip-quantile", 0.5}}};
       }},
      {"--clip-sharpness",
       [](RunConfig& c) {
         c.target = {"clipped", {{"clip-sharpness", 0.0}}};
       }},
      {"--kernel", [](RunConfig& c) { c.kernel.name = "hmc"; }},
      {"--step-size", [](RunConfig& c) { c.step_size = -1.0; }},
      {"--global-fraction", [](RunConfig& c) { c.global_fraction = 1.5; }},
      {"--step-size", [](RunConfig& c) { c.step_size = 0.0; }},
      {"--step-size", [](RunConfig& c) { c.step_size = std::nan(""); }},
      {"--target-accept", [](RunConfig& c) { c.target_accept = 1.0; }},
      {"--exchange-every", [](RunConfig& c) { c.exchange_every = 0; }},
      {"--exchange-every",
       [](RunConfig& c) {
         c.chains = 65536;
         c.warmup = c.exchange_every = 4096;
       }},
      {"--precision", [](RunConfig& c) { c.precision = "half"; }},
      {"--superchains", [](RunConfig& c) { c.superchains = 1; }},
      {"--superchains", [](RunConfig& c) { c.superchains = 7; }},
      {"--superchains", [](RunConfig& c) { c.superchains = -2; }},
      {"--report-every", [](RunConfig& c) { c.report_every = -1; }},
      {"--until-rhat", [](RunConfig& c) { c.until_rhat = 0.9; }},
      {"--until-rhat",
       [](RunConfig& c) {
         c.until_rhat = 1.01;
         c.report_every = 0;
       }},
      {"--report-every", [](RunConfig& c) { c.report_every = Index{1} << 50U; }},
      {"--until-ess", [](RunConfig& c) { c.until_ess = std::nan(""); }},
  };
}

TEST(RunConfig, IsValidAsItComes) {
  EXPECT_NO_THROW(RunConfig().validate());
}

TEST(RunConfig, NamesTheOptionThatIsWrong) {
  int tried = 0;
  for (const Mistake& mistake : mistakes()) {
    RunConfig config;
    mistake.make(config);
    try {
      config.validate();
      ADD_FAILURE() << mistake.option << " was accepted";
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()).rfind(std::string(mistake.option) + " should ", 0), 0U)
          << error.what();
    }
    ++tried;
  }
  EXPECT_EQ(tried, 34);
}

// ---- Rows: every table of the library.

/// Uses a row as help, checks and records do; returns what is wrong with it.
std::vector<std::string> faults_of(const Option& option) {
  std::vector<std::string> faults;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) faults.push_back(std::string(option.name) + ": " + what);
  };
  const std::string name = option.name;
  expect(
      !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos,
      "its name is not of small letters and hyphens");
  expect(option.help.size() > 3 && option.help.back() != '.', "it has no help, or one with a stop");
  expect(!expected(option).empty(), "it does not say what it should be");
  expect(is_switch(option) == placeholder(option).empty(), "nothing stands for its value");
  try {
    check_options({option});
  } catch (const InputError& error) {
    expect(false, error.what());
  }
  const bool file = option.kind != OptionKind::kValue && option.kind != OptionKind::kManner;
  expect(!is_switch(option) || !file, "a switch is no file");
  expect(!std::holds_alternative<Location*>(option.place) || option.kind == OptionKind::kArray,
         "a place of numbers is of no other kind");
  const bool limited = std::isfinite(option.range.low) || std::isfinite(option.range.high);
  expect(!std::holds_alternative<Index*>(option.place) || limited, "a whole number has no range");
  const bool empty = current_text(option).empty();
  expect(!option.required || empty, "what is required has a default");
  const bool number = std::holds_alternative<std::optional<double>*>(option.place);
  const std::string none = option.choices.empty() ? "" : option.choices.front();
  expect(!number || current_text(option) == none, "what may be missing is there by default");
  return faults;
}

std::vector<std::string> faults_of(const std::vector<Option>& options) {
  std::vector<std::string> faults;
  std::set<std::string> names;
  for (const Option& option : options) {
    const std::vector<std::string> own = faults_of(option);
    faults.insert(faults.end(), own.begin(), own.end());
    if (!names.insert(option.name).second) faults.push_back(std::string(option.name) + " twice");
  }
  return faults;
}

TEST(Options, AreWholeRows) {
  RunConfig run;
  ComparisonConfig comparison;
  StudyPlan plan;
  plan.output = "study.h5";
  std::size_t rows = 0;
  for (const std::vector<Option>& table :
       {options_of(run), options_of(comparison), options_of(plan)}) {
    EXPECT_EQ(faults_of(table), std::vector<std::string>());
    rows += table.size();
  }
  EXPECT_GE(rows, 40U);
}

TEST(Options, ThatAreNoWholeRowsAreFound) {
  Index count = 0;
  std::optional<double> step = 0.5;
  bool on = true;
  std::string text;
  Location place;
  const std::vector<Option> wrong = {
      {.name = "Count", .place = &count, .help = "a count", .range = {0.0, 1.0}},
      {.name = "count", .place = &count, .help = "", .range = {0.0, 1.0}},
      {.name = "count", .place = &count, .help = "a count.", .range = {0.0, 1.0}},
      {.name = "count", .place = &count, .help = "a count"},
      {.name = "count", .place = &count, .help = "a count", .range = {1.0, 2.0}},
      {.name = "step", .place = &step, .help = "a step"},
      {.name = "on", .place = &on, .kind = OptionKind::kFlow, .help = "a switch"},
      {.name = "name", .place = &text, .help = "a name", .choices = {"mala"}},
      {.name = "output", .place = &text, .kind = OptionKind::kOutput, .help = "a file"},
      {.name = "place", .place = &place, .help = "numbers"},
  };
  std::size_t found = 0;
  for (const Option& option : wrong) {
    EXPECT_EQ(faults_of(option).size(), 1U) << option.name << ", row " << found;
    ++found;
  }
  EXPECT_EQ(found, 10U);
  const Option right = {.name = "count", .place = &count, .help = "a count", .range = {0.0, 1.0}};
  EXPECT_EQ(faults_of({right, right}).size(), 1U);
  EXPECT_TRUE(faults_of(right).empty());
}

// ---- What is recorded.

/// An allowed value that differs from the default.
std::string another_value(const Option& option) {
  if (is_switch(option)) return current_text(option) == "true" ? "false" : "true";
  for (const std::string& choice : option.choices) {
    if (choice != current_text(option)) return choice;
  }
  if (std::holds_alternative<ContextSource*>(option.place)) return "[0.1, -1.0]";
  if (placeholder(option) == "N") {
    return std::to_string(static_cast<Index>(option.range.contains(2.0) ? 2.0 : option.range.low) +
                          2 * option.multiple);
  }
  if (placeholder(option) == "X") return option.range.contains(0.123456789) ? "0.123456789" : "1.5";
  return "/some#where/\"a'b.h5";
}

TEST(Options, OfARunAreRecordedAndReadBack) {
  RunConfig changed;
  int recorded = 0;
  for (const Option& option : options_of(changed)) {
    if (std::string(option.name) == "clip-level") continue;  // in place of the clip-quantile
    const std::string before = changed.text();
    const std::string value = another_value(option);
    const bool bare = is_switch(option) || placeholder(option) == "N" ||
                      placeholder(option) == "X" || value.front() == '[';
    const std::string line =
        std::string(option.name) + " = " + (bare ? value : "'''" + value + "'''");
    read_options({option}, line, "t");
    const bool manner = option.kind == OptionKind::kManner;
    EXPECT_EQ(changed.text() == before, manner) << line;
    ++recorded;
  }
  EXPECT_GE(recorded, 25);
  RunConfig again;
  read_options(options_of(again), changed.text(), "the recorded configuration");
  EXPECT_EQ(again.text(), changed.text());
  EXPECT_EQ(again.flow, changed.flow);
  EXPECT_EQ(again.context, changed.context);
}

}  // namespace
}  // namespace flotilla::test
