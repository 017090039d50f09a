// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/base.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "support/allocation_counter.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

const LayerRecord kStandardNormal = {"standard_normal", {}, {}, {}};

std::vector<LayerRecord> every_base(Index dim, std::uint64_t seed) {
  std::vector<LayerRecord> bases = test::random_bases(dim, seed);
  bases.push_back(kStandardNormal);
  return bases;
}

int bases() {
  return static_cast<int>(every_base(2, 1).size());
}

bool on_circle(const LayerRecord& base, Index i) {
  const auto found = base.arrays.find("circular");
  return found != base.arrays.end() && found->second.values[static_cast<std::size_t>(i)] == 1.0;
}

double at(const LayerRecord& base, const char* name, Index i) {
  return base.arrays.at(name).values[static_cast<std::size_t>(i)];
}

long double normal(long double z, long double loc, long double scale) {
  const long double standard = (z - loc) / scale;
  return std::exp(-0.5L * standard * standard) / (scale * std::sqrt(2.0L * std::acos(-1.0L)));
}

/// The density as a product of its factors, in long double, which reaches exp(-11000).
long double density(const LayerRecord& base, const Eigen::VectorXd& z) {
  const Index dim = z.size();
  if (base.type == "gaussian_mixture") {
    long double sum = 0.0L;
    for (Index k = 0; k < base.arrays.at("weights").shape[0]; ++k) {
      long double product = at(base, "weights", k);
      for (Index i = 0; i < dim; ++i) {
        product *= normal(z(i), at(base, "loc", k * dim + i), at(base, "scale", k * dim + i));
      }
      sum += product;
    }
    return sum;
  }
  long double product = 1.0L;
  for (Index i = 0; i < dim; ++i) {
    if (base.type == "uniform_box") {
      const bool inside = z(i) >= at(base, "low", i) && z(i) <= at(base, "high", i);
      product *=
          inside || on_circle(base, i) ? 1.0L / (at(base, "high", i) - at(base, "low", i)) : 0.0L;
    } else if (on_circle(base, i)) {
      product /= at(base, "scale", i);
    } else if (base.type == "diagonal_normal" || base.type == "circular_normal") {
      product *= normal(z(i), at(base, "loc", i), at(base, "scale", i));
    } else {
      product *= normal(z(i), 0.0L, 1.0L);
    }
  }
  return product;
}

template <typename T>
class BaseOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(BaseOf, Scalars);

// Points up to 30 standard deviations out: there every component of a mixture has underflown.
TYPED_TEST(BaseOf, LogDensityIsTheFormulaAndIsAdded) {
  int tested = 0;
  for (const Index dim : {1, 2, 7}) {
    for (const LayerRecord& record : every_base(dim, 3)) {
      for (const double reach : {1.0, 4.0, 8.0}) {
        const Eigen::MatrixXd z = test::NumberStream(1).matrix(dim, 70, reach);
        PerChain out(1, 70);
        out.fill(2.0);
        make_base<TypeParam>(record, dim)->add_log_density(test::to_batch<TypeParam>(z), 0.5, out);
        int inside = 0;
        for (Index c = 0; c < 70; ++c) {
          const double expected =
              static_cast<double>(2.0L + 0.5L * std::log(density(record, z.col(c))));
          if (!std::isfinite(expected)) {
            EXPECT_EQ(out(0, c), expected) << record.type << " " << dim;
            continue;
          }
          EXPECT_NEAR(out(0, c), expected, 1e-12 * std::max(1.0, std::abs(expected)))
              << record.type << " " << dim;
          ++inside;
        }
        EXPECT_TRUE(inside > 0 || record.type == "uniform_box");
        ++tested;
      }
    }
  }
  EXPECT_EQ(tested, 3 * bases() * 3);
}

