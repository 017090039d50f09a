// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/target/registry.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "flotilla/core/error.hpp"
#include "support/batches.hpp"
#include "support/choices.hpp"
#include "support/normal_density.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr Index kRegistryDim = 4;
constexpr Index kRegistryChains = 40;

double level_of(double probability) {
  return 2.0 * probability - 1.0;
}

/// The target of a row, resolved. @param density  outlives it
template <typename T>
std::unique_ptr<Target<T>> target_of(const TargetRow& row, const Flow<T>& flow,
                                     const Density& density) {
  return make_target(resolve_target({row.choice.name, {}}, level_of), flow,
                     row.needs_density ? &density : nullptr);
}

template <typename Make>
std::string message_of(Make make) {
  try {
    make();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

/// log pi - log q_Z at points with the given log det.
template <typename T>
Eigen::RowVectorXd charge(const Target<T>& target, const Flow<T>& flow, const Eigen::MatrixXd& z,
                          const Eigen::RowVectorXd& log_det) {
  const Batch<T> point = to_batch<T>(z);
  PerChain density(1, z.cols());
  PerChain base(1, z.cols());
  Cotangents<T> cotangents(z.rows(), z.cols());
  target.evaluate(point, point, to_batch<double>(log_det), density, cotangents);
  base.fill(0.0);
  flow.base().add_log_density(point, 1.0, base);
  return to_matrix(density).row(0) - to_matrix(base).row(0);
}

TEST(TargetRegistry, HasWholeRows) {
  std::set<std::string> names;
  for (const TargetRow& row : target_registry()) {
    SCOPED_TRACE(row.choice.name);
    expect_whole(row.choice);
    EXPECT_TRUE(names.insert(row.choice.name).second) << "the name of two rows";
    EXPECT_NE(row.in_float, nullptr);
    EXPECT_NE(row.in_double, nullptr);
    for (const Parameter& parameter : row.choice.parameters) {
      EXPECT_TRUE(parameter.otherwise || row.complete != nullptr)
          << parameter.name << " has no default, and nothing finds it";
    }
    EXPECT_EQ(&target_row(row.choice.name), &row);
  }
  EXPECT_GE(names.size(), 2U);
}

TEST(TargetRegistry, GivesParametersOfOneNameOneMeaning) {
  std::vector<Choice> choices;
  for (const TargetRow& row : target_registry()) choices.push_back(row.choice);
  EXPECT_GE(expect_one_meaning(choices), 4);
}

TEST(TargetRegistry, MakesEachTargetFromItsDefaultsAlikeInFloatAndDouble) {
  const FlowRecord record = smooth_flow(kRegistryDim, 3);
  const Flow<float> single(record);
  const Flow<double> twice(record);
  const Eigen::MatrixXd z = NumberStream(1).matrix(kRegistryDim, kRegistryChains, 1.5);
  const Eigen::RowVectorXd log_det = Eigen::RowVectorXd::LinSpaced(kRegistryChains, -4.0, 5.0);
  const NormalDensity density(0.3, 2.0);
  int made = 0;
  for (const TargetRow& row : target_registry()) {
    SCOPED_TRACE(row.choice.name);
    const auto in_float = target_of(row, single, density);
    const auto in_double = target_of(row, twice, density);
    ASSERT_NE(in_float, nullptr);
    ASSERT_NE(in_double, nullptr);
    const Eigen::RowVectorXd found = charge(*in_double, twice, z, log_det);
    EXPECT_TRUE(found.allFinite());
    EXPECT_LE(largest_deviation(charge(*in_float, single, z, log_det), found), 1e-4);
    ++made;
  }
  EXPECT_EQ(made, static_cast<int>(target_registry().size()));
}

TEST(TargetRegistry, SaysRightlyWhichTargetsChargeTheLogDetAlone) {
  const Flow<double> flow(smooth_flow(kRegistryDim, 3));
  // Points that differ, with equal log dets.
  const Eigen::MatrixXd z = NumberStream(2).matrix(kRegistryDim, kRegistryChains, 2.0);
  const NormalDensity density(0.3, 2.0);
  int alike = 0;
  for (const TargetRow& row : target_registry()) {
    const auto target = target_of(row, flow, density);
    double spread = 0.0;
    for (const double log_det : {-3.0, 0.2, 4.0}) {
      const Eigen::RowVectorXd found =
          charge(*target, flow, z, Eigen::RowVectorXd::Constant(kRegistryChains, log_det));
      spread = std::max(spread, found.maxCoeff() - found.minCoeff());
    }
    EXPECT_EQ(row.of_log_det_alone, spread < 1e-12) << row.choice.name << ": " << spread;
    alike += row.of_log_det_alone ? 1 : 0;
  }
  EXPECT_GE(alike, 2);
}

TEST(TargetRegistry, SaysRightlyWhichWeightsAreBounded) {
  const Flow<double> flow(smooth_flow(kRegistryDim, 3));
  const Eigen::MatrixXd z = NumberStream(2).matrix(kRegistryDim, kRegistryChains, 2.0);
  const Eigen::RowVectorXd log_det = Eigen::RowVectorXd::LinSpaced(kRegistryChains, -1e3, 1e3);
  const NormalDensity density(0.3, 2.0);
  int bounded = 0;
  int unbounded = 0;
  for (const TargetRow& row : target_registry()) {
    const double largest = charge(*target_of(row, flow, density), flow, z, log_det).maxCoeff();
    if (row.bounded_weight) {
      EXPECT_LT(largest, 1e-9) << row.choice.name;
      ++bounded;
    } else if (row.of_log_det_alone) {
      EXPECT_GT(largest, 500.0) << row.choice.name;
      ++unbounded;
    }
  }
  EXPECT_GE(bounded, 1);
  EXPECT_GE(unbounded, 1);
}

TEST(TargetRegistry, ResolvesOnceAndKeepsWhatWasGiven) {
  int resolved_rows = 0;
  for (const TargetRow& row : target_registry()) {
    const Specification resolved = resolve_target({row.choice.name, {}}, level_of);
    const Specification again = resolve_target(resolved, [](double) -> double {
      ADD_FAILURE() << "asked for what is known";
      return 0.0;
    });
    EXPECT_EQ(resolved, again) << row.choice.name;
    ++resolved_rows;
  }
  EXPECT_EQ(resolved_rows, static_cast<int>(target_registry().size()));
  const Specification clipped =
      resolve_target({"clipped", {{"clip-quantile", 0.9}, {"beta", 2.0}}}, level_of);
  EXPECT_EQ(clipped, (Specification{
                         "clipped",
                         {{"beta", 2.0}, {"clip-level", level_of(0.9)}, {"clip-sharpness", 5.0}}}));
}

TEST(TargetRegistry, TakesALevelInPlaceOfTheQuantile) {
  const Choice& clipped = target_row("clipped").choice;
  EXPECT_EQ(with_defaults(clipped, {"clipped", {{"clip-level", 3.0}}}),
            (ParameterValues{{"beta", 1.0}, {"clip-level", 3.0}, {"clip-sharpness", 5.0}}));
  EXPECT_EQ(with_defaults(clipped, {"clipped", {}}),
            (ParameterValues{{"beta", 1.0}, {"clip-quantile", 0.7}, {"clip-sharpness", 5.0}}));
  const std::string both = message_of([] {
    expect_target({"clipped", {{"clip-level", 3.0}, {"clip-quantile", 0.5}}});
  });
  EXPECT_EQ(both,
            "--clip-level should stand in place of --clip-quantile, not beside it: leave one "
            "of them out");
}

TEST(TargetRegistry, RefusesALevelThatIsNoNumberAndSaysWhatToDo) {
  int refused = 0;
  for (const double level : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const std::string message = message_of([&] {
      resolve_target({"clipped", {}}, [&](double) { return level; });
    });
    EXPECT_NE(message.find("0.7 quantile"), std::string::npos) << message;
    EXPECT_NE(message.find("--clip-level"), std::string::npos) << message;
    ++refused;
  }
  EXPECT_EQ(refused, 3);
}

TEST(TargetRegistry, RefusesWhatItDoesNotKnowAndNamesTheChoices) {
  const std::string unknown = message_of([] { expect_target({"flat", {}}); });
  EXPECT_EQ(unknown,
            "--target should be one of tempered, clipped, explicit, posterior but is 'flat'");
  const std::string foreign = message_of([] {
    expect_target({"tempered", {{"clip-level", 1.0}}});
  });
  EXPECT_EQ(foreign, "--clip-level is no parameter of 'tempered', which has beta: leave it out");
  const Flow<double> flow(smooth_flow(kRegistryDim, 3));
  const std::string unresolved = message_of([&] { make_target({"clipped", {}}, flow); });
  EXPECT_NE(unresolved.find("'clip-level'"), std::string::npos) << unresolved;
}

TEST(TargetRegistry, TakesADensityWhereItNeedsOneAndNowhereElse) {
  const Flow<double> flow(smooth_flow(kRegistryDim, 3));
  const NormalDensity density(0.3, 2.0);
  int needing = 0;
  for (const TargetRow& row : target_registry()) {
    const Specification resolved = resolve_target({row.choice.name, {}}, level_of);
    const std::string message =
        message_of([&] { make_target(resolved, flow, row.needs_density ? nullptr : &density); });
    EXPECT_EQ(message, "target '" + std::string(row.choice.name) + "' " +
                           (row.needs_density ? "needs a density: give it one"
                                              : "does not take a density: leave it out"));
    needing += row.needs_density ? 1 : 0;
  }
  EXPECT_EQ(needing, 2);
}

TEST(TargetRegistry, RefusesValuesOutOfTheRangeOfEveryParameter) {
  int tried = 0;
  for (const TargetRow& row : target_registry())
    tried += expect_ranges_kept(row.choice, expect_target);
  EXPECT_GE(tried, 15);
}

}  // namespace
}  // namespace flotilla::test
