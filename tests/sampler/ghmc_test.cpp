// SPDX-License-Identifier: BSD-3-Clause

// A step of generalised HMC, held against its formulas: gradients come from differences of the
// flow's values alone. The classical mistakes are made on purpose, and each has to be found.

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "flotilla/sampler/kernel.hpp"
#include "support/batches.hpp"
#include "support/dense_jacobian.hpp"
#include "support/faulty_ghmc.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr double kTempering = 0.7;
constexpr double kLeap = 0.8;
constexpr double kClose = 1e-10;
constexpr int kPoints = 60;

/// A chain as one vector each, and the ratio r of the step that was made.
struct State {
  Eigen::VectorXd z;
  Eigen::VectorXd v;
  double u = 0.0;
};

State flipped(State state) {
  state.v = -state.v;
  return state;
}

double deviation(const State& one, const State& other) {
  return std::max({largest_deviation(one.z, other.z), largest_deviation(one.v, other.v),
                   std::abs(one.u - other.u)});
}

/// The formulas of src/README.md, without the refreshment and the drift.
class ReferenceStep {
 public:
  explicit ReferenceStep(const Flow<double>& flow) : flow_(flow) {}

  double log_density(const Eigen::VectorXd& z) const {
    return -0.5 * z.squaredNorm() - kTempering * images(flow_, z).log_det(0);
  }

  /// The leapfrog step and its ratio r.
  std::pair<State, double> leapfrog(const State& from) const {
    const auto log_density_at = [this](const Eigen::VectorXd& z) { return log_density(z); };
    const Eigen::VectorXd half = from.v + 0.5 * kLeap * gradient(log_density_at, from.z);
    State to = from;
    to.z = from.z + kLeap * half;
    to.v = half + 0.5 * kLeap * gradient(log_density_at, to.z);
    const double ratio = log_density(to.z) - 0.5 * to.v.squaredNorm() - log_density(from.z) +
                         0.5 * from.v.squaredNorm();
    return {to, ratio};
  }

  State step(const State& from) const {
    auto [to, ratio] = leapfrog(from);
    if (std::log(std::abs(from.u)) >= ratio) return flipped(from);
    to.u = from.u * std::exp(-ratio);
    return to;
  }

 private:
  const Flow<double>& flow_;
};

/// The code under test: one chain, whose momentum is never refreshed and whose slice never drifts.
class Code {
 public:
  Code(const Flow<double>& flow, std::unique_ptr<LocalMove<double>> move)
      : target_(flow.base(), kTempering), kernel_(flow, target_, std::move(move), 0.0) {}

  State step(const State& from, double damping = 0.0) const {
    Workspace<double> work(kernel_, 1);
    kernel_.begin(work, to_batch<double>(from.z));
    work.memory.momentum = to_batch<double>(from.v);
    work.memory.slice(0, 0) = from.u;
    kernel_.step(Random(1), 0, 0, {StepSize(kLeap), damping}, work);
    return {to_matrix(work.current.position), to_matrix(work.memory.momentum),
            work.memory.slice(0, 0)};
  }

 private:
  TemperedTarget<double> target_;
  Kernel<double> kernel_;
};

std::vector<State> states(Index dim) {
  NumberStream numbers(4);
  std::vector<State> all;
  for (int k = 0; k < kPoints; ++k) {
    State state;
    state.z = numbers.matrix(dim, 1, 1.5);
    state.v = numbers.matrix(dim, 1, 2.0);
    state.u = numbers.symmetric(1.0);
    all.push_back(state);
  }
  return all;
}

/// Calls `check` with every flow.
void for_each_flow(const std::function<void(const Flow<double>&)>& check) {
  int flows = 0;
  for (const FlowRecord& record :
       {shear_flow(0.8), random_real_nvp(5, 4, {.widths = {8, 8}, .activation = "tanh"}, 3),
        smooth_flow(4, 5)}) {
    SCOPED_TRACE(record.layers.front().type);
    check(Flow<double>(record));
    ++flows;
  }
  EXPECT_EQ(flows, 3);
}

TEST(Ghmc, StepsAsItsFormulasSay) {
  for_each_flow([](const Flow<double>& flow) {
    const Code code(flow, std::make_unique<Ghmc<double>>());
    const ReferenceStep reference(flow);
    int rejected = 0;
    for (const State& from : states(flow.dim())) {
      const State expected = reference.step(from);
      EXPECT_LE(deviation(code.step(from), expected), kClose);
      rejected += expected.z == from.z ? 1 : 0;
    }
    EXPECT_GT(rejected, 3);
    EXPECT_LT(rejected, kPoints - 3);
  });
}

