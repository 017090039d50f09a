// SPDX-License-Identifier: BSD-3-Clause
#include "flow/coordinates/coordinate_map.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flow/coordinates/affine_map.hpp"
#include "flow/coordinates/spline_map.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

// Where splines go wrong: on knots, at the ends, far outside, in the narrowest bins, and where the
// quadratic of the inverse cancels.

namespace flotilla {
namespace {

constexpr double kBound = 2.0;  // as in test::spline_map

/// A spline with one set of parameters for each column of a block of points.
template <typename T>
class Spline {
 public:
  explicit Spline(const LayerRecord& record) : map_(LayerReader(record, "layer 0", 1)) {}

  Index parameters() const { return map_.parameters(); }

  struct Values {
    std::vector<double> y;
    std::vector<double> log_slope;
  };

  /// @param theta   [parameters x points]
  Values forward(const Eigen::MatrixXd& theta, const std::vector<double>& u) const {
    return run(theta, u, [&](const T* rows, T* record, T* value, double* log_slope, Index count) {
      map_.forward(rows, record, value, log_slope, count);
    });
  }
  Values inverse(const Eigen::MatrixXd& theta, const std::vector<double>& y) const {
    return run(theta, y, [&](const T* rows, T* record, T* value, double* log_slope, Index count) {
      map_.inverse(rows, record, value, log_slope, count);
    });
  }

 private:
  template <typename Apply>
  Values run(const Eigen::MatrixXd& theta, const std::vector<double>& points, Apply apply) const {
    const auto count = static_cast<Index>(points.size());
    const Batch<T> rows = test::to_batch<T>(theta);
    Batch<T> value(1, count);
    for (Index c = 0; c < count; ++c) {
      value(0, c) = static_cast<T>(points[static_cast<std::size_t>(c)]);
    }
    Batch<T> record(map_.recorded(), count);
    PerChain log_slope(1, count);
    apply(rows.row(0), record.row(0), value.row(0), log_slope.row(0), value.stride());
    Values result;
    for (Index c = 0; c < count; ++c) {
      result.y.push_back(static_cast<double>(value(0, c)));
      result.log_slope.push_back(log_slope(0, c));
    }
    return result;
  }