// The error of a central difference with step h is h^2 |third derivative| / 6, here below 1e-8.
TEST(Base, ScoreIsTheSlopeOfTheLogDensity) {
  constexpr double kStep = 1e-5;
  int tested = 0;
  for (const Index dim : {1, 3}) {
    for (const LayerRecord& record : every_base(dim, 5)) {
      const auto base = make_base<double>(record, dim);
      const double reach = record.type == "uniform_box" ? 0.4 : 5.0;
      const Eigen::MatrixXd z = test::NumberStream(2).matrix(dim, 50, reach);
      Batch<double> score(dim, 50);
      base->score(test::to_batch<double>(z), score);
      Eigen::MatrixXd slope(dim, 50);
      for (Index i = 0; i < dim; ++i) {
        PerChain difference(1, 50);
        Eigen::MatrixXd moved = z;
        moved.row(i).array() += kStep;
        base->add_log_density(test::to_batch<double>(moved), 0.5 / kStep, difference);
        moved.row(i).array() -= 2.0 * kStep;
        base->add_log_density(test::to_batch<double>(moved), -0.5 / kStep, difference);
        slope.row(i) = test::to_matrix(difference);
      }
      EXPECT_LE(test::largest_deviation(test::to_matrix(score), slope), 1e-7) << record.type;
      ++tested;
    }
  }
  EXPECT_EQ(tested, 2 * bases());
}

TEST(Base, FloatAgreesWithDouble) {
  int tested = 0;
  for (const LayerRecord& record : every_base(4, 6)) {
    const Eigen::MatrixXd z = test::NumberStream(4).matrix(4, 40, 3.0);
    Batch<float> single(4, 40);
    Batch<double> both(4, 40);
    make_base<float>(record, 4)->score(test::to_batch<float>(z), single);
    make_base<double>(record, 4)->score(test::to_batch<double>(z), both);
    EXPECT_LE(test::largest_deviation(test::to_matrix(single), test::to_matrix(both)), 1e-6);
    ++tested;
  }
  EXPECT_EQ(tested, bases());
}

TEST(Base, ANonFinitePointHasNoFiniteLogDensity) {
  int tested = 0;
  for (const LayerRecord& record : every_base(3, 7)) {
    for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      Batch<double> z(3, 5);
      z(1, 2) = bad;
      PerChain out(1, 5);
      make_base<double>(record, 3)->add_log_density(z, 1.0, out);
      EXPECT_FALSE(std::isfinite(out(0, 2))) << record.type;
      EXPECT_TRUE(std::isfinite(out(0, 1))) << record.type;
      ++tested;
    }
  }
  EXPECT_EQ(tested, 3 * bases());
}

TYPED_TEST(BaseOf, ADrawDependsOnItsChainAloneAndTouchesNoOtherColumn) {
  int tested = 0;
  for (const LayerRecord& record : every_base(5, 8)) {
    const auto base = make_base<TypeParam>(record, 5);
    const Random random(11);
    Batch<TypeParam> whole(5, 90);
    base->sample(random, Purpose::kStart, 3, 100, ColumnMask::all(90), whole);
    Batch<TypeParam> part(5, 33);
    part.fill(TypeParam{7});
    ColumnMask mask(33);
    for (Index c = 0; c < 33; c += 2) mask.set(c, true);
    base->sample(random, Purpose::kStart, 3, 140, mask, part);
    for (Index c = 0; c < 33; ++c) {
      for (Index i = 0; i < 5; ++i) {
        EXPECT_EQ(part(i, c), c % 2 == 0 ? whole(i, c + 40) : TypeParam{7}) << record.type;
        ++tested;
      }
    }
  }
  EXPECT_EQ(tested, bases() * 33 * 5);
}

TEST(Base, StandardNormalDrawsAreTheVariatesOfRandom) {
  const Random random(3);
  Batch<float> sampled(4, 50);
  Batch<float> drawn(4, 50);
  make_base<float>(kStandardNormal, 4)
      ->sample(random, Purpose::kNaive, 2, 100, ColumnMask::all(50), sampled);
  random.normals(Purpose::kNaive, 2, 100, drawn);
  EXPECT_EQ(test::differing_bits(test::to_matrix(sampled), test::to_matrix(drawn)), 0);
}

