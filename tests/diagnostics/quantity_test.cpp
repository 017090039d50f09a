// SPDX-License-Identifier: BSD-3-Clause

// Compares with R's posterior package, to 1e-8: arrays and figures are from fixtures/posterior.R.

#include "flotilla/diagnostics/quantity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace flotilla::test {
namespace {

constexpr double kTolerance = 1e-8;

/// An array and its figures by posterior, keyed by the figure's name.
struct Case {
  std::string name;
  ChainDraws draws;
  std::map<std::string, double> figures;
};

double number(const std::string& word) {
  return std::strtod(word.c_str(), nullptr);
}

std::vector<Case> read_cases() {
  std::ifstream file(std::string(FLOTILLA_SOURCE_DIR) +
                     "/tests/diagnostics/fixtures/convergence.txt");
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first != "case") {
      std::string value;
      words >> value;
      cases.back().figures[first] = number(value);
      continue;
    }
    Case next;
    Index draws = 0;
    Index chains = 0;
    words >> next.name >> draws >> chains;
    next.draws = ChainDraws(chains, draws);
    std::size_t place = 0;
    for (Index c = 0; c < chains; ++c) {
      std::getline(file, line);
      std::istringstream values(line);
      for (std::string word; values >> word;) next.draws.values.at(place++) = number(word);
    }
    EXPECT_EQ(place, next.draws.values.size()) << next.name;
    cases.push_back(next);
  }
  return cases;
}

/// Whether both are undefined, both are infinite, or they are close.
bool agree(double ours, double theirs) {
  if (std::isnan(theirs)) return std::isnan(ours);
  if (std::isinf(theirs)) return ours == theirs;
  return std::abs(ours - theirs) <= kTolerance * std::max(1.0, std::abs(theirs));
}

TEST(Quantity, AgreesWithPosterior) {
  int compared = 0;
  for (const Case& one : read_cases()) {
    const QuantitySummary ours = summarise(one.draws, 0);
    const std::map<std::string, double> figures = {
        {"rhat", ours.rhat},
        {"ess_bulk", ours.ess_bulk},
        {"ess_tail", ours.ess_tail},
        {"mcse_mean", ours.mcse_mean},
        {"mean", ours.mean},
        {"sd", ours.sd},
        {"q5", ours.q5},
        {"median", ours.median},
        {"q95", ours.q95},
    };
    for (const auto& [name, value] : figures) {
      EXPECT_TRUE(agree(value, one.figures.at(name)))
          << one.name << " " << name << ": " << value << ", posterior has " << one.figures.at(name);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 25 * 9);
}

TEST(Quantity, CountsWhatIsNotFinite) {
  ChainDraws draws(2, 4);
  for (std::size_t i = 0; i < draws.values.size(); ++i) draws.values[i] = static_cast<double>(i);
  EXPECT_EQ(summarise(draws, 0).non_finite, 0.0);
  draws.values[5] = HUGE_VAL;
  EXPECT_EQ(summarise(draws, 0).non_finite, 1.0);
  EXPECT_EQ(summarise(draws, 0).mean, HUGE_VAL);
  draws.values[3] = std::nan("");
  const QuantitySummary spoilt = summarise(draws, 2);
  EXPECT_EQ(spoilt.non_finite, 2.0);
  EXPECT_TRUE(std::isnan(spoilt.mean));
  EXPECT_TRUE(std::isnan(spoilt.rhat));
  EXPECT_TRUE(std::isnan(spoilt.nested_rhat));
}

/// A half of one draw has no variance. (posterior 1.4.0 takes such halves for other chains.)
TEST(Quantity, NeedsFourDrawsForConvergence) {
  for (const Index count : {2, 3}) {
    ChainDraws draws(3, count);
    for (std::size_t i = 0; i < draws.values.size(); ++i) {
      draws.values[i] = std::sin(static_cast<double>(i));
    }
    const QuantitySummary few = summarise(draws, 0);
    EXPECT_TRUE(std::isfinite(few.sd));
    EXPECT_TRUE(std::isnan(few.rhat));
    EXPECT_TRUE(std::isnan(few.ess_bulk));
    EXPECT_TRUE(std::isnan(few.mcse_mean));
  }
}

}  // namespace
}  // namespace flotilla::test
