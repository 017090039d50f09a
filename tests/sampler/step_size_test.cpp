// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/step_size.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/core/random.hpp"

namespace flotilla::test {
namespace {

/// A window of 64 local moves, each with this acceptance probability.
MoveStatistics window_of(double acceptance) {
  StepOutcome outcome(64);
  for (Index c = 0; c < 64; ++c) outcome.acceptance(0, c) = acceptance;
  MoveStatistics window;
  window.observe(outcome, 64);
  return window;
}

TEST(StepSize, IsPositiveAndFinite) {
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    EXPECT_THROW(StepSize{bad}, InputError) << bad;
  }
  EXPECT_EQ(StepSize(0.3).value(), 0.3);
}

// The sampling phase does not accept what adapts, and what is frozen cannot adapt.
static_assert(!std::is_convertible_v<StepSizeAdaptation, StepSize>);
static_assert(std::is_invocable_v<decltype(&StepSizeAdaptation::freeze), StepSizeAdaptation&&>);
static_assert(!std::is_invocable_v<decltype(&StepSizeAdaptation::freeze), StepSizeAdaptation&>);

TEST(StepSizeAdaptation, FollowsItsEquations) {
  StepSizeAdaptation adaptation(StepSize(0.5), 0.8);
  const double used[] = {0.5, 0.5, 0.2, 0.3, 0.25};
  const double acceptances[] = {0.2, 0.25, 0.9, 0.6, 0.75};
  std::vector<double> weights;
  int m = 0;
  for (; m < 5; ++m) {
    const double keep = 1.0 - 1.0 / (1.0 + 0.5 * (m + 1));
    for (double& weight : weights) weight *= keep;
    weights.push_back(1.0);
    double total = 0.0;
    double mean_u = 0.0;
    double mean_a = 0.0;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      total += weights[k];
      mean_u += weights[k] * std::log(used[k]);
      mean_a += weights[k] * acceptances[k];
    }
    mean_u /= total;
    mean_a /= total;
    double variance = 0.0;
    double covariance = 0.0;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const double away = std::log(used[k]) - mean_u;
      variance += weights[k] / total * away * away;
      covariance += weights[k] / total * away * (acceptances[k] - mean_a);
    }
    const double slope = std::clamp((covariance - 0.02 * 0.35) / (variance + 0.02), -0.8, -0.12);
    const double u = std::log(used[m]);
    const double expected = std::clamp(mean_u + (0.8 - mean_a) / slope, u - 1.0, u + 1.0);
    adaptation.update(StepSize(used[m]), window_of(acceptances[m]));
    EXPECT_NEAR(std::log(adaptation.current().value()), expected, 1e-6);
  }
  EXPECT_EQ(m, 5);
}

/// How the acceptance rate of a kernel falls with the step size.
struct Model {
  const char* name;
  double (*acceptance)(double log_step);
  double solution;  ///< where it is 0.574
};

double at_high_dimension(double u) {
  return std::erfc(std::exp(3.0 * u) / std::sqrt(8.0));
}
double at_slope(double slope, double u) {
  return 1.0 / (1.0 + std::exp(4.0 * slope * u));
}

std::vector<Model> models() {
  const double logit = std::log(1.0 / 0.574 - 1.0);
  return {{"high dimension", at_high_dimension, std::log(1.1243) / 3.0},
          {"flat", [](double u) { return at_slope(0.17, u); }, logit / (4.0 * 0.17)},
          {"steep", [](double u) { return at_slope(1.0, u); }, logit / (4.0 * 1.0)}};
}

/// A warm-up whose windows are used one window late. Every move of a window is accepted with the
/// model's probability, or not; `chains` moves a step.
class Loop {
 public:
  Loop(const Model& model, double log_start, Index chains, std::uint64_t seed)
      : model_(model), start_(log_start), chains_(chains), random_(seed) {}

  /// Acceptance rate at the frozen step size.
  double run(Index steps, Index window) {
    StepSizeAdaptation adaptation(StepSize(std::exp(start_)), 0.574);
    std::optional<std::pair<StepSize, MoveStatistics>> late;
    for (Index first = 0; first < steps; first += window) {
      const StepSize used = adaptation.current();
      tried_.push_back(used.value());
      const MoveStatistics now = move(used, first, std::min(window, steps - first));
      if (late) adaptation.update(late->first, late->second);
      late.emplace(used, now);
    }
    if (late) adaptation.update(late->first, late->second);
    frozen_ = std::move(adaptation).freeze().value();
    return model_.acceptance(std::log(frozen_));
  }

  bool froze_what_was_tried() const {
    return std::any_of(tried_.begin(), tried_.end(),
                       [&](double tried) { return std::abs(tried - frozen_) <= 1e-12 * frozen_; });
  }
  double frozen() const { return frozen_; }