/// How far a step, a flip and a step are from a flip, at worst: skew-reversibility. A step that has
/// it, and keeps volume in the extended space, leaves the extended density invariant.
double largest_skew(const Flow<double>& flow, std::unique_ptr<LocalMove<double>> move) {
  const Code code(flow, std::move(move));
  double largest = 0.0;
  for (const State& from : states(flow.dim())) {
    const State back = code.step(flipped(code.step(from)));
    largest = std::max(largest, deviation(back, flipped(from)));
  }
  return largest;
}

TEST(Ghmc, IsSkewReversible) {
  for_each_flow([](const Flow<double>& flow) {
    EXPECT_LE(largest_skew(flow, std::make_unique<Ghmc<double>>()), kClose);
  });
}

/// The largest |log|det of the step| + r| over accepted points: the map of (z, v, u) changes volume
/// by exp(-r), as the density changes by exp(r). Columns are differences of the code's own steps.
double largest_change_of_volume(const Flow<double>& flow, std::unique_ptr<LocalMove<double>> move) {
  const Code code(flow, std::move(move));
  const ReferenceStep reference(flow);
  const Index dim = flow.dim();
  double largest = 0.0;
  int accepted = 0;
  for (State from : states(dim)) {
    from.u *= 0.3;  // accepted, and so near no threshold
    const auto [to, ratio] = reference.leapfrog(from);
    if (ratio < std::log(0.4)) continue;
    ++accepted;
    const auto at = [&](const Eigen::VectorXd& place) {
      const State next = code.step({place.head(dim), place.segment(dim, dim), place(2 * dim)});
      Eigen::VectorXd all(2 * dim + 1);
      all << next.z, next.v, next.u;
      return all;
    };
    Eigen::VectorXd place(2 * dim + 1);
    place << from.z, from.v, from.u;
    Eigen::MatrixXd jacobian(2 * dim + 1, 2 * dim + 1);
    for (Index i = 0; i < jacobian.rows(); ++i) {
      jacobian.row(i) =
          gradient([&](const Eigen::VectorXd& moved) { return at(moved)(i); }, place, 0x1p-8);
    }
    largest = std::max(largest, std::abs(log_abs_det(jacobian) + ratio));
  }
  EXPECT_GT(accepted, kPoints / 4);
  return largest;
}

TEST(Ghmc, ChangesVolumeAsTheDensityAsks) {
  for_each_flow([](const Flow<double>& flow) {
    EXPECT_LE(largest_change_of_volume(flow, std::make_unique<Ghmc<double>>()), 1e-8);
  });
}

/// The shares of the old momentum and of the new noise in the noise of a proposal.
std::pair<double, double> shares(const LocalMove<double>& move, const Tuning& tuning) {
  const auto mixed = [&](double old_value, double new_value) {
    Memory<double> memory(1, 1);
    Batch<double> noise(1, 1);
    memory.momentum.fill(old_value);
    noise.fill(new_value);
    move.refresh(tuning, memory, noise);
    return noise(0, 0);
  };
  return {mixed(1.0, 0.0), mixed(0.0, 1.0)};
}

TEST(Ghmc, RefreshesTheShareOfItsMomentumThatDampingAsks) {
  const Ghmc<double> move;
  int tried = 0;
  for (const double damping : {0.0, 0.1, 1.0, 5.0, std::numeric_limits<double>::infinity()}) {
    const Tuning tuning{StepSize(0.3), damping};
    const auto [kept, fresh] = shares(move, tuning);
    EXPECT_NEAR(kept, std::exp(-0.3 * damping), 1e-14);
    EXPECT_NEAR(fresh, std::sqrt(1.0 - std::exp(-0.6 * damping)), 1e-14);
    EXPECT_NEAR(kept * kept + fresh * fresh, 1.0, 1e-14);
    ++tried;
  }
  EXPECT_EQ(tried, 5);
}