// E_q[p / q] = 1 for any density p inside the support of q. With p a smaller copy of each base,
// this ties the draws to the log density: shape, weights and normalisation. Eighteen comparisons at
// 4 standard errors raise a false alarm once in eight hundred seeds.
TYPED_TEST(BaseOf, DrawsHaveTheDensityThatIsClaimed) {
  constexpr Index kDraws = 100000;
  int tested = 0;
  for (const LayerRecord& record : every_base(2, 9)) {
    const auto base = make_base<TypeParam>(record, 2);
    Batch<TypeParam> z(2, kDraws);
    base->sample(Random(12), Purpose::kNaive, 0, 0, ColumnMask::all(kDraws), z);
    PerChain log_density(1, kDraws);
    base->add_log_density(z, 1.0, log_density);
    for (const double centre : {-0.5, 0.0, 0.25}) {  // boxes of side 1/2, inside every support
      double sum = 0.0;
      double square = 0.0;
      for (Index c = 0; c < kDraws; ++c) {
        const bool inside = std::abs(static_cast<double>(z(0, c)) - centre) <= 0.25 &&
                            std::abs(static_cast<double>(z(1, c)) + centre) <= 0.25;
        const double ratio = inside ? 4.0 * std::exp(-log_density(0, c)) : 0.0;
        sum += ratio;
        square += ratio * ratio;
      }
      const double mean = sum / static_cast<double>(kDraws);
      const double error = std::sqrt((square / static_cast<double>(kDraws) - mean * mean) / kDraws);
      EXPECT_NEAR(mean, 1.0, 4.0 * error) << record.type << " at " << centre;
      EXPECT_LT(error, 0.1);
      ++tested;
    }
  }
  EXPECT_EQ(tested, 3 * bases());
}

TEST(Base, AllocatesNothing) {
  int tested = 0;
  for (const LayerRecord& record : every_base(6, 10)) {
    const auto base = make_base<float>(record, 6);
    const ColumnMask mask = ColumnMask::all(64);
    Batch<float> z(6, 64);
    Batch<float> score(6, 64);
    PerChain out(1, 64);
    const std::uint64_t before = test::allocations();
    base->sample(Random(1), Purpose::kStart, 0, 0, mask, z);
    base->add_log_density(z, 1.0, out);
    base->score(z, score);
    EXPECT_EQ(test::allocations(), before) << record.type;
    ++tested;
  }
  EXPECT_EQ(tested, bases());
}

/// The message of make_base for a record. It must be the same in both precisions.
std::string refusal(const LayerRecord& record) {
  std::string message = "no InputError";
  try {
    make_base<double>(record, 2);
  } catch (const InputError& error) {
    message = error.what();
  }
  try {
    make_base<float>(record, 2);
    EXPECT_EQ(message, "no InputError");
  } catch (const InputError& error) {
    EXPECT_EQ(message, error.what());
  }
  return message;
}

TEST(Base, RefusesArraysThatAreNone) {
  const std::vector<LayerRecord> sound = test::random_bases(2, 1);
  struct Case {
    std::size_t base;
    std::function<void(LayerRecord&)> spoil;
    std::vector<std::string> phrases;
  };
  const std::vector<Case> cases = {
      {0, [](LayerRecord& r) { r.arrays.erase("weights"); }, {"weights", "missing"}},
      {0, [](LayerRecord& r) { r.arrays["weights"].values[0] = 0.25; }, {"add up to 1", "0.75"}},
      {0,
       [](LayerRecord& r) {
         r.arrays["weights"] = {{2}, {0.5, 0.5}};
       },
       {"loc", "2 x 2"}},
      {0,
       [](LayerRecord& r) {
         r.arrays["weights"] = {{2}, {1.5, -0.5}};
       },
       {"weights", "positive", "-0.5"}},
      {0, [](LayerRecord& r) { r.arrays["scale"].values[5] = 0.0; }, {"scale", "positive", "0"}},
      {0, [](LayerRecord& r) { r.arrays["loc"].shape = {6}; }, {"loc", "3 x 2"}},
      {1, [](LayerRecord& r) { r.arrays["scale"].values[1] = -1.0; }, {"scale", "-1"}},
      {1, [](LayerRecord& r) { r.arrays["loc"].values[1] = HUGE_VAL; }, {"loc", "non-finite"}},
      {1,
       [](LayerRecord& r) {
         r.arrays["mean"] = {{1}, {0.0}};
       },
       {"mean", "not an entry"}},
      {1, [](LayerRecord& r) { r.texts["direction"] = "inverse"; }, {"direction"}},
      {2, [](LayerRecord& r) { r.arrays["high"].values[0] = -3.0; }, {"high", "above 'low'"}},
      {2,
       [](LayerRecord& r) {
         r.arrays["low"].values = {1.0, 1.0};
         r.arrays["high"].values = {1.0, 2.0};
       },
       {"high", "coordinate 0"}},
  };
  std::size_t tested = 0;
  for (const Case& spoilt : cases) {
    LayerRecord record = sound[spoilt.base];
    EXPECT_EQ(refusal(record), "no InputError");
    spoilt.spoil(record);
    const std::string message = refusal(record);
    EXPECT_TRUE(message.starts_with("base density (" + record.type + "): ")) << message;
    for (const std::string& phrase : spoilt.phrases) {
      EXPECT_NE(message.find(phrase), std::string::npos) << phrase << " in: " << message;
    }
    ++tested;
  }
  EXPECT_EQ(tested, cases.size());
}