  SplineMap<T> map_;
};

LayerRecord spline(Index bins, const std::string& tails = "linear") {
  return test::spline_map("spline_coupling", bins, tails, "softmax");
}

Eigen::MatrixXd same_for_all(const Eigen::VectorXd& theta, std::size_t points) {
  return theta.replicate(1, static_cast<Index>(points));
}

double largest_gap(const std::vector<double>& a, const std::vector<double>& b) {
  double largest =
      a.empty() || a.size() != b.size() ? std::numeric_limits<double>::infinity() : 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double gap = std::abs(a[i] - b[i]);
    largest = std::isfinite(gap) ? std::max(largest, gap) : std::numeric_limits<double>::infinity();
  }
  return largest;
}

TEST(SplineMap, RoundTripsOverAMillionPointsWithRandomParameters) {
  std::size_t points = 0;
  for (const char* tails : {"linear", "circular"}) {
    const Spline<double> map(spline(8, tails));
    test::NumberStream numbers(1);
    for (int batch = 0; batch < 500; ++batch) {
      const Eigen::MatrixXd theta = numbers.matrix(map.parameters(), 1024, 4.0);
      std::vector<double> u(1024);
      for (double& value : u) value = numbers.symmetric(1.25 * kBound);
      const auto there = map.forward(theta, u);
      const auto back = map.inverse(theta, there.y);
      ASSERT_LE(largest_gap(back.y, u), 1e-10) << tails << ", batch " << batch;
      ASSERT_LE(largest_gap(back.log_slope, there.log_slope), 1e-8) << tails << ", batch " << batch;
      points += u.size();
    }
  }
  EXPECT_GE(points, 1000000U);
}

TEST(SplineMap, IsTheIdentityOutsideAndContinuousWithSlopeOneAtTheTails) {
  const Spline<double> map(spline(6));
  test::NumberStream numbers(2);
  const Eigen::VectorXd theta = numbers.matrix(map.parameters(), 1, 3.0);
  const double next = std::nextafter(kBound, 3.0);
  const std::vector<double> u = {-1e30, -next, -kBound, kBound, next, 1e30, 3.5};
  const auto there = map.forward(same_for_all(theta, u.size()), u);
  const auto back = map.inverse(same_for_all(theta, u.size()), u);
  for (std::size_t i = 0; i < u.size(); ++i) {
    EXPECT_NEAR(there.y[i], u[i], 1e-14) << u[i];
    EXPECT_NEAR(back.y[i], u[i], 1e-14) << u[i];
    EXPECT_NEAR(there.log_slope[i], 0.0, 1e-12) << u[i];
    EXPECT_NEAR(back.log_slope[i], 0.0, 1e-12) << u[i];
  }
}

TEST(SplineMap, ACircleHasOneSlopeAtBothEnds) {
  const Spline<double> map(spline(5, "circular"));
  test::NumberStream numbers(3);
  const Eigen::VectorXd theta = numbers.matrix(map.parameters(), 1, 3.0);
  const auto ends = map.forward(same_for_all(theta, 2), {-kBound, kBound});
  EXPECT_NEAR(ends.y[0], -kBound, 1e-14);
  EXPECT_NEAR(ends.y[1], kBound, 1e-14);
  EXPECT_NEAR(ends.log_slope[0], ends.log_slope[1], 1e-12);
  EXPECT_NEAR(ends.log_slope[0], std::log(1e-3 + std::log1p(std::exp(theta(10)))), 1e-12);
}

TEST(SplineMap, KnotsAreWhereTheSoftmaxPutsThemWithTheSlopesGiven) {
  constexpr Index kBins = 4;
  const Spline<double> map(spline(kBins));
  test::NumberStream numbers(4);
  const Eigen::VectorXd theta = numbers.matrix(map.parameters(), 1, 2.0);
  const auto lengths = [&](Index first) {
    const Eigen::ArrayXd share = theta.segment(first, kBins).array().exp();
    const Eigen::ArrayXd length =
        2.0 * kBound * (1e-3 + (1.0 - 1e-3 * kBins) * share / share.sum());
    return length;
  };
  const Eigen::ArrayXd widths = lengths(0);
  const Eigen::ArrayXd heights = lengths(kBins);
  std::vector<double> knots;
  std::vector<double> images;
  for (Index k = 1; k < kBins; ++k) {
    knots.push_back(-kBound + widths.head(k).sum());
    images.push_back(-kBound + heights.head(k).sum());
  }
  const auto there = map.forward(same_for_all(theta, knots.size()), knots);
  EXPECT_LE(largest_gap(there.y, images), 1e-14);
  const auto back = map.inverse(same_for_all(theta, knots.size()), images);
  EXPECT_LE(largest_gap(back.y, knots), 1e-14);
  for (std::size_t k = 0; k < knots.size(); ++k) {
    const double slope = 1e-3 + std::log1p(std::exp(theta(2 * kBins + static_cast<Index>(k))));
    EXPECT_NEAR(there.log_slope[k], std::log(slope), 1e-11) << k;
  }
  EXPECT_EQ(knots.size(), 3U);
}

TEST(SplineMap, SurvivesBinsOfMinimalWidthAndHeight) {
  // One bin takes nearly all of one axis and none of the other: widths and heights of 4e-3 beside
  // 4.
  const Spline<double> map(spline(3));
  Eigen::VectorXd theta = Eigen::VectorXd::Zero(map.parameters());
  theta(1) = 60.0;   // widths: the middle bin
  theta(3) = 60.0;   // heights: the first
  theta(6) = -40.0;  // slopes as flat and as steep as can be
  theta(7) = 20.0;
  std::vector<double> u;
  for (int i = 0; i <= 4000; ++i) u.push_back(-kBound + kBound * i / 2000.0);
  const auto there = map.forward(same_for_all(theta, u.size()), u);
  EXPECT_TRUE(std::is_sorted(there.y.begin(), there.y.end()));
  const auto back = map.inverse(same_for_all(theta, u.size()), there.y);
  // y has a rounding of 4e-16. Where the map is flattest, with slope 1e-6, u cannot be known better
  // than 4e-16 over that slope.
  for (std::size_t i = 0; i < u.size(); ++i) {
    EXPECT_NEAR(back.y[i], u[i], 1e-14 + 4e-15 * std::exp(-there.log_slope[i])) << u[i];
  }
}

TEST(SplineMap, InvertsAtTheCancellationPointOfItsQuadratic) {
  // One bin with slopes d0 at the left and d1 at the right. -B - sqrt(B^2 - 4 A C) cancels at the
  // right end if d1 > 2 s. A vanishes if d0 + d1 = 2 s.
  const Spline<double> map(spline(2));
  std::vector<double> u;
  for (int i = 1; i < 1000; ++i) u.push_back(-kBound + i * 1e-3);
  for (int i = 1; i < 1000; ++i) u.push_back(-kBound + i * 1e-12);
  int tried = 0;
  for (const double raw : {-30.0, -5.0, 0.5413248546129181, 5.0, 300.0}) {  // the third is
                                                                            // softplus^-1(1)
    for (const double tilt : {-6.0, 0.0, 6.0}) {
      Eigen::VectorXd theta(map.parameters());
      theta << 0.0, 0.0, tilt, 0.0, raw;
      const auto there = map.forward(same_for_all(theta, u.size()), u);
      const auto back = map.inverse(same_for_all(theta, u.size()), there.y);
      for (std::size_t i = 0; i < u.size(); ++i) {
        ASSERT_NEAR(back.y[i], u[i], 1e-13 + 4e-15 * std::exp(-there.log_slope[i]))
            << raw << ", " << tilt << ", " << u[i];
      }
      ++tried;
    }
  }
  EXPECT_EQ(tried, 15);
}

TEST(SplineMap, NotANumberStaysOne) {
  const Spline<float> map(spline(4));
  const Eigen::VectorXd theta = Eigen::VectorXd::Zero(map.parameters());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(map.forward(same_for_all(theta, 1), {nan}).y[0]));
  EXPECT_TRUE(std::isnan(map.inverse(same_for_all(theta, 1), {nan}).y[0]));
}

