// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/core/random.hpp"
#include "flow/curves/curve_map.hpp"
#include "flow/curves/curve_search.hpp"
#include "flow/curves/network_curves.hpp"
#include "support/test_flows.hpp"

// Inverses of curves where they are hard to find: at random parameters, far out, where a curve is
// flat by rounding, at its ends and beyond.

namespace flotilla {
namespace {

constexpr Index kCurves = 64;  // a multiple of kColumnBlock: no padding

/// Points from the middle of a curve to where floats end.
const std::vector<double>& magnitudes() {
  static const std::vector<double> all = {0.0, 1e-30, 1e-6, 0.3, 1.0, 2.5, 4.0, 4.9,
                                          7.0, 9.0,   12.0, 30., 1e2, 1e3, 1e6, 1e12};
  return all;
}

template <typename T>
struct Mapped {
  Batch<T> value = Batch<T>(1, kCurves);
  PerChain log_slope = PerChain(1, kCurves);
};

/// The map of a record, at kCurves sets of random parameters.
template <typename T, typename Map>
class RandomCurves {
 public:
  explicit RandomCurves(const LayerRecord& record)
      : map_(LayerReader(record, "layer 0", 2)),
        theta_(map_.parameters(), kCurves),
        record_(map_.recorded(), kCurves) {
    Random(7).normals(Purpose::kNaive, 0, 0, theta_);
  }

  Mapped<T> forward(const Batch<T>& u) {
    Mapped<T> result{u, PerChain(1, kCurves)};
    map_.forward(theta_.row(0), record_.row(0), result.value.row(0), result.log_slope.row(0),
                 kCurves);
    return result;
  }
  Mapped<T> inverse(const Batch<T>& y) {
    Mapped<T> result{y, PerChain(1, kCurves)};
    map_.inverse(theta_.row(0), record_.row(0), result.value.row(0), result.log_slope.row(0),
                 kCurves);
    return result;
  }

