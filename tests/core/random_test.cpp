// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>
#include <vector>

#include "support/batches.hpp"

namespace flotilla {
namespace {

// --- Philox4x32-10, written out from the paper: what Random promises to be ----------------------

using Words = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

/// Salmon, Moraes, Dror & Shaw 2011, section 3.3 and table 2.
Words philox(Words counter, Key key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32U) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32U) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(first)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// A number that can be asked of Random: its address.
struct Address {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::kStart;
  std::uint64_t step = 0;
  std::uint64_t chain = 0;
};

/// The four words behind coordinates 2*pair and 2*pair + 1. The layout of counter and key
/// determines every draw, so it is part of the reproducibility promise.
Words words_at(const Address& at, std::uint32_t pair) {
  return philox(
      {pair, static_cast<std::uint32_t>(at.chain), static_cast<std::uint32_t>(at.step),
       static_cast<std::uint32_t>(at.purpose) << 24U | static_cast<std::uint32_t>(at.step >> 32U)},
      {static_cast<std::uint32_t>(at.seed), static_cast<std::uint32_t>(at.seed >> 32U)});
}

/// (53 high bits + 1) 2^-53, exact in long double.
long double uniform_of(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (std::uint64_t{high} << 32U | low) >> 11U;
  return std::ldexp(static_cast<long double>(bits + 1), -53);
}

const std::array kAddresses = {
    Address{},
    Address{1, Purpose::kLocalNoise, 0, 0},
    Address{0, Purpose::kLocalNoise, 1, 0},
    Address{0, Purpose::kLocalNoise, 0, 1},
    Address{0x299f31d0a4093822, Purpose::kAcceptance, 0x0370734413198a2e >> 8U, 0x85a308d3},
    Address{~std::uint64_t{0}, Purpose::kNaive, (std::uint64_t{1} << 56U) - 1, 0xffffffff},
    Address{std::uint64_t{1} << 32U, Purpose::kGlobalNoise, std::uint64_t{1} << 32U, 12345},
    Address{7, Purpose::kChoice, 987654321, 4000000000},
    Address{7, Purpose::kCalibration, 3, 31},
};

// Random123's own known answers, kat_vectors: philox4x32 10.
TEST(Random, IsTestedAgainstAPhiloxThatGivesTheKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, UniformsAreTheTopBitsOfPhilox) {
  int compared = 0;
  for (const Address& at : kAddresses) {
    PerChain out(1, 1);
    Random(at.seed).uniforms(at.purpose, at.step, at.chain, out);
    const Words words = words_at(at, 0);
    EXPECT_EQ(static_cast<long double>(out(0, 0)), uniform_of(words[0], words[1])) << compared;
    ++compared;
  }
  EXPECT_EQ(compared, 9);
}

TEST(Random, TheFirstUniformOfSeedZeroIsRandom123sKnownAnswer) {
  PerChain out(1, 1);
  Random(0).uniforms(Purpose::kStart, 0, 0, out);
  EXPECT_EQ(out(0, 0), static_cast<double>((0x6627e8d5e169c58d >> 11U) + 1) * 0x1p-53);
}

// A normal is a product of a square root and a cosine, each off by a few ulps. The radius is below
// 9, and 1e-15 is nine ulps of 1.
TEST(Random, NormalsAreBoxMullerOfPhilox) {
  constexpr Index kDim = 7;  // odd: the last pair gives only one coordinate
  int compared = 0;
  for (const Address& at : kAddresses) {
    Batch<double> out(kDim, 1);
    Random(at.seed).normals(at.purpose, at.step, at.chain, out);
    for (Index i = 0; i < kDim; ++i, ++compared) {
      const Words words = words_at(at, static_cast<std::uint32_t>(i / 2));
      const long double radius = std::sqrt(-2.0L * std::log(uniform_of(words[0], words[1])));
      const long double angle =
          2.0L * std::numbers::pi_v<long double> * uniform_of(words[2], words[3]);
      const long double exact = radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
      EXPECT_NEAR(out(i, 0), static_cast<double>(exact),
                  1e-15 * std::max(1.0, static_cast<double>(radius)))
          << i;
    }
  }
  EXPECT_EQ(compared, 9 * kDim);
}

// --- The promise: a number depends on its address alone ------------------------------------------

Eigen::MatrixXd normals(std::uint64_t seed, Purpose purpose, std::uint64_t step,
                        std::uint64_t first_chain, Index dim, Index chains) {
  Batch<double> out(dim, chains);
  Random(seed).normals(purpose, step, first_chain, out);
  return test::to_matrix(out);
}

Eigen::MatrixXd uniforms(std::uint64_t seed, Purpose purpose, std::uint64_t step,
                         std::uint64_t first_chain, Index chains) {
  PerChain out(1, chains);
  Random(seed).uniforms(purpose, step, first_chain, out);
  return test::to_matrix(out);
}

TEST(Random, GivesTheSameBitsWhateverTheBatch) {
  const Eigen::MatrixXd all = normals(3, Purpose::kLocalNoise, 17, 1000, 5, 200);
  const Eigen::MatrixXd all_uniforms = uniforms(3, Purpose::kAcceptance, 17, 1000, 200);
  int parts = 0;
  for (const Index width : {1, 3, 17, 32, 64}) {
    for (const Index first : {0, 1, 31, 32, 100}) {
      const auto chain = static_cast<std::uint64_t>(1000 + first);
      const Eigen::MatrixXd part = normals(3, Purpose::kLocalNoise, 17, chain, 5, width);
      EXPECT_EQ(test::differing_bits(part, all.middleCols(first, width)), 0);
      const Eigen::MatrixXd uniform = uniforms(3, Purpose::kAcceptance, 17, chain, width);
      EXPECT_EQ(test::differing_bits(uniform, all_uniforms.middleCols(first, width)), 0);
      ++parts;
    }
  }
  EXPECT_EQ(parts, 25);
}

TEST(Random, GivesTheSameCoordinatesWhateverTheDimension) {
  const Eigen::MatrixXd tall = normals(3, Purpose::kStart, 0, 0, 9, 40);
  int parts = 0;
  for (Index dim = 1; dim <= 9; ++dim, ++parts) {
    EXPECT_EQ(test::differing_bits(normals(3, Purpose::kStart, 0, 0, dim, 40), tall.topRows(dim)),
              0);
  }
  EXPECT_EQ(parts, 9);
}

TEST(Random, SharesNoNumberBetweenAddresses) {
  // Uniforms are 53 bits of Philox. Two equal ones among a few thousand mean a shared address:
  // chance would need luck of 1e-9.
  std::set<double> seen;
  std::size_t expected = 0;
  const auto add = [&](const Eigen::MatrixXd& values) {
    for (const double value : values.reshaped()) seen.insert(value);
    expected += static_cast<std::size_t>(values.size());
  };
  for (std::uint32_t purpose = 0; purpose <= 6; ++purpose) {
    for (const std::uint64_t step : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 24U,
                                     std::uint64_t{1} << 32U, std::uint64_t{1} << 55U}) {
      for (const std::uint64_t seed :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32U}) {
        add(uniforms(seed, static_cast<Purpose>(purpose), step, 0, 40));
        add(uniforms(seed, static_cast<Purpose>(purpose), step, std::uint64_t{1} << 31U, 3));
      }
    }
  }
  EXPECT_EQ(expected, 7U * 5U * 3U * 43U);
  EXPECT_EQ(seen.size(), expected);
}