/// The message with which a coordinate map refuses a record.
template <typename Map>
std::string refusal(const LayerRecord& record) {
  try {
    Map map(LayerReader(record, "layer 0", 2));
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SplineMap, RefusesNumbersOutOfRangeBySayingTheRange) {
  LayerRecord record = spline(4);
  record.numbers["bins"] = 0.0;
  EXPECT_NE(refusal<SplineMap<double>>(record).find("'bins' should be a whole number from 1 to 64"),
            std::string::npos);
  record = spline(4);
  record.numbers["bins"] = 1e9;
  EXPECT_NE(refusal<SplineMap<double>>(record).find("but is 1000000000"), std::string::npos);
  record = spline(4);
  record.numbers["bound"] = -1.0;
  EXPECT_NE(refusal<SplineMap<double>>(record).find("'bound' should be positive but is -1"),
            std::string::npos);
  record = spline(4);
  record.numbers["min_width"] = 0.25;
  EXPECT_NE(refusal<SplineMap<double>>(record).find("'min_width' should be from 0 to below 0.25"),
            std::string::npos);
  record = spline(4);
  record.numbers.erase("bound");
  EXPECT_NE(refusal<SplineMap<double>>(record).find("number 'bound' is missing"),
            std::string::npos);
  record = spline(4);
  record.texts["tails"] = "square";
  EXPECT_NE(refusal<SplineMap<double>>(record).find(
                "text 'tails' should be one of linear, circular, free but is 'square'"),
            std::string::npos);
}

TEST(AffineMap, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(refusal<AffineMap<double>>({"affine_coupling", {{"scale", "cube"}}, {}, {}})
                .find("text 'scale' should be one of exp, sigmoid"),
            std::string::npos);
  EXPECT_NE(refusal<AffineMap<double>>({"affine_coupling", {{"scale", "tanh"}}, {}, {}})
                .find("number 'bound' is missing"),
            std::string::npos);
  EXPECT_NE(
      refusal<AffineMap<double>>({"affine_coupling", {{"scale", "sigmoid"}}, {{"floor", -1.0}}, {}})
          .find("'floor' should be >= 0 but is -1"),
      std::string::npos);
}

}  // namespace
}  // namespace flotilla