 private:
  Map map_;
  Batch<T> theta_;
  Batch<T> record_;
};

template <typename T>
Batch<T> filled(double value) {
  Batch<T> batch(1, kCurves);
  batch.fill(static_cast<T>(value));
  return batch;
}

/// What a curve's own rounding, in double, may do to a value y. A normal quantile magnifies it.
double value_rounding(const LayerRecord& record, double y) {
  return record.type.starts_with("gaussianization") ? 64.0 * 0x1p-52 * std::exp(0.5 * y * y) : 0.0;
}

bool may_overflow(const LayerRecord& record, double magnitude) {
  return magnitude > 1e3 && record.type.starts_with("sum_of_squares");
}

/// The image of a point is taken back to a point with the same image, and near it where the curve
/// is not flat.
template <typename T, typename Map>
void expect_round_trips(const LayerRecord& record) {
  const double rounding = static_cast<double>(std::numeric_limits<T>::epsilon());
  RandomCurves<T, Map> curves(record);
  Index tried = 0;
  for (const double magnitude : magnitudes()) {
    for (const double u : {-magnitude, magnitude}) {
      const Mapped<T> there = curves.forward(filled<T>(u));
      const Mapped<T> back = curves.inverse(there.value);
      const Mapped<T> again = curves.forward(back.value);
      for (Index c = 0; c < kCurves; ++c) {
        const auto y = static_cast<double>(there.value(0, c));
        const auto found = static_cast<double>(back.value(0, c));
        if (std::isinf(y) && may_overflow(record, magnitude)) continue;
        ASSERT_TRUE(std::isfinite(y) && std::isfinite(there.log_slope(0, c)))
            << record.type << " at " << u << ", column " << c << ": " << y;
        ASSERT_TRUE(std::isfinite(found) && std::isfinite(back.log_slope(0, c)))
            << record.type << " at " << u << ", column " << c << ": " << y << " -> " << found;
        // A step of u is as good as T is, and the slope makes of it a step of y.
        const double of_y = 64.0 * rounding * (std::abs(y) + 1.0) + value_rounding(record, y);
        const double of_u = 64.0 * rounding * (magnitude + 1.0);
        const double slope = std::exp(there.log_slope(0, c));
        ASSERT_NEAR(static_cast<double>(again.value(0, c)), y, of_y + slope * of_u)
            << record.type << " at " << u << ", column " << c;
        ASSERT_TRUE(slope < 1e-3 || std::abs(found - u) <= of_u + of_y / slope)
            << record.type << " at " << u << ", column " << c << ": " << found;
        ++tried;
      }
    }
  }
  EXPECT_GE(tried, 2 * kCurves * static_cast<Index>(magnitudes().size() - 2));
}

/// Numbers that are none have no inverse, and the search for it ends.
template <typename T, typename Map>
void expect_no_inverse_of_none(const LayerRecord& record) {
  const double infinity = std::numeric_limits<double>::infinity();
  RandomCurves<T, Map> curves(record);
  const Mapped<T> found = curves.inverse(filled<T>(std::nan("")));
  for (Index c = 0; c < kCurves; ++c) EXPECT_TRUE(std::isnan(found.value(0, c))) << record.type;
  for (const double y : {-infinity, infinity, -1e300, 1e300, -1e30, 1e30}) {
    const Mapped<T> far = curves.inverse(filled<T>(y));
    for (Index c = 0; c < kCurves; ++c) {
      // The identity outside a bound has one; others have none that is found.
      EXPECT_TRUE(far.value(0, c) == static_cast<T>(y) || !std::isfinite(far.value(0, c)) ||
                  std::abs(far.value(0, c)) > T{1e6})
          << record.type << ": " << y << " -> " << far.value(0, c);
    }
  }
}

template <typename T, template <typename> class Map>
void expect_sound(const LayerRecord& record) {
  expect_round_trips<T, Map<T>>(record);
  expect_no_inverse_of_none<T, Map<T>>(record);
}

template <template <typename> class Map>
void expect_sound(const std::string& type) {
  Index found = 0;
  for (const auto& [record, parameters] : test::curve_maps("coupling")) {
    if (record.type != type + "_coupling") continue;
    expect_sound<float, Map>(record);
    expect_sound<double, Map>(record);
    ++found;
  }
  EXPECT_EQ(found, 1) << type;
}

TEST(CurveInverse, OfBernsteinPolynomials) {
  expect_sound<BernsteinMap>("bernstein");
}
TEST(CurveInverse, OfLinearQuadraticAndCubicSplines) {
  expect_sound<LinearSplineMap>("linear_spline");
  expect_sound<QuadraticSplineMap>("quadratic_spline");
  expect_sound<CubicSplineMap>("cubic_spline");
}
TEST(CurveInverse, OfGaussianizations) {
  expect_sound<GaussianizationMap>("gaussianization");
}
TEST(CurveInverse, OfIntegratedNetworks) {
  expect_sound<IntegratedNetworkMap>("integrated_network");
}
TEST(CurveInverse, OfMonotoneNetworks) {
  expect_sound<MonotoneNetworkMap>("monotone_network");
}
TEST(CurveInverse, OfRationalLinearSplines) {
  expect_sound<RationalLinearMap>("rational_linear");
}
TEST(CurveInverse, OfSumsOfSquares) {
  expect_sound<SumOfSquaresMap>("sum_of_squares");
}

TEST(CurveInverse, OfAGaussianizationEndsWhereItsValuesDo) {
  const LayerRecord record{"gaussianization_coupling", {}, {{"components", 3.0}}, {}};
  RandomCurves<double, GaussianizationMap<double>> curves(record);
  const Mapped<double> end = curves.forward(filled<double>(1e3));
  const Mapped<double> back = curves.inverse(end.value);
  const Mapped<double> beyond = curves.inverse(filled<double>(4.9));
  for (Index c = 0; c < kCurves; ++c) {
    EXPECT_NEAR(end.value(0, c), 4.891638475691884, 1e-12);
    EXPECT_TRUE(std::isfinite(back.value(0, c)));
    EXPECT_TRUE(std::isnan(beyond.value(0, c)));
  }
}

/// A curve with its root at 0: y = sign(u) |u|^power.
CurveValue power_at(double u, double power) {
  const double size = std::abs(u);
  return {std::copysign(std::pow(size, power), u), power * std::pow(size, power - 1.0)};
}

struct Found {
  double u;
  int evaluations;
};

template <typename Evaluate>
Found solved(Evaluate at, double y) {
  Found found{0.0, 0};
  found.u = solve_curve(
      [&](double u) {
        ++found.evaluations;
        return at(u);
      },
      CurveSearch(y));
  return found;
}

TEST(CurveSearch, TakesFewStepsOnSmoothCurves) {
  int tried = 0;
  for (const double root : {-1e3, -20.0, -3.0, -0.1, 1e-9, 0.5, 8.0, 15.0}) {
    for (const bool knows : {false, true}) {
      const auto bent = [=](double u) {
        const double root_of = std::sqrt(1.0 + u * u);
        const double slope = 1.0 + 0.8 * u / root_of;
        const double by_u = 0.8 / (root_of * root_of * root_of);
        return CurveValue{u + 0.8 * root_of, slope, knows ? by_u / slope : 0.0};
      };
      const Found found = solved(bent, bent(root).value);
      EXPECT_NEAR(found.u, root, 1e-14 * (1.0 + std::abs(root)));
      const int far = std::abs(root) > 100.0 ? 4 : 0;  // each of them five times as far
      EXPECT_LE(found.evaluations, far + (knows ? 7 : 9)) << root;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 16);
}

// A value's rounding, 1e-14 here, is more than the steps of u are to be.
TEST(CurveSearch, EndsSoonAtTheRoundingOfValues) {
  int tried = 0;
  for (double root = -6.0; root < 6.0; root += 0.173, ++tried) {
    const auto noisy = [](double u) {
      return CurveValue{u + 0.5 * std::sin(u) + 1e-14 * std::sin(1e16 * u),
                        1.0 + 0.5 * std::cos(u)};
    };
    const Found found = solved(noisy, root + 0.5 * std::sin(root));
    EXPECT_NEAR(found.u, root, 1e-13);
    EXPECT_LE(found.evaluations, 16) << root;
  }
  EXPECT_GE(tried, 69);
}

TEST(CurveSearch, EndsWhereNewtonsStepsDoNot) {
  int tried = 0;
  for (const double power : {1.0 / 3.0, 0.5, 3.0, 9.0}) {
    for (const double root : {-1e6, -7.0, -1e-3, 1e-9, 0.1, 100.0}) {
      const double y = power_at(root, power).value;
      const Found found = solved([=](double u) { return power_at(u, power); }, y);
      EXPECT_NEAR(power_at(found.u, power).value, y,
                  1e-13 * std::abs(y) + 1e-14 * power_at(root, power).slope);
      EXPECT_LT(found.evaluations, 120) << power << ", " << root;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 24);
  // Steps, kinks and exponentials.
  const auto kinked = [](double u) { return CurveValue{u > 1.0 ? 1e3 * u - 999.0 : u, 1.0}; };
  EXPECT_NEAR(solved(kinked, 2.0).u, 1.001, 1e-14);
  const auto steep = [](double u) { return CurveValue{std::exp(u), std::exp(u), 1.0}; };
  EXPECT_NEAR(solved(steep, 1e-200).u, std::log(1e-200), 1e-12);
  EXPECT_NEAR(solved(steep, 1e200).u, std::log(1e200), 1e-12);
  EXPECT_TRUE(std::isnan(solved(steep, -1.0).u));
  EXPECT_TRUE(std::isnan(solved([](double u) { return CurveValue{std::tanh(u), 0.0}; }, 1.5).u));
}

}  // namespace
}  // namespace flotilla