TEST(Random, SharesNoNormalBetweenAddresses) {
  std::set<double> seen;
  std::size_t expected = 0;
  for (std::uint32_t purpose = 0; purpose <= 6; ++purpose) {
    for (std::uint64_t step = 0; step < 3; ++step) {
      for (std::uint64_t seed = 0; seed < 2; ++seed) {
        const Eigen::MatrixXd values = normals(seed, static_cast<Purpose>(purpose), step, 0, 5, 40);
        for (const double value : values.reshaped()) seen.insert(value);
        expected += static_cast<std::size_t>(values.size());
      }
    }
  }
  EXPECT_EQ(expected, 7U * 3U * 2U * 200U);
  EXPECT_EQ(seen.size(), expected);
}

template <typename T>
class RandomOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(RandomOf, Scalars);

TYPED_TEST(RandomOf, MaskedNormalsAreTheUnmaskedOnesAndTouchNothingElse) {
  const Random random(11);
  int compared = 0;
  for (const Index chains : {1, 3, 17, 64}) {
    Batch<TypeParam> all(5, chains);
    random.normals(Purpose::kStart, 2, 77, all);
    Batch<TypeParam> some(5, chains);
    some.fill(TypeParam{-100});
    ColumnMask mask(chains);
    for (Index c = 0; c < chains; ++c) mask.set(c, c % 3 == 0);
    random.normals(Purpose::kStart, 2, 77, mask, some);
    for (Index c = 0; c < chains; ++c) {
      for (Index i = 0; i < 5; ++i, ++compared) {
        EXPECT_EQ(some(i, c), c % 3 == 0 ? all(i, c) : TypeParam{-100});
      }
    }
  }
  EXPECT_EQ(compared, 5 * (1 + 3 + 17 + 64));
}