TEST(Base, NamesItsCircles) {
  int circles = 0;
  for (const LayerRecord& record : every_base(5, 3)) {
    const std::vector<Circle> found = make_base<double>(record, 5)->circles();
    ASSERT_EQ(found.size(), 5U) << record.type;
    for (Index i = 0; i < 5; ++i) {
      const Circle& circle = found[static_cast<std::size_t>(i)];
      ASSERT_EQ(circle.is_line(), !on_circle(record, i)) << record.type;
      if (circle.is_line()) continue;
      const bool box = record.type == "uniform_box";
      const double length =
          box ? at(record, "high", i) - at(record, "low", i) : at(record, "scale", i);
      const double low = box ? at(record, "low", i) : at(record, "loc", i) - 0.5 * length;
      EXPECT_DOUBLE_EQ(circle.length, length);
      EXPECT_DOUBLE_EQ(circle.low, low);
      ++circles;
    }
  }
  EXPECT_GT(circles, 0);
}

TEST(Base, HasOneDensityAtAllPointsThatStandForOneOfACircle) {
  const Eigen::MatrixXd far = test::NumberStream(4).matrix(5, 70, 30.0);
  int moved = 0;
  for (const LayerRecord& record : every_base(5, 3)) {
    const auto base = make_base<double>(record, 5);
    const std::vector<Circle> circles = base->circles();
    Eigen::MatrixXd near = far;
    for (Index i = 0; i < 5; ++i) {
      const Circle& circle = circles[static_cast<std::size_t>(i)];
      if (circle.is_line()) continue;
      for (Index c = 0; c < 70; ++c) {
        near(i, c) = circle.wrapped(far(i, c));
        EXPECT_EQ(circle.wrapped(near(i, c)), near(i, c)) << record.type;
        moved += near(i, c) != far(i, c) ? 1 : 0;
      }
    }
    PerChain there(1, 70);
    PerChain here(1, 70);
    there.fill(0.0);
    here.fill(0.0);
    base->add_log_density(test::to_batch<double>(far), 1.0, there);
    base->add_log_density(test::to_batch<double>(near), 1.0, here);
    for (Index c = 0; c < 70; ++c) EXPECT_EQ(there(0, c), here(0, c)) << record.type;
  }
  EXPECT_GT(moved, 100);
}

// Float cannot tell this box from a point. The record is refused in float and accepted in double.
TEST(Base, RefusesABoxThatItsPrecisionCannotTellFromAPoint) {
  LayerRecord box{"uniform_box", {}, {}, {}};
  box.arrays["low"] = {{1}, {1.0}};
  box.arrays["high"] = {{1}, {1.0 + 1e-12}};
  EXPECT_NO_THROW(make_base<double>(box, 1));
  EXPECT_THROW(make_base<float>(box, 1), InputError);
}

}  // namespace
}  // namespace flotilla
