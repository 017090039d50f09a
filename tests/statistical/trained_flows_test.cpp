// SPDX-License-Identifier: BSD-3-Clause

// Compares the shipped flows with importance sampling: draws of q_Z, weighted by pi / q_Z, give any
// expectation with its standard error, without a Markov chain. Source: src/README.md, truths to
// test against.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "flotilla/io/flow_file.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"
#include "support/chain_study.hpp"
#include "support/choices.hpp"

namespace flotilla::test {
namespace {

// Three flows, three targets, two kernels, 6 to 10 expectations each: about 140 comparisons. At
// four joint standard errors they raise a false alarm once in a hundred seeds.
constexpr double kThreshold = 4.0;
constexpr Index kImportanceDraws = 400000;
constexpr Index kChains = 1024;

/// A trained flow, and how to tell the modes of its data apart.
struct Toy {
  std::string file;
  int modes;
  int (*mode_of)(const double* x);
};

void PrintTo(const Toy& toy, std::ostream* out) {
  *out << toy.file;
}

double distance_to_arc(double u, double v) {
  return v >= 0.0 ? std::abs(std::hypot(u, v) - 1.0) : std::hypot(std::abs(u) - 1.0, v);
}

// Upper half circle about (0, 0), lower one about (1, 1/4).
int moon_of(const double* x) {
  return distance_to_arc(x[0], x[1]) <= distance_to_arc(1.0 - x[0], 0.25 - x[1]) ? 0 : 1;
}
// Centres at multiples of 60 degrees.
int gaussian_of(const double* x) {
  const double turns = std::atan2(x[1], x[0]) / (2.0 * std::numbers::pi);
  return (static_cast<int>(std::lround(6.0 * turns)) + 6) % 6;
}
// Radii 1, 2 and 3.
int ring_of(const double* x) {
  return std::clamp(static_cast<int>(std::lround(std::hypot(x[0], x[1]))), 1, 3) - 1;
}

std::vector<Functional> functionals(const Toy& toy) {
  std::vector<Functional> list = {
      [](const double*, const double* x) { return x[0]; },
      [](const double*, const double* x) { return x[1]; },
      [](const double*, const double* x) { return x[0] * x[0]; },
      [](const double*, const double* x) { return x[1] * x[1]; },
  };
  for (int mode = 0; mode < toy.modes; ++mode) {
    list.emplace_back(
        [=](const double*, const double* x) { return toy.mode_of(x) == mode ? 1.0 : 0.0; });
  }
  return list;
}

/// Self-normalised importance sampling: sum(w f) / sum(w), standard error by the delta method.
std::vector<Estimate> importance_sampling(const Flow<double>& flow, const Target<double>& target,
                                          const std::vector<Functional>& list) {
  constexpr Index kWidth = 256;
  const Random random(77);
  Batch<double> z(flow.dim(), kWidth);
  Batch<double> x = z;
  PerChain log_det(1, kWidth);
  PerChain log_density(1, kWidth);
  PerChain log_base(1, kWidth);
  Cotangents<double> cotangents(flow.dim(), kWidth);
  Tape<double> tape(flow.tape_shape(), kWidth);
  std::vector<double> weights;
  std::vector<std::vector<double>> values(list.size());
  for (Index first = 0; first < kImportanceDraws; first += kWidth) {
    flow.base().sample(random, Purpose::kNaive, 0, static_cast<std::uint64_t>(first),
                       ColumnMask::all(z.chains()), z);
    x = z;
    log_det.fill(0.0);
    log_base.fill(0.0);
    flow.forward(x, log_det, tape);
    target.evaluate(z, x, log_det, log_density, cotangents);
    flow.base().add_log_density(z, 1.0, log_base);
    for (Index c = 0; c < kWidth; ++c) {
      weights.push_back(std::exp(log_density(0, c) - log_base(0, c)));
      const double at_z[2] = {z(0, c), z(1, c)};
      const double at_x[2] = {x(0, c), x(1, c)};
      for (std::size_t k = 0; k < list.size(); ++k) values[k].push_back(list[k](at_z, at_x));
    }
  }
  double total = 0.0;
  double squares = 0.0;
  for (const double weight : weights) {
    total += weight;
    squares += weight * weight;
  }
  EXPECT_GT(total * total / squares, 20000.0) << "the weights are too uneven to be a truth";
  std::vector<Estimate> estimates;
  for (const std::vector<double>& value : values) {
    Estimate estimate;
    for (std::size_t i = 0; i < value.size(); ++i) estimate.mean += weights[i] * value[i] / total;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const double part = weights[i] * (value[i] - estimate.mean) / total;
      estimate.error += part * part;
    }
    estimate.error = std::sqrt(estimate.error);
    estimates.push_back(estimate);
  }
  return estimates;
}

/// The quantile of l under q_Z, as the program finds it.
double log_det_quantile(const Flow<double>& flow, double quantile) {
  constexpr Index kDraws = 16384;
  Batch<double> point(flow.dim(), kDraws);
  PerChain log_det(1, kDraws);
  Tape<double> tape(flow.tape_shape(), kDraws);
  flow.base().sample(Random(1), Purpose::kCalibration, 0, 0, ColumnMask::all(point.chains()),
                     point);
  flow.forward(point, log_det, tape);
  std::vector<double> sorted(log_det.row(0), log_det.row(0) + kDraws);
  std::sort(sorted.begin(), sorted.end());
  return sorted[static_cast<std::size_t>(quantile * kDraws)];
}

/// A flow and a target with parameters that are not its defaults.
using Setting = std::tuple<Toy, Specification>;

class TrainedFlow : public testing::TestWithParam<Setting> {
 protected:
  TrainedFlow()
      : toy_(std::get<0>(GetParam())),
        record_(
            read_flow_file(std::string(FLOTILLA_SOURCE_DIR) + "/apps/flows/" + toy_.file + ".h5")),
        reference_(record_),
        flow_(record_),
        target_(resolve_target(std::get<1>(GetParam()), [this](double probability) {
          return log_det_quantile(reference_, probability);
        })) {}

