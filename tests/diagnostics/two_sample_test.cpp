// SPDX-License-Identifier: BSD-3-Clause

// Compares every measure with its definition, pair by pair.

#include "flotilla/diagnostics/two_sample.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace flotilla::test {
namespace {

PointSet normal_points(Index dim, Index count, double shift, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal(shift, 1.0);
  PointSet points(dim, count);
  for (Index i = 0; i < dim; ++i) {
    for (Index c = 0; c < count; ++c) points(i, c) = normal(generator);
  }
  return points;
}

double squared_distance(const PointSet& a, Index one, const PointSet& b, Index other) {
  double sum = 0.0;
  for (Index i = 0; i < a.dim(); ++i) {
    sum += (a(i, one) - b(i, other)) * (a(i, one) - b(i, other));
  }
  return sum;
}

TEST(TwoSample, DistancesAreThoseOfEveryPair) {
  const PointSet a = normal_points(5, 70, 0.0, 1);
  const PointSet b = normal_points(5, 41, 0.5, 2);
  std::vector<double> found(33 * 41);
  squared_distances(a, {37, 33}, b, found.data());
  int compared = 0;
  for (Index r = 0; r < 33; ++r) {
    for (Index c = 0; c < 41; ++c) {
      EXPECT_NEAR(found[static_cast<std::size_t>(r * 41 + c)], squared_distance(a, 37 + r, b, c),
                  1e-12);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 33 * 41);
}

TEST(TwoSample, RadiiReachTheNeighbourThatIsMeant) {
  const PointSet points = normal_points(3, 150, 0.0, 3);
  for (const Index k : {1, 4}) {
    const std::vector<double> radii = neighbour_radii(points, {20, 100}, k);
    ASSERT_EQ(radii.size(), 100U);
    for (Index r = 0; r < 100; ++r) {
      std::vector<double> others;
      for (Index c = 0; c < 150; ++c) {
        if (c != 20 + r) others.push_back(squared_distance(points, 20 + r, points, c));
      }
      std::sort(others.begin(), others.end());
      EXPECT_NEAR(radii[static_cast<std::size_t>(r)], others[static_cast<std::size_t>(k - 1)],
                  1e-12);
    }
  }
}

TEST(TwoSample, CountsWhoLiesInWhoseBall) {
  const PointSet reference = normal_points(2, 120, 0.0, 4);
  const PointSet sample = normal_points(2, 90, 0.7, 5);
  const std::vector<double> radii = neighbour_radii(reference, {0, 120}, 3);
  const std::vector<double> sample_radii = neighbour_radii(sample, {0, 90}, 3);
  const NeighbourCounts found = count_neighbours(reference, {10, 100}, radii, sample, sample_radii);
  std::vector<std::int64_t> covered(90, 0);
  int hits = 0;
  for (Index r = 10; r < 110; ++r) {
    double inside = 0.0;
    bool reached = false;
    for (Index c = 0; c < 90; ++c) {
      const double distance = squared_distance(reference, r, sample, c);
      if (distance <= radii[static_cast<std::size_t>(r)]) {
        inside += 1.0;
        ++covered[static_cast<std::size_t>(c)];
        ++hits;
      }
      reached = reached || distance <= sample_radii[static_cast<std::size_t>(c)];
    }
    EXPECT_EQ(found.inside[static_cast<std::size_t>(r - 10)], inside);
    EXPECT_EQ(found.found[static_cast<std::size_t>(r - 10)], reached ? 1.0 : 0.0);
  }
  EXPECT_EQ(found.covered, covered);
  EXPECT_GT(hits, 50);
}

TEST(TwoSample, ResamplesDrawEveryPointAsOftenAsChanceDoes) {
  const Resamples resamples(400, 300, 6);
  double squares = 0.0;
  for (Index column = 0; column < resamples.columns(); ++column) {
    double sum = 0.0;
    for (Index point = 0; point < 400; ++point) {
      const double weight = resamples.row(point)[column];
      sum += weight;
      if (column == 0) {
        EXPECT_EQ(weight, 1.0 / 400.0);
        continue;
      }
      squares += (400.0 * weight - 1.0) * (400.0 * weight - 1.0);
    }
    EXPECT_NEAR(sum, 1.0, 1e-12);
  }
  // Counts are multinomial: their variance is 1 - 1/400. The mean of 120,000 is known to 0.4 % (one
  // sd).
  EXPECT_NEAR(squares / (400.0 * 300.0), 1.0 - 1.0 / 400.0, 0.02);
}

TEST(TwoSample, SumsOverPairsAreThoseOfEveryPair) {
  const PointSet a = normal_points(3, 100, 0.0, 7);
  const PointSet b = normal_points(3, 80, 0.4, 8);
  const Resamples of_a(100, 3, 9);
  const Resamples of_b(80, 3, 10);
  const PairSums found = sum_pairs(a, {30, 70}, of_a, b, of_b, 1.3);
  for (Index column = 0; column < 4; ++column) {
    double distance = 0.0;
    double kernel = 0.0;
    for (Index r = 30; r < 100; ++r) {
      for (Index c = 0; c < 80; ++c) {
        const double weight = of_a.row(r)[column] * of_b.row(c)[column];
        const double squared = squared_distance(a, r, b, c);
        distance += weight * std::sqrt(squared);
        kernel += weight * std::exp(-0.5 * squared / (1.3 * 1.3));
      }
    }
    EXPECT_NEAR(found.distance[static_cast<std::size_t>(column)], distance, 1e-9);
    EXPECT_NEAR(found.kernel[static_cast<std::size_t>(column)], kernel, 1e-9);
  }
}

/// The values of a resample in order, each as often as it was drawn.
std::vector<double> drawn(const PointSet& points, const Resamples& resamples, Index column,
                          const std::vector<double>& direction) {
  std::vector<double> values;
  for (Index c = 0; c < points.chains(); ++c) {
    const auto times =
        std::llround(resamples.row(c)[column] * static_cast<double>(points.chains()));
    double along = 0.0;
    for (Index i = 0; i < points.dim(); ++i)
      along += points(i, c) * direction[static_cast<std::size_t>(i)];
    values.insert(values.end(), static_cast<std::size_t>(times), along);
  }
  std::sort(values.begin(), values.end());
  return values;
}

TEST(TwoSample, AlongOneDirectionSortedPointsAreMatched) {
  const PointSet a = normal_points(4, 60, 0.0, 11);
  const PointSet b = normal_points(4, 60, 1.0, 12);
  const Resamples of_a(60, 20, 13);
  const Resamples of_b(60, 20, 14);
  const std::vector<double> direction = {0.5, -0.5, 0.5, 0.5};
  const std::vector<double> found = projected_wasserstein(a, of_a, b, of_b, direction);
  ASSERT_EQ(found.size(), 21U);
  for (Index column = 0; column < 21; ++column) {
    const std::vector<double> one = drawn(a, of_a, column, direction);
    const std::vector<double> other = drawn(b, of_b, column, direction);
    ASSERT_EQ(one.size(), 60U);
    ASSERT_EQ(other.size(), 60U);
    double sum = 0.0;
    for (std::size_t i = 0; i < 60; ++i) sum += (one[i] - other[i]) * (one[i] - other[i]) / 60.0;
    EXPECT_NEAR(found[static_cast<std::size_t>(column)], sum, 1e-9);
  }
}

}  // namespace
}  // namespace flotilla::test
