// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/kernel.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "flotilla/core/error.hpp"
#include "flotilla/sampler/registry.hpp"
#include "support/allocation_counter.hpp"
#include "support/batches.hpp"
#include "support/choices.hpp"
#include "support/normal_density.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr Index kChains = 64;

template <typename T>
struct Sampler {
  Sampler(const FlowRecord& record, double global_fraction, const std::string& name = "metric-mala")
      : flow(record),
        target(flow.base(), 1.0),
        kernel(flow, target, make_local_move<T>({name, {}}), global_fraction),
        work(kernel, kChains) {
    Batch<T> start(flow.dim(), kChains);
    flow.base().sample(Random(3), Purpose::kStart, 0, 0, ColumnMask::all(kChains), start);
    kernel.begin(work, start);
    kernel.start_memory(Random(3), 0, work);
  }
  void step(std::uint64_t number) { kernel.step(Random(3), number, 0, {StepSize(0.5)}, work); }

  Flow<T> flow;
  TemperedTarget<T> target;
  Kernel<T> kernel;
  Workspace<T> work;
};

const FlowRecord& real_nvp() {
  static const FlowRecord record =
      random_real_nvp(5, 4, {.widths = {16, 16}, .activation = "tanh"}, 3);
  return record;
}

TEST(Kernel, StepsWithoutAllocating) {
  std::size_t tried = 0;
  for (const std::string& name : kernel_names()) {
    for (const double global_fraction : {0.0, 0.3, 1.0}) {
      Sampler<float> sampler(real_nvp(), global_fraction, name);
      sampler.step(0);
      const std::uint64_t before = allocations();
      for (std::uint64_t step = 1; step <= 10; ++step) sampler.step(step);
      EXPECT_EQ(allocations(), before) << name << ", global fraction " << global_fraction;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 3 * kernel_names().size());
}

// After an accepted proposal everything must be as if its z had been evaluated: position, image,
// log det, log density, drift and tape.
TEST(Kernel, KeepsEveryPartOfAPointTogether) {
  Sampler<double> sampler(real_nvp(), 0.3);
  int global = 0;
  std::uint64_t steps = 0;
  // Global moves leave the drift to the local move that follows them, which is the last here.
  for (; steps < 60 || sampler.work.outcome.global[0]; ++steps) {
    sampler.step(steps);
    global += sampler.work.outcome.global[0] ? 1 : 0;
  }
  EXPECT_GT(global, 5);
  Workspace<double> fresh(sampler.kernel, kChains);
  sampler.kernel.begin(fresh, sampler.work.current.position);
  const auto differing = [&](const Batch<double>& one, const Batch<double>& other) {
    return differing_bits(to_matrix(one), to_matrix(other));
  };
  EXPECT_EQ(differing(fresh.current.x, sampler.work.current.x), 0);
  EXPECT_EQ(differing(fresh.current.drift, sampler.work.current.drift), 0);
  EXPECT_EQ(differing(fresh.current.log_det, sampler.work.current.log_det), 0);
  EXPECT_EQ(differing(fresh.current.log_density, sampler.work.current.log_density), 0);
  Batch<double> one(5, kChains);
  one.fill(1.0);
  Batch<double> other = one;
  sampler.flow.jvp(fresh.current.tape, one);
  sampler.flow.jvp(sampler.work.current.tape, other);
  EXPECT_EQ(differing(one, other), 0);
}

/// The shear flow with its image stretched by thousands, as pixels are.
FlowRecord stretched_flow() {
  FlowRecord record = shear_flow(0.8);
  LayerRecord stretch{"diagonal_affine", {}, {}, {}};
  stretch.arrays["scale"] = {{2}, {3000.0, 3000.0}};
  stretch.arrays["shift"] = {{2}, {0.0, 0.0}};
  record.layers.push_back(stretch);
  return record;
}

template <typename T>
double acceptance_of_short_steps() {
  Sampler<T> sampler(stretched_flow(), 0.0);
  constexpr int kSteps = 50;
  double sum = 0.0;
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    sampler.kernel.step(Random(3), step, 0, {StepSize(1e-4)}, sampler.work);
    for (Index c = 0; c < kChains; ++c) sum += sampler.work.outcome.acceptance(0, c);
  }
  return sum / (kSteps * kChains);
}

// In data space such a step is smaller than the rounding of z to float. If the way back were
// computed from rounded points, hardly any move would be accepted.
TEST(Kernel, AcceptsStepsShorterThanARoundingOfZ) {
  EXPECT_GT(acceptance_of_short_steps<double>(), 0.99);
  EXPECT_NEAR(acceptance_of_short_steps<float>(), acceptance_of_short_steps<double>(), 0.01);
}

