// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flow/curves/cubic_spline_curve.hpp"
#include "flow/curves/linear_spline_curve.hpp"
#include "flow/curves/quadratic_spline_curve.hpp"

// Where splines of one coordinate go wrong: at the ends of their interval and beyond, and in bins
// of the smallest size.

namespace flotilla {
namespace {

constexpr double kCentre = 0.5;
constexpr double kHalf = 2.0;  // of the interval

LayerRecord record_of(const std::string& type, const std::string& tails = {}) {
  LayerRecord record{type, {}, {{"bins", 3.0}, {"bound", kHalf}, {"centre", kCentre}}, {}};
  if (!tails.empty()) record.texts["tails"] = tails;
  return record;
}

/// A curve at parameters of its own.
template <typename Curve>
class Fixed {
 public:
  Fixed(const LayerRecord& record, double size)
      : curve_(LayerReader(record, "layer 0", 1)),
        theta_(static_cast<std::size_t>(curve_.parameters())),
        work_(static_cast<std::size_t>(curve_.work())),
        by_(theta_.size()),
        log_by_(theta_.size()) {
    for (std::size_t p = 0; p < theta_.size(); ++p) {
      theta_[p] = size * std::sin(static_cast<double>(7 * p + 1));
    }
    curve_.prepare(theta_.data(), work_.data());
  }

  CurvePoint at(double u) {
    return curve_.record(u, theta_.data(), work_.data(), by_.data(), log_by_.data());
  }
  double inverse(double y) { return curve_.inverse(y, work_.data()); }

 private:
  Curve curve_;
  std::vector<double> theta_;
  std::vector<double> work_;
  std::vector<double> by_;
  std::vector<double> log_by_;
};

/// @param size  of the parameters: at 60 a softmax leaves a bin nothing but its smallest length
template <typename Curve>
void expect_sound(const LayerRecord& record, double size) {
  Fixed<Curve> curve(record, size);
  for (const double end : {kCentre - kHalf, kCentre + kHalf}) {
    EXPECT_NEAR(curve.at(end).value, end, 1e-14) << record.type;
    // An end may be flat: then many points have its value.
    EXPECT_NEAR(curve.at(curve.inverse(end)).value, end, 1e-14) << record.type;
    if (size < 5.0) {
      EXPECT_NEAR(curve.inverse(end), end, 1e-13) << record.type;
    }
  }
  for (const double beyond : {-1e30, -1.5000001, 2.5000001, 1e30}) {
    EXPECT_EQ(curve.at(beyond).value, beyond) << record.type;
    EXPECT_EQ(curve.at(beyond).log_slope, 0.0) << record.type;
    EXPECT_EQ(curve.inverse(beyond), beyond) << record.type;
  }
  double before = kCentre - kHalf;
  constexpr int kPoints = 2000;
  for (int i = 1; i < kPoints; ++i) {
    const double u = kCentre + kHalf * (2.0 * i / kPoints - 1.0);
    const CurvePoint point = curve.at(u);
    ASSERT_GE(point.value, before - 1e-14) << record.type << " at " << u;
    ASSERT_GE(point.slope, 0.0) << record.type << " at " << u;
    ASSERT_NEAR(curve.at(curve.inverse(point.value)).value, point.value, 1e-13)
        << record.type << " at " << u;
    before = point.value;
  }
  EXPECT_LE(before, kCentre + kHalf);
}

TEST(SplineCurve, KeepsItsEndsAndRisesBetweenThem) {
  for (const double size : {0.0, 1.0, 4.0, 60.0}) {
    expect_sound<LinearSplineCurve>(record_of("linear_spline_coupling"),
                                    size == 60.0 ? 20.0 : size);
    for (const char* tails : {"linear", "free"}) {
      expect_sound<QuadraticSplineCurve>(record_of("quadratic_spline_coupling", tails), size);
    }
    expect_sound<CubicSplineCurve>(record_of("cubic_spline_coupling"), size);
  }
}

TEST(SplineCurve, OfEqualParametersIsTheIdentityInside) {
  Fixed<LinearSplineCurve> linear(record_of("linear_spline_coupling"), 0.0);
  Fixed<QuadraticSplineCurve> quadratic(record_of("quadratic_spline_coupling", "free"), 0.0);
  for (const double u : {-1.25, 0.0, 0.5, 1.75, 2.4}) {
    EXPECT_NEAR(linear.at(u).value, u, 1e-14);
    EXPECT_NEAR(quadratic.at(u).value, u, 1e-14);
    EXPECT_NEAR(quadratic.at(u).log_slope, 0.0, 1e-14);
  }
}

/// The message with which a curve refuses a record.
template <typename Curve>
std::string refused(const LayerRecord& record) {
  try {
    Curve curve(LayerReader(record, "layer 0", 1));
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SplineCurve, RefusesNumbersOutOfRange) {
  LayerRecord record = record_of("quadratic_spline_coupling", "linear");
  record.numbers["bins"] = 1.0;
  EXPECT_NE(refused<QuadraticSplineCurve>(record).find("at least 2 with linear tails"),
            std::string::npos);
  record = record_of("cubic_spline_coupling");
  record.numbers["min_width"] = 0.5;
  EXPECT_NE(refused<CubicSplineCurve>(record).find("'min_width' should be from 0 to below 0.33"),
            std::string::npos);
  record = record_of("linear_spline_coupling");
  record.numbers["bound"] = 0.0;
  EXPECT_NE(refused<LinearSplineCurve>(record).find("'bound' should be positive"),
            std::string::npos);
  record = record_of("linear_spline_coupling");
  record.numbers["bins"] = 65.0;
  EXPECT_NE(refused<LinearSplineCurve>(record).find("from 1 to 64"), std::string::npos);
}

}  // namespace
}  // namespace flotilla
