// SPDX-License-Identifier: BSD-3-Clause

// The shear flow x1 = z1, x2 = z2 exp(a z1). Its latent moments are known exactly under every
// tempered target: z1 ~ N(-beta a, 1) and z2 ~ N(0, 1), independent; Var x2 = exp(2 a^2 (1 -
// beta)). Source: src/README.md, truths to test against.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "flotilla/sampler/registry.hpp"
#include "support/chain_study.hpp"
#include "support/choices.hpp"
#include "support/negative_controls.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

// Large enough that a forgotten log det moves z1 by dozens of standard errors. Small enough that
// x2^2 = z2^2 exp(2 a z1) still has a variance that a sample shows.
constexpr double kA = 0.5;
constexpr Index kChains = 512;
constexpr Index kDraws = 400;

// Six moments in each of 24 settings are 144 comparisons. At four standard errors they raise a
// false alarm once in a hundred seeds.
constexpr double kThreshold = 4.0;

struct Moment {
  const char* name;
  Functional value;
  double truth;
};

std::vector<Moment> moments(double beta) {
  const double mean = -beta * kA;
  return {
      {"mean z1", [](const double* z, const double*) { return z[0]; }, mean},
      {"mean z2", [](const double* z, const double*) { return z[1]; }, 0.0},
      {"variance z1", [=](const double* z, const double*) { return (z[0] - mean) * (z[0] - mean); },
       1.0},
      {"variance z2", [](const double* z, const double*) { return z[1] * z[1]; }, 1.0},
      {"covariance", [=](const double* z, const double*) { return (z[0] - mean) * z[1]; }, 0.0},
      {"variance x2", [](const double*, const double* x) { return x[1] * x[1]; },
       std::exp(2.0 * kA * kA * (1.0 - beta))},
  };
}

/// The largest distance of any moment from its truth, in standard errors.
template <typename T>
double largest_distance(ChainStudy<T>& study, double beta, bool report) {
  const std::vector<Moment> expected = moments(beta);
  std::vector<Functional> functionals;
  for (const Moment& moment : expected) functionals.push_back(moment.value);
  const std::vector<Estimate> found = study.estimate(kDraws, 1, functionals);
  double largest = 0.0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const double away = distance(found[k], expected[k].truth);
    if (report) {
      EXPECT_LE(away, kThreshold) << expected[k].name << ": " << found[k].mean << " +- "
                                  << found[k].error << ", truth " << expected[k].truth;
    }
    largest = std::max(largest, away);
  }
  return largest;
}

template <typename T>
void expect_exact_moments(std::unique_ptr<LocalMove<T>> move, double beta, double global_fraction) {
  const Flow<T> flow(shear_flow(kA));
  const TemperedTarget<T> target(flow.base(), beta);
  const Kernel<T> kernel(flow, target, std::move(move), global_fraction);
  ChainStudy<T> study(kernel, kChains, 2024);
  study.warm_up(2000, 0.5);
  largest_distance(study, beta, true);
  if (global_fraction < 1.0) {
    EXPECT_NEAR(study.moves().local_acceptance_rate(), 0.574, 0.02);
  }
}

/// A kernel, beta and the fraction of global moves.
using Setting = std::tuple<std::string, double, double>;

class ShearFlow : public testing::TestWithParam<Setting> {
 protected:
  template <typename T>
  void find_exact_moments() {
    const auto& [kernel, beta, global_fraction] = GetParam();
    expect_exact_moments<T>(make_local_move<T>({kernel, {}}), beta, global_fraction);
  }
};

TEST_P(ShearFlow, FindsTheExactMomentsInDouble) {
  find_exact_moments<double>();
}
TEST_P(ShearFlow, FindsTheExactMomentsInFloat) {
  find_exact_moments<float>();
}

std::string name_of(const testing::TestParamInfo<Setting>& tested) {
  const auto& [kernel, beta, global_fraction] = tested.param;
  return test_name(kernel) + "_beta" + std::to_string(static_cast<int>(10.0 * beta)) + "_global" +
         std::to_string(static_cast<int>(10.0 * global_fraction));
}

INSTANTIATE_TEST_SUITE_P(EveryKernel, ShearFlow,
                         testing::Combine(testing::ValuesIn(kernel_names()),
                                          testing::Values(0.0, 0.5, 1.0),
                                          testing::Values(0.0, 0.3)),
                         name_of);

TEST(ShearFlowIndependence, FindsTheExactMoments) {
  expect_exact_moments<double>(std::make_unique<MetricMala<double>>(), 1.0, 1.0);
  expect_exact_moments<float>(std::make_unique<MetricMala<float>>(), 0.5, 1.0);
}

// The same study with each of the classical mistakes built in. It has to notice every one.
class NegativeControl : public testing::Test {
 protected:
  double distance_with(const Target<double>& target, std::unique_ptr<LocalMove<double>> move) {
    const Kernel<double> kernel(flow_, target, std::move(move), 0.0);
    ChainStudy<double> study(kernel, kChains, 2024);
    study.burn_in(200, 0.8);
    return largest_distance(study, 1.0, false);
  }

  Flow<double> flow_{shear_flow(kA)};
  TemperedTarget<double> target_{flow_.base(), 1.0};
};

TEST_F(NegativeControl, NothingWrongPasses) {
  EXPECT_LE(distance_with(target_, std::make_unique<MetricMala<double>>()), kThreshold);
}
TEST_F(NegativeControl, ATargetWithoutItsLogDetFails) {
  const TargetWithoutLogDet<double> faulty(flow_.base());
  EXPECT_GT(distance_with(faulty, std::make_unique<MetricMala<double>>()), 3.0 * kThreshold);
}
TEST_F(NegativeControl, AProposalDensityWithoutItsLogDetFails) {
  EXPECT_GT(distance_with(target_, std::make_unique<OneSidedLogDet<double>>()), 3.0 * kThreshold);
}
TEST_F(NegativeControl, AReverseDensityWithTheForwardNoiseFails) {
  EXPECT_GT(distance_with(target_, std::make_unique<ReusedReverseNoise<double>>()),
            3.0 * kThreshold);
}
TEST_F(NegativeControl, OneNoiseForAllStepsFails) {
  Batch<double> noise(2, 64);
  flow_.base().sample(Random(2024), Purpose::kLocalNoise, 0, 0, ColumnMask::all(noise.chains()),
                      noise);
  EXPECT_GT(distance_with(target_, std::make_unique<ReusedNoise<double>>(noise)), 3.0 * kThreshold);
}

}  // namespace
}  // namespace flotilla::test
