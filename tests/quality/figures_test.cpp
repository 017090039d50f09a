// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/figures.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "flotilla/core/undefined.hpp"
#include "flotilla/quality/text.hpp"

namespace flotilla::test {
namespace {

/// A diagnosis that meets every threshold. Every figure has a different value.
Diagnosis good_diagnosis(Index superchains) {
  Diagnosis diagnosis;
  diagnosis.run = "run.h5";
  diagnosis.group = "posterior";
  diagnosis.chains = 8;
  diagnosis.draws = 100;
  diagnosis.superchains = superchains;
  for (const char* name : {"x[0]", "x[1]", "lp"}) {
    QuantitySummary summary;
    double value = 500.0;
    for (const QuantityFigure& figure : quantity_figures()) summary.*figure.value = value += 1.0;
    summary.rhat = 1.001;
    summary.nested_rhat = superchains > 0 ? 1.002 : kUndefined;
    summary.non_finite = 0.0;
    diagnosis.quantities.push_back({name, summary});
  }
  diagnosis.acceptance_rate = 0.574;
  diagnosis.repeats = 0.4;
  diagnosis.rising_chains = 0.5;
  diagnosis.highest_lp = diagnosis.quantities[0].summary.median + 1.0;
  diagnosis.sampling_seconds = 2.0;
  diagnosis.gradients = 800.0;
  return diagnosis;
}

TEST(Figures, HaveWholeRows) {
  std::set<std::string> names;
  for (const QuantityFigure& figure : quantity_figures()) {
    EXPECT_TRUE(names.insert(figure.name).second) << figure.name << " twice";
    EXPECT_NE(std::string(figure.title), "") << figure.name;
    EXPECT_GE(std::string(figure.meaning).size(), 5U) << figure.name << " has no meaning";
    EXPECT_EQ(figure.threshold == nullptr, figure.judged == Runs::kNone) << figure.name;
  }
  for (const RunFigure& figure : run_figures()) {
    EXPECT_TRUE(names.insert(std::string("of the run: ") + figure.name).second) << figure.name;
    EXPECT_NE(figure.title, nullptr) << figure.name;
    EXPECT_GE(std::string(figure.meaning).size(), 5U) << figure.name << " has no meaning";
    EXPECT_NE(figure.of, nullptr) << figure.name;
  }
  EXPECT_EQ(thresholds_with_options().size(), 2U);
  for (const Threshold* threshold : thresholds_with_options()) {
    EXPECT_NE(std::string(threshold->title), "") << threshold->name;
    EXPECT_GE(std::string(threshold->help).size(), 10U) << threshold->name;
    EXPECT_TRUE(threshold->range.contains(Thresholds{}.*threshold->value)) << threshold->name;
  }
}

// A member without a row would neither be sent to other ranks nor be shown.
TEST(Figures, AreAllThatIsKnownOfAQuantity) {
  EXPECT_EQ(quantity_figures().size(), sizeof(QuantitySummary) / sizeof(double));
  QuantitySummary summary;
  double value = 0.0;
  for (const QuantityFigure& figure : quantity_figures()) summary.*figure.value = value += 1.0;
  std::set<double> values;
  for (const QuantityFigure& figure : quantity_figures()) values.insert(summary.*figure.value);
  EXPECT_EQ(values.size(), quantity_figures().size()) << "two rows have one member";
}

TEST(Figures, AreInJsonCsvAndTheTableAsTheirRowsSay) {
  int shown = 0;
  for (const Index superchains : {0, 4}) {
    const Diagnosis diagnosis = good_diagnosis(superchains);
    const auto json = nlohmann::json::parse(as_json(diagnosis, {}));
    std::istringstream csv(as_csv(diagnosis));
    std::string head;
    std::getline(csv, head);
    std::istringstream lines(as_table(diagnosis, false));
    std::string line;
    while (std::getline(lines, line) && line.find(" mean ") == std::string::npos) continue;
    for (const QuantityFigure& figure : quantity_figures()) {
      EXPECT_TRUE(json["quantities"][0].contains(figure.name)) << figure.name;
      EXPECT_NE((head + ",").find(fmt::format(",{},", figure.name)), std::string::npos);
      const bool found = line.find(fmt::format(" {}", figure.title)) != std::string::npos;
      // "nested R-hat" contains "R-hat"; it is shown wherever R-hat is.
      EXPECT_EQ(found, holds(figure.shown, diagnosis)) << figure.name;
      shown += found ? 1 : 0;
    }
    for (const RunFigure& figure : run_figures()) {
      EXPECT_TRUE(json["sampling"].contains(figure.name)) << figure.name;
    }
    EXPECT_EQ(json["converged"], true);
    EXPECT_EQ(json["thresholds"]["max_rhat"], 1.01);
  }
  EXPECT_GE(shown, 18);
}

TEST(Figures, AreHeldAgainstTheirThresholds) {
  int spoilt = 0;
  for (const Index superchains : {0, 4}) {
    const Thresholds thresholds;
    EXPECT_TRUE(failures(good_diagnosis(superchains), thresholds).empty());
    for (const QuantityFigure& figure : quantity_figures()) {
      if (figure.threshold == nullptr) continue;
      const double limit = thresholds.*figure.threshold->value;
      for (const double bad : {figure.threshold->at_most ? limit + 0.5 : limit - 0.5, kUndefined}) {
        Diagnosis diagnosis = good_diagnosis(superchains);
        diagnosis.quantities[1].summary.*figure.value = bad;
        const std::vector<std::string> found = failures(diagnosis, thresholds);
        if (!holds(figure.judged, diagnosis)) {
          EXPECT_TRUE(found.empty()) << found.front();
          continue;
        }
        ASSERT_EQ(found.size(), 1U) << figure.name;
        EXPECT_EQ(found[0].rfind(std::string(figure.title) + " of x[1] is ", 0), 0U) << found[0];
        EXPECT_EQ(worst_first(diagnosis, figure).front()->name, "x[1]");
        EXPECT_NE(verdict(diagnosis, thresholds).find(found[0]), std::string::npos);
        ++spoilt;
      }
    }
  }
  EXPECT_EQ(spoilt, 16);
}

/// The only sentence on a diagnosis; empty if there are none.
std::string only_failure(const Diagnosis& diagnosis) {
  const std::vector<std::string> found = failures(diagnosis, {});
  EXPECT_LE(found.size(), 1U);
  return found.empty() ? "" : found.front();
}

TEST(Verdict, TellsTooFewDrawsFromDrawsThatDoNotVary) {
  Diagnosis diagnosis = good_diagnosis(0);
  diagnosis.quantities[1].summary.rhat = kUndefined;
  EXPECT_NE(only_failure(diagnosis).find("do not vary"), std::string::npos);
  diagnosis.draws = 3;
  EXPECT_NE(only_failure(diagnosis).find("needs 4 draws"), std::string::npos);
  diagnosis = good_diagnosis(0);
  diagnosis.draws = 5;
  diagnosis.quantities[1].summary.ess_bulk = kUndefined;
  EXPECT_NE(only_failure(diagnosis).find("needs 6 draws"), std::string::npos);
}

TEST(Verdict, LeavesOutWhatIsConstantWhileChainsMove) {
  Diagnosis diagnosis = good_diagnosis(0);
  QuantitySummary& constant = diagnosis.quantities[1].summary;
  constant.sd = 0.0;
  constant.rhat = constant.ess_bulk = constant.ess_tail = kUndefined;
  EXPECT_EQ(only_failure(diagnosis), "");
  EXPECT_NE(verdict(diagnosis, {}).find("without R-hat and ESS: x[1]"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(as_json(diagnosis, {}))["constant"],
            std::vector<std::string>{"x[1]"});
  EXPECT_EQ(diagnosis.smallest_ess(), diagnosis.quantities[0].summary.ess_bulk);
  diagnosis.unmoved_chains = static_cast<double>(diagnosis.chains);
  EXPECT_EQ(failures(diagnosis, {}).size(), 4U);
  EXPECT_TRUE(std::isnan(diagnosis.smallest_ess()));
}

// Of 4096 chains of 10 draws that repeat with probability 0.43, two have not moved.
TEST(Verdict, AllowsForChainsThatHaveNotMovedByChance) {
  Diagnosis diagnosis = good_diagnosis(0);
  diagnosis.chains = 4096;
  diagnosis.draws = 10;
  diagnosis.repeats = 0.43;
  diagnosis.unmoved_chains = 5.0;
  EXPECT_EQ(only_failure(diagnosis), "");
  diagnosis.unmoved_chains = 40.0;
  EXPECT_NE(only_failure(diagnosis), "");
}

TEST(Figures, ThatAreNotFiniteAreNullInJsonAndADashForPeople) {
  Diagnosis diagnosis = good_diagnosis(0);
  diagnosis.quantities[0].summary.mean = kUndefined;
  diagnosis.quantities[0].summary.rhat = HUGE_VAL;
  diagnosis.step_size = kUndefined;
  const auto json = nlohmann::json::parse(as_json(diagnosis, {}));
  EXPECT_TRUE(json["quantities"][0]["mean"].is_null());
  EXPECT_TRUE(json["quantities"][0]["rhat"].is_null());
  EXPECT_TRUE(json["sampling"]["step_size"].is_null());
  EXPECT_EQ(json["converged"], false);
  EXPECT_NE(as_table(diagnosis, false).find("step size                       -"),
            std::string::npos);
}

}  // namespace
}  // namespace flotilla::test
