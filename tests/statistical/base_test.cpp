// SPDX-License-Identifier: BSD-3-Clause

// beta = 0 samples the flow's base density exactly, for every base, flow and kernel.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "flotilla/sampler/registry.hpp"
#include "support/chain_study.hpp"
#include "support/choices.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr Index kDim = 3;
constexpr Index kChains = 512;
constexpr Index kDraws = 200;

// 4 bases x 4 kernels and mixtures x 7 moments at 4.5 standard errors: one false alarm in 1300
// seeds.
constexpr double kThreshold = 4.5;

/// Mean and mean square of each coordinate, and of the first two's product, under q_Z.
std::vector<double> exact_moments(const LayerRecord& base) {
  const auto value = [&](const char* name, Index i) {
    return base.arrays.at(name).values[static_cast<std::size_t>(i)];
  };
  const bool box = base.type == "uniform_box";
  const auto on_circle = [&](Index i) {
    return base.type == "circular_normal" && value("circular", i) == 1.0;
  };
  const bool mixture = base.type == "gaussian_mixture";
  const Index components = mixture ? base.arrays.at("weights").shape[0] : 1;
  std::vector<double> moments(2 * kDim + 1, 0.0);
  for (Index k = 0; k < components; ++k) {
    const double weight = mixture ? value("weights", k) : 1.0;
    std::vector<double> means;
    for (Index i = 0; i < kDim; ++i) {
      const Index at = k * kDim + i;
      const double mean = box ? 0.5 * (value("low", at) + value("high", at)) : value("loc", at);
      const double width = box ? value("high", at) - value("low", at) : value("scale", at);
      means.push_back(mean);
      moments[static_cast<std::size_t>(i)] += weight * mean;
      moments[static_cast<std::size_t>(kDim + i)] +=
          weight * (mean * mean + width * width / (box || on_circle(at) ? 12.0 : 1.0));
    }
    moments.back() += weight * means[0] * means[1];
  }
  return moments;
}

std::vector<Functional> functionals() {
  std::vector<Functional> found;
  for (Index i = 0; i < kDim; ++i) {
    found.emplace_back([i](const double* z, const double*) { return z[i]; });
  }
  for (Index i = 0; i < kDim; ++i) {
    found.emplace_back([i](const double* z, const double*) { return z[i] * z[i]; });
  }
  found.emplace_back([](const double* z, const double*) { return z[0] * z[1]; });
  return found;
}

/// A kernel and the fraction of global moves.
using Case = std::pair<std::string, double>;

/// Every kernel alone, a mixture, and global moves alone.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& kernel : kernel_names()) all.emplace_back(kernel, 0.0);
  all.emplace_back("metric-mala", 0.3);
  all.emplace_back("metric-mala", 1.0);
  return all;
}

class BaseOfARun : public testing::TestWithParam<Case> {};

TEST_P(BaseOfARun, IsWhatBetaZeroSamples) {
  int compared = 0;
  for (const LayerRecord& base : random_bases(kDim, 4)) {
    if (base.type == "uniform_box" && base.arrays.contains("circular")) continue;
    FlowRecord record =
        flow_of(kDim, {random_coupling({1, 0, 1}, {{8}}, 2), random_coupling({0, 1, 0}, {{8}}, 3)});
    record.base = base;
    const Flow<double> flow(record);
    const TemperedTarget<double> target(flow.base(), 0.0);
    const auto& [name, global_fraction] = GetParam();
    const Kernel<double> kernel(flow, target, make_local_move<double>({name, {}}), global_fraction);
    ChainStudy<double> study(kernel, kChains, 77);
    study.warm_up(500, 0.5);
    const std::vector<Estimate> found = study.estimate(kDraws, 2, functionals());
    const std::vector<double> truth = exact_moments(base);
    for (std::size_t k = 0; k < truth.size(); ++k) {
      EXPECT_LE(distance(found[k], truth[k]), kThreshold)
          << base.type << " moment " << k << ": " << found[k].mean << " +- " << found[k].error
          << ", truth " << truth[k];
      ++compared;
    }
    if (global_fraction < 1.0) {
      EXPECT_NEAR(study.moves().local_acceptance_rate(), 0.574, 0.15) << base.type;
    }
  }
  EXPECT_EQ(compared, 4 * (2 * kDim + 1));
}

INSTANTIATE_TEST_SUITE_P(Kernels, BaseOfARun, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<Case>& tested) {
                           return test_name(tested.param.first) + "_global" +
                                  std::to_string(static_cast<int>(10.0 * tested.param.second));
                         });

}  // namespace
}  // namespace flotilla::test