  void agree(const std::vector<Estimate>& truth, const std::string& kernel_name) {
    const std::vector<Functional> list = functionals(toy_);
    const std::unique_ptr<Target<float>> target = make_target(target_, flow_);
    const Kernel<float> kernel(flow_, *target, make_local_move<float>({kernel_name, {}}), 0.3);
    ChainStudy<float> study(kernel, kChains, 31);
    study.warm_up(300, 0.1);
    const std::vector<Estimate> found = study.estimate(250, 2, list);
    int compared = 0;
    for (std::size_t k = 0; k < list.size(); ++k, ++compared) {
      EXPECT_LE(distance(found[k], truth[k]), kThreshold)
          << kernel_name << ", expectation " << k << ": " << found[k].mean << " +- "
          << found[k].error << " but importance sampling has " << truth[k].mean << " +- "
          << truth[k].error;
      // Large errors would hide a difference: they must be small.
      EXPECT_LT(found[k].error, 0.06);
      EXPECT_LT(truth[k].error, 0.06);
    }
    EXPECT_EQ(compared, 4 + toy_.modes);
  }

  Toy toy_;
  FlowRecord record_;
  Flow<double> reference_;
  Flow<float> flow_;
  Specification target_;
};

TEST_P(TrainedFlow, AgreesWithImportanceSamplingForEveryKernel) {
  const std::vector<Estimate> truth =
      importance_sampling(reference_, *make_target(target_, reference_), functionals(toy_));
  std::size_t kernels = 0;
  for (const std::string& kernel : kernel_names()) {
    agree(truth, kernel);
    ++kernels;
  }
  EXPECT_EQ(kernels, kernel_registry().size());
}

/// Every target with its defaults, and one between naive sampling and the paper's target.
std::vector<Specification> targets() {
  std::vector<Specification> all = {{"tempered", {{"beta", 0.5}}}};
  for (const std::string& name : target_names()) all.push_back({name, {}});
  return all;
}

std::string name_of(const testing::TestParamInfo<Setting>& tested) {
  const auto& [toy, target] = tested.param;
  return toy.file + "_" + test_name(target.name) +
         (target.parameters.empty() ? "" : "_at_beta_half");
}

INSTANTIATE_TEST_SUITE_P(Bundled, TrainedFlow,
                         testing::Combine(testing::Values(Toy{"two_moons", 2, moon_of},
                                                          Toy{"six_gaussians", 6, gaussian_of},
                                                          Toy{"three_rings", 3, ring_of}),
                                          testing::ValuesIn(targets())),
                         name_of);

}  // namespace
}  // namespace flotilla::test