 private:
  MoveStatistics move(StepSize step_size, Index first, Index steps) const {
    const double rate = model_.acceptance(std::log(step_size.value()));
    StepOutcome outcome(chains_);
    PerChain uniform(1, chains_);
    MoveStatistics window;
    for (Index step = first; step < first + steps; ++step) {
      random_.uniforms(Purpose::kAcceptance, static_cast<std::uint64_t>(step), 0, uniform);
      for (Index c = 0; c < chains_; ++c) {
        outcome.acceptance(0, c) = uniform(0, c) <= rate ? 1.0 : 0.0;
      }
      window.observe(outcome, chains_);
    }
    return window;
  }

  Model model_;
  double start_;
  Index chains_;
  Random random_;
  std::vector<double> tried_;
  double frozen_ = 0.0;
};

TEST(StepSizeAdaptation, SettlesFromAnywhereWithOneChainAndWithMany) {
  // The largest miss that is allowed at each number of chains: root mean square over seeds.
  const std::vector<std::pair<Index, double>> cases = {{1, 0.1}, {16, 0.04}, {256, 0.01}};
  int tried = 0;
  for (const Model& model : models()) {
    ASSERT_NEAR(model.acceptance(model.solution), 0.574, 1e-3) << model.name;
    for (const auto& [chains, allowed] : cases) {
      for (const Index window : {1, 10}) {
        double squares = 0.0;
        constexpr int kSeeds = 12;
        for (int seed = 0; seed < kSeeds; ++seed) {
          const double off = seed % 3 == 0 ? 0.0 : seed % 3 == 1 ? 5.0 : -5.0;
          Loop loop(model, model.solution + off, chains, static_cast<std::uint64_t>(seed));
          const double miss = loop.run(400, window) - 0.574;
          squares += miss * miss / kSeeds;
          EXPECT_TRUE(loop.froze_what_was_tried());
        }
        EXPECT_LE(std::sqrt(squares), allowed) << model.name << ", " << chains << ", " << window;
        ++tried;
      }
    }
  }
  EXPECT_EQ(tried, 18);
}

TEST(StepSizeAdaptation, FreezesOfAShortWarmUpWhatWasTriedAndAccepted) {
  int tried = 0;
  for (const Model& model : models()) {
    for (const Index steps : {1, 2, 5, 20}) {
      for (const double off : {-4.0, 0.0, 2.0}) {
        Loop loop(model, model.solution + off, 64, 3);
        const double acceptance = loop.run(steps, 1);
        const bool hopeless = model.acceptance(model.solution + off) < 1e-3 && steps < 5;
        if (!hopeless) {
          EXPECT_TRUE(loop.froze_what_was_tried()) << model.name << " " << steps << " " << off;
          EXPECT_GT(acceptance, 1e-3) << model.name << " " << steps << " " << off;
        }
        ++tried;
      }
    }
  }
  EXPECT_EQ(tried, 36);
}

TEST(StepSizeAdaptation, KeepsTheInitialStepSizeWithoutWarmUp) {
  const double initial = std::exp(std::log(0.37));
  EXPECT_NEAR(StepSizeAdaptation(StepSize(0.37), 0.8).freeze().value(), initial, 1e-15);
}

// Where nothing has been accepted yet, there is nothing that was tried and accepted. What is frozen
// is then a smaller step size, not the one that failed.
TEST(StepSizeAdaptation, DoesNotFreezeAStepSizeThatWasNeverAccepted) {
  StepSizeAdaptation adaptation(StepSize(8.0), 0.574);
  adaptation.update(StepSize(8.0), window_of(0.0));
  StepSizeAdaptation later = adaptation;
  EXPECT_LT(std::move(adaptation).freeze().value(), 8.0 * std::exp(-1.0));
  later.update(StepSize(0.1), window_of(0.01));
  EXPECT_NEAR(std::move(later).freeze().value(), 0.1, 1e-12);
}

TEST(StepSizeAdaptation, LearnsNothingFromGlobalMoves) {
  StepOutcome outcome(64);
  for (Index c = 0; c < 64; ++c) outcome.global.set(c, true);
  MoveStatistics window;
  window.observe(outcome, 64);
  StepSizeAdaptation adaptation(StepSize(0.5), 0.8);
  adaptation.update(StepSize(0.5), window);
  EXPECT_EQ(adaptation.current().value(), std::exp(std::log(0.5)));
  EXPECT_EQ(std::move(adaptation).freeze().value(), std::exp(std::log(0.5)));
}

TEST(StepSizeAdaptation, StaysWithinBoundsWhereNothingIsEverAccepted) {
  StepSizeAdaptation adaptation(StepSize(1.0), 0.8);
  for (int k = 0; k < 10000; ++k) adaptation.update(adaptation.current(), window_of(0.0));
  EXPECT_GT(adaptation.current().value(), 1e-9);
  for (int k = 0; k < 10000; ++k) adaptation.update(adaptation.current(), window_of(1.0));
  EXPECT_LT(adaptation.current().value(), 1e9);
}

TEST(StepSizeAdaptation, RefusesATargetThatIsNoRate) {
  for (const double bad : {0.0, 1.0, -0.5, std::nan("")}) {
    EXPECT_THROW(StepSizeAdaptation(StepSize(1.0), bad), InputError) << bad;
  }
}

}  // namespace
}  // namespace flotilla::test