TEST(Random, NormalsInFloatAreTheRoundedOnesInDouble) {
  Batch<float> single(6, 500);
  Batch<double> exact(6, 500);
  const Random random(5);
  random.normals(Purpose::kNaive, 9, 123, single);
  random.normals(Purpose::kNaive, 9, 123, exact);
  const Eigen::MatrixXd rounded = test::to_matrix(exact).cast<float>().cast<double>();
  EXPECT_EQ(test::differing_bits(test::to_matrix(single), rounded), 0);
}

// --- The distribution. Seeds are fixed, so these tests never fail by chance. The stated
// probabilities are those of a false alarm for a correct generator and an arbitrary seed.

constexpr Index kDim = 8;
constexpr Index kChains = 50'000;
constexpr double kCount = static_cast<double>(kDim) * static_cast<double>(kChains);
constexpr double kSigmas = 5.0;  // 6e-7 for each comparison

const Eigen::MatrixXd& sample() {
  static const Eigen::MatrixXd values = normals(2024, Purpose::kGlobalNoise, 5, 0, kDim, kChains);
  return values;
}

/// Kolmogorov's distance of a sample from a distribution function, times the root of the sample's
/// size.
template <typename Cdf>
double kolmogorov(std::vector<double> values, Cdf cdf) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0.0;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double below = static_cast<double>(k) / n;
    const double p = cdf(values[k]);
    distance = std::max({distance, std::abs(p - below), std::abs(p - below - 1.0 / n)});
  }
  return distance * std::sqrt(n);
}

// P(sqrt(n) D > 2.7) = 2 exp(-2 * 2.7^2) = 9e-7.
constexpr double kKolmogorovLimit = 2.7;

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

double mean(const Eigen::MatrixXd& values) {
  return values.mean();
}

