// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/hints.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "flotilla/core/undefined.hpp"
#include "flotilla/run/config.hpp"

namespace flotilla::test {
namespace {

/// The diagnosis of a run with the default settings that falls a little short of the threshold of
/// R-hat.
Diagnosis short_run() {
  Diagnosis diagnosis;
  diagnosis.chains = 256;
  diagnosis.draws = 200;
  for (const char* name : {"x[0]", "x[1]", "lp"}) {
    QuantitySummary summary;
    summary.sd = 1.0;
    summary.median = summary.q5 = 0.0;
    summary.rhat = summary.nested_rhat = 1.02;
    summary.ess_chain = 50.0;
    summary.ess_bulk = summary.ess_tail = 12800.0;
    diagnosis.quantities.push_back({name, summary});
  }
  diagnosis.acceptance_rate = 0.65;
  diagnosis.global_acceptance_rate = 0.6;
  diagnosis.repeats = 0.4;
  diagnosis.rising_chains = 0.5;
  diagnosis.step_size = 0.8;
  diagnosis.gradients = 51200.0;
  diagnosis.settings = {.kernel = "ghmc",
                        .target = "tempered",
                        .precision = "float",
                        .warmup = 300.0,
                        .thin = 1.0,
                        .adapt = 1.0,
                        .target_accept = 0.65,
                        .global_fraction = 0.36};
  return diagnosis;
}

struct Case {
  const char* evidence;
  void (*spoil)(Diagnosis& diagnosis);
  std::vector<const char*> words;  ///< of the first hint
};

std::vector<Case> cases() {
  return {
      {"draws that are not finite",
       [](Diagnosis& d) { d.quantities[0].summary.non_finite = 1.0; },
       {"the file is damaged"}},
      {"no bound", [](Diagnosis& d) { d.highest_lp = 2e9; }, {"--target clipped"}},
      {"few draws", [](Diagnosis& d) { d.draws = 3; }, {"ESS 6", "have 3", "--draws 3000"}},
      {"step size",
       [](Diagnosis& d) {
         d.acceptance_rate = 0.01;
         d.settings.adapt = 0.0;
         d.settings.warmup = 20.0;
       },
       {"too large", "1.0 % of local", "did not adapt", "without --no-adapt and --warmup 300"}},
      {"step size",
       [](Diagnosis& d) {
         d.acceptance_rate = 0.99;
         d.settings.warmup = 500.0;
       },
       {"too small", "too short", "--warmup 2000"}},
      {"global moves rejected",
       [](Diagnosis& d) {
         d.settings.global_fraction = 1.0;
         d.acceptance_rate = kUndefined;
       },
       {"chains stick", "60.0 % are accepted", "--global-fraction auto"}},
      {"global moves accepted",
       [](Diagnosis& d) { d.settings.global_fraction = 0.02; },
       {"60.0 % of global moves", "only 2.0 %", "--global-fraction auto"}},
      {"standing chains",
       [](Diagnosis& d) {
         d.unmoved_chains = 4.0;
         d.settings.global_fraction = 0.0;
         d.global_acceptance_rate = kUndefined;
       },
       {"none of the moves are global", "--global-fraction auto"}},
      {"standing chains",
       [](Diagnosis& d) { d.unmoved_chains = 4.0; },
       {"weight is so large", "--target clipped"}},
      {"standing chains",
       [](Diagnosis& d) {
         d.unmoved_chains = 4.0;
         d.settings.target = "explicit";
       },
       {"weight is so large", "--thin 10"}},
      {"modes apart",
       [](Diagnosis& d) {
         d.settings.global_fraction = 0.0;
         d.global_acceptance_rate = kUndefined;
         d.quantities[1].summary.rhat = 1.5;
       },
       {"x[1] has settled", "none of the moves", "--global-fraction auto"}},
      {"modes apart",
       [](Diagnosis& d) {
         d.settings.global_fraction = 0.05;
         d.global_acceptance_rate = 0.01;
         d.quantities[1].summary.rhat = 3.0;
         d.quantities[1].summary.ess_chain = 2.1;
       },
       {"x[1] is far apart", "only 5.0 %", "--global-fraction auto"}},
      {"modes far apart",
       [](Diagnosis& d) { d.quantities[1].summary.rhat = 1.5; },
       {"x[1] has settled", "--target clipped"}},
      {"moving in",
       [](Diagnosis& d) {
         d.rising_chains = 0.9;
         d.settings.warmup = 50.0;
       },
       {"still rises, in 90.0 %", "--warmup 500"}},
      {"moving in", [](Diagnosis& d) { d.rising_chains = 0.9; }, {"no bound", "--target clipped"}},
      {"acceptance target",
       [](Diagnosis& d) { d.settings.target_accept = d.acceptance_rate = 0.98; },
       {"too small", "--target-accept 0.65"}},
      {"kernel",
       [](Diagnosis& d) { d.settings.kernel = "metric-mala"; },
       {"metric-mala is worth 0.25", "--kernel ghmc"}},
      {"short chains",
       [](Diagnosis& /*d*/) {},
       {"each is worth 50", "about 100", "--draws 600", "--thin 3", "--superchains 32"}},
      {"short chains",
       [](Diagnosis& d) { d.superchains = 128; },
       {"of a superchain are worth 100", "--draws 300", "--thin 2"}},
      {"few effective draws",
       [](Diagnosis& d) {
         for (NamedQuantity& one : d.quantities) {
           one.summary.rhat = 1.0;
           one.summary.ess_bulk = 200.0;
         }
       },
       {"worth 200", "--draws 600", "--chains 770"}},
  };
}

TEST(Hints, NameWhatTheEvidenceAsksFor) {
  std::set<std::string> tried;
  for (const Case& tested : cases()) {
    SCOPED_TRACE(tested.evidence);
    Diagnosis diagnosis = short_run();
    tested.spoil(diagnosis);
    const std::vector<Hint> found = hints(diagnosis, {});
    ASSERT_FALSE(found.empty());
    EXPECT_LE(found.size(), kMostHints);
    EXPECT_EQ(found.front().evidence, tested.evidence);
    for (const char* word : tested.words) {
      EXPECT_NE(found.front().sentence().find(word), std::string::npos)
          << word << " in " << found.front().sentence();
    }
    tried.insert(tested.evidence);
  }
  for (const HintRow& row : hint_rows()) {
    EXPECT_EQ(tried.count(row.evidence), 1U) << row.evidence;
  }
  EXPECT_EQ(tried.size(), hint_rows().size());
}

TEST(Hints, AreNotGivenToARunThatHasConverged) {
  Diagnosis diagnosis = short_run();
  for (NamedQuantity& one : diagnosis.quantities) one.summary.rhat = 1.001;
  diagnosis.settings.kernel = "mala";
  diagnosis.settings.global_fraction = 0.0;
  EXPECT_TRUE(hints(diagnosis, {}).empty());
}

TEST(Hints, SayEachChangeOnce) {
  for (const Case& tested : cases()) {
    Diagnosis diagnosis = short_run();
    tested.spoil(diagnosis);
    std::vector<std::vector<Change>> told;
    for (const Hint& hint : hints(diagnosis, {})) {
      EXPECT_EQ(std::count(told.begin(), told.end(), hint.changes), 0) << hint.sentence();
      told.push_back(hint.changes);
    }
    EXPECT_FALSE(told.empty());
  }
}

// A run file of another program, or of an earlier version, may lack settings.
TEST(Hints, AreFoundWithoutSettings) {
  Diagnosis diagnosis = short_run();
  diagnosis.settings = {.kernel = "ghmc", .target = "own", .precision = "double"};
  diagnosis.settings.thin = 1.0;
  const std::vector<Hint> found = hints(diagnosis, {});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().evidence, "short chains");
}

TEST(Hints, NameOptionsOfTheSamplerWithValuesThatTheyTake) {
  int taken = 0;
  for (const Case& tested : cases()) {
    Diagnosis diagnosis = short_run();
    tested.spoil(diagnosis);
    for (const Hint& hint : hints(diagnosis, {})) {
      for (const Change& change : hint.changes) {
        RunConfig config;
        config.flow = "flow.h5";
        const std::vector<Option> options = options_of(config);
        for (const auto& [name, value] : change) {
          const Option* const option = find_option(options, name);
          ASSERT_NE(option, nullptr) << name;
          EXPECT_NO_THROW(set_option(*option, value)) << name << " " << value;
          ++taken;
        }
        EXPECT_NO_THROW(config.validate()) << hint.sentence();
      }
    }
  }
  EXPECT_GE(taken, 20);
}

}  // namespace
}  // namespace flotilla::test