TEST(Ghmc, DriftsItsSliceByHalfTheRefreshmentAndStaysInside) {
  const Flow<double> flow(shear_flow(0.8));
  const Code code(flow, std::make_unique<Ghmc<double>>());
  const Tuning tuning{StepSize(kLeap), 0.2};
  const Code still(flow, std::make_unique<WithoutRefreshment<double>>());
  int wrapped = 0;
  for (const State& from : states(2)) {
    const double before = still.step(from, 0.0).u;
    const double after = still.step(from, 0.2).u;
    const double plain = before + 0.5 * tuning.refreshment();
    wrapped += plain >= 1.0 ? 1 : 0;
    EXPECT_NEAR(after, plain >= 1.0 ? plain - 2.0 : plain, 1e-14);
    EXPECT_GE(after, -1.0);
    EXPECT_LT(after, 1.0);
  }
  EXPECT_GT(wrapped, 2);
}

// alpha = 1 is Euclidean MALA: the same proposal, and the same acceptance probability.
TEST(Ghmc, IsMalaWhereEachStepForgets) {
  const Flow<float> flow(random_real_nvp(5, 4, {.widths = {8, 8}, .activation = "tanh"}, 3));
  const TemperedTarget<float> target(flow.base(), kTempering);
  const Kernel<float> ghmc(flow, target, std::make_unique<Ghmc<float>>(), 0.0);
  const Kernel<float> mala(flow, target, std::make_unique<EuclideanMala<float>>(), 0.0);
  Workspace<float> one(ghmc, 64);
  Workspace<float> other(mala, 64);
  Batch<float> start(5, 64);
  flow.base().sample(Random(3), Purpose::kStart, 0, 0, ColumnMask::all(64), start);
  ghmc.begin(one, start);
  ghmc.start_memory(Random(3), 0, one);
  mala.begin(other, start);
  const Tuning forgets{StepSize(0.7), std::numeric_limits<double>::infinity()};
  ghmc.step(Random(3), 0, 0, forgets, one);
  mala.step(Random(3), 0, 0, forgets, other);
  EXPECT_EQ(differing_bits(to_matrix(one.proposed.position), to_matrix(other.proposed.position)),
            0);
  EXPECT_EQ(differing_bits(to_matrix(one.outcome.acceptance), to_matrix(other.outcome.acceptance)),
            0);
}

TEST(Ghmc, LeavesItsMemoryAloneInAGlobalMove) {
  const Flow<double> flow(shear_flow(0.8));
  const TemperedTarget<double> target(flow.base(), kTempering);
  const Kernel<double> kernel(flow, target, std::make_unique<Ghmc<double>>(), 0.9);
  Workspace<double> work(kernel, 64);
  kernel.begin(work, Batch<double>(2, 64));
  kernel.start_memory(Random(3), 0, work);
  const Memory<double> before = work.memory;
  const auto unchanged = [&](Index c) {
    return work.memory.momentum(0, c) == before.momentum(0, c) &&
           work.memory.momentum(1, c) == before.momentum(1, c) &&
           work.memory.slice(0, c) == before.slice(0, c);
  };
  int global = 0;
  std::uint64_t step = 0;
  for (bool local = false; !local; ++step) {
    kernel.step(Random(4), step, 0, {StepSize(0.5)}, work);
    local = !work.outcome.global[0];
    global += local ? 0 : 1;
    for (Index c = 0; c < 64; ++c) EXPECT_EQ(unchanged(c), !local) << c;
  }
  EXPECT_GT(global, 0);
}

// ---- The classical mistakes. What finds each of them is exact.

TEST(GhmcMistakes, AreAllFound) {
  const Flow<double> flow(shear_flow(0.8));
  const Tuning tuning{StepSize(0.3), 0.7};
  EXPECT_GT(largest_skew(flow, std::make_unique<WithoutFlip<double>>()), 1e-2);
  EXPECT_GT(largest_skew(flow, std::make_unique<WithoutRescaling<double>>()), 1e-2);
  EXPECT_GT(largest_change_of_volume(flow, std::make_unique<WithoutRescaling<double>>()), 1e-2);
  EXPECT_GT(largest_skew(flow, std::make_unique<UnequalHalfSteps<double>>()), 1e-2);
  const auto [kept, none] = shares(WithoutRefreshment<double>(), tuning);
  EXPECT_EQ(kept, 1.0);
  EXPECT_EQ(none, 0.0);
  const auto [once, twice] = shares(RefreshedTwice<double>(), tuning);
  EXPECT_GT(std::abs(once * once + twice * twice - 1.0), 1e-2);
}

}  // namespace
}  // namespace flotilla::test