TEST(Random, NormalsHaveTheMomentsOfANormal) {
  const Eigen::ArrayXXd x = sample().array();
  // Standard deviations of x, x^2, x^3 and x^4 are 1, sqrt(2), sqrt(15) and sqrt(96).
  EXPECT_NEAR(mean(x), 0.0, kSigmas / std::sqrt(kCount));
  EXPECT_NEAR(mean(x.square()), 1.0, kSigmas * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(mean(x.cube()), 0.0, kSigmas * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(mean(x.square().square()), 3.0, kSigmas * std::sqrt(96.0 / kCount));
}

TEST(Random, NormalsFollowTheNormalDistribution) {
  const Eigen::VectorXd all = sample().reshaped();
  ASSERT_EQ(all.size(), kDim * kChains);
  EXPECT_LT(kolmogorov({all.begin(), all.end()}, normal_cdf), kKolmogorovLimit);
}

TEST(Random, EveryCoordinateFollowsTheNormalDistribution) {
  Index tested = 0;
  for (Index i = 0; i < kDim; ++i, ++tested) {
    const Eigen::VectorXd row = sample().row(i);
    EXPECT_LT(kolmogorov({row.begin(), row.end()}, normal_cdf), kKolmogorovLimit) << i;
  }
  EXPECT_EQ(tested, kDim);
}

TEST(Random, ConsecutiveStepsOfOneChainFollowTheNormalDistribution) {
  std::vector<double> values;
  for (std::uint64_t step = 0; step < 20'000; ++step) {
    const Eigen::MatrixXd one = normals(7, Purpose::kLocalNoise, step, 3, 1, 1);
    values.push_back(one(0, 0));
  }
  EXPECT_LT(kolmogorov(values, normal_cdf), kKolmogorovLimit);
}

TEST(Random, NormalsReachTheirTails) {
  // Beyond 4: 6.3e-5 of 400 000 are 25.3 +- 5.
  const Eigen::ArrayXXd magnitude = sample().array().abs();
  const auto beyond = static_cast<double>((magnitude > 4.0).count());
  EXPECT_NEAR(beyond, 6.334e-5 * kCount, kSigmas * std::sqrt(6.334e-5 * kCount));
  // |z| <= sqrt(2 * 53 ln 2): the largest normal that 53 bits can give.
  EXPECT_LE(magnitude.maxCoeff(), 8.58);
}

/// |correlation| of two samples of known mean 0 and variance 1, in standard errors.
double correlation_sigmas(const Eigen::MatrixXd& one, const Eigen::MatrixXd& other) {
  EXPECT_EQ(one.size(), other.size());
  const Eigen::ArrayXXd products = one.array() * other.array();
  return std::abs(products.mean()) * std::sqrt(static_cast<double>(products.size()));
}

/// (x^2 - 1) / sqrt(2). Its correlations show whether uncorrelated normals depend on each other's
/// size.
Eigen::MatrixXd energy(const Eigen::MatrixXd& x) {
  return (x.array().square() - 1.0) / std::numbers::sqrt2;
}

TEST(Random, ChainsAreIndependent) {
  int tested = 0;
  for (const Index lag : {1, 2, 31, 32, 64}) {
    const Eigen::MatrixXd one = sample().leftCols(kChains - lag);
    const Eigen::MatrixXd other = sample().rightCols(kChains - lag);
    EXPECT_LT(correlation_sigmas(one, other), kSigmas) << lag;
    EXPECT_LT(correlation_sigmas(energy(one), energy(other)), kSigmas) << lag;
    ++tested;
  }
  EXPECT_EQ(tested, 5);
}

TEST(Random, CoordinatesAreIndependentEvenWithinAPair) {
  int tested = 0;
  for (Index i = 0; i < kDim; ++i) {
    for (Index j = 0; j < i; ++j, ++tested) {
      const Eigen::MatrixXd one = sample().row(i);
      const Eigen::MatrixXd other = sample().row(j);
      EXPECT_LT(correlation_sigmas(one, other), kSigmas) << i << ' ' << j;
      EXPECT_LT(correlation_sigmas(energy(one), energy(other)), kSigmas) << i << ' ' << j;
    }
  }
  EXPECT_EQ(tested, 28);
}

TEST(Random, StepsPurposesAndSeedsAreIndependent) {
  const std::vector<Eigen::MatrixXd> others = {
      normals(2024, Purpose::kGlobalNoise, 6, 0, kDim, kChains),
      normals(2024, Purpose::kGlobalNoise, 5 + (std::uint64_t{1} << 32U), 0, kDim, kChains),
      normals(2024, Purpose::kLocalNoise, 5, 0, kDim, kChains),
      normals(2025, Purpose::kGlobalNoise, 5, 0, kDim, kChains),
      normals(2024 + (std::uint64_t{1} << 32U), Purpose::kGlobalNoise, 5, 0, kDim, kChains),
  };
  std::size_t tested = 0;
  for (const Eigen::MatrixXd& other : others) {
    EXPECT_LT(correlation_sigmas(sample(), other), kSigmas) << tested;
    EXPECT_LT(correlation_sigmas(energy(sample()), energy(other)), kSigmas) << tested;
    ++tested;
  }
  EXPECT_EQ(tested, others.size());
}

TEST(Random, UniformsLieInTheHalfOpenUnitIntervalAndFillIt) {
  const Eigen::MatrixXd u = uniforms(1, Purpose::kAcceptance, 3, 0, 400'000);
  EXPECT_GT(u.minCoeff(), 0.0);
  EXPECT_LE(u.maxCoeff(), 1.0);
  const Eigen::MatrixXd scaled = u * 0x1p53;
  EXPECT_EQ((scaled.array() != scaled.array().floor()).count(), 0) << "multiples of 2^-53";
  const Eigen::VectorXd all = u.reshaped();
  EXPECT_LT(kolmogorov({all.begin(), all.end()}, [](double x) { return x; }), kKolmogorovLimit);
}

}  // namespace
}  // namespace flotilla