TEST(Kernel, ChoosesGlobalMovesAsOftenAsAsked) {
  Sampler<float> sampler(real_nvp(), 0.3);
  int global = 0;
  constexpr int kSteps = 4000;
  for (int step = 0; step < kSteps; ++step) {
    sampler.step(static_cast<std::uint64_t>(step));
    const bool kind = sampler.work.outcome.global[0];
    for (Index c = 1; c < kChains; ++c) ASSERT_EQ(sampler.work.outcome.global[c], kind) << c;
    global += kind ? 1 : 0;
  }
  // Binomial; four standard deviations, false alarm 6e-5.
  const double trials = kSteps;
  EXPECT_NEAR(global / trials, 0.3, 4.0 * std::sqrt(0.3 * 0.7 / trials));
}

TEST(Kernel, AcceptsAsOftenAsItSaysItWould) {
  std::size_t tried = 0;
  for (const std::string& name : kernel_names()) {
    Sampler<float> sampler(real_nvp(), 0.3, name);
    double excess = 0.0;
    double variance = 0.0;
    for (std::uint64_t step = 0; step < 500; ++step) {
      sampler.step(step);
      for (Index c = 0; c < kChains; ++c) {
        const double p = sampler.work.outcome.acceptance(0, c);
        excess += (sampler.work.outcome.accepted[c] ? 1.0 : 0.0) - p;
        variance += p * (1.0 - p);
      }
    }
    EXPECT_GT(variance, 1000.0) << name;
    // False alarm 6e-5. With a slice, rejections come in runs; the drift still spreads them evenly.
    EXPECT_LE(std::abs(excess), 4.0 * std::sqrt(variance)) << name;
    ++tried;
  }
  EXPECT_EQ(tried, kernel_names().size());
}

/// exp(s) overflows for large z_1, and f(z) is not finite there.
FlowRecord explosive_flow() {
  return shear_flow(200.0);
}

TEST(Kernel, RejectsAndCountsWhatIsNotFinite) {
  Sampler<float> sampler(explosive_flow(), 1.0);
  // The chains stand at a finite point. Proposals overflow if 200 z_1 > 88.
  sampler.kernel.begin(sampler.work, Batch<float>(2, kChains));
  sampler.step(0);
  MoveStatistics statistics;
  statistics.observe(sampler.work.outcome, kChains);
  std::int64_t overflowing = 0;
  for (Index c = 0; c < kChains; ++c) {
    const bool finite = std::isfinite(sampler.work.proposed.x(1, c));
    overflowing += finite ? 0 : 1;
    EXPECT_EQ(sampler.work.outcome.diverging[c], !finite) << c;
    if (!finite) {
      EXPECT_EQ(sampler.work.outcome.acceptance(0, c), 0.0) << c;
    }
    EXPECT_TRUE(std::isfinite(sampler.work.current.x(1, c))) << c;
  }
  EXPECT_GT(overflowing, 5);
  EXPECT_LT(overflowing, kChains - 5);
  EXPECT_EQ(MoveTotals(statistics).non_finite(), static_cast<double>(overflowing));
}

// A gradient can be the dearest part of a density.
TEST(Kernel, AsksADensityForGradientsOnlyIfItHasLocalMoves) {
  int tried = 0;
  for (const double global_fraction : {0.5, 1.0}) {
    const NormalDensity density(0.4, 1.5);
    const Flow<double> flow(real_nvp());
    const DensityTarget<double> target(flow.base(), density, DensityRole::kPosterior, 1.0);
    const Kernel<double> kernel(flow, target, make_local_move<double>({"mala", {}}),
                                global_fraction);
    Workspace<double> work(kernel, kChains);
    Batch<double> start(flow.dim(), kChains);
    flow.base().sample(Random(3), Purpose::kStart, 0, 0, ColumnMask::all(kChains), start);
    kernel.begin(work, start);
    for (std::uint64_t step = 0; step < 5; ++step) {
      kernel.step(Random(3), step, 0, {StepSize(0.5)}, work);
    }
    EXPECT_EQ(density.calls, 6);
    EXPECT_EQ(density.gradients, kernel.needs_gradients() ? 6 : 0);
    EXPECT_EQ(kernel.needs_gradients(), global_fraction < 1.0);
    // The values are those of calls with a gradient.
    PerChain log_density(1, kChains);
    Cotangents<double> cotangents(flow.dim(), kChains);
    target.evaluate(work.current.z, work.current.x, work.current.log_det, log_density, cotangents);
    EXPECT_EQ(differing_bits(to_matrix(log_density), to_matrix(work.current.log_density)), 0);
    ++tried;
  }
  EXPECT_EQ(tried, 2);
}

TEST(Kernel, RefusesAGlobalFractionOutsideOfZeroToOne) {
  const Flow<double> flow(shear_flow(1.0));
  const TemperedTarget<double> target(flow.base(), 1.0);
  for (const double fraction : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(Kernel<double>(flow, target, std::make_unique<MetricMala<double>>(), fraction),
                 InputError);
  }
}

}  // namespace
}  // namespace flotilla::test
