// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/network_curves.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/elementary.hpp"

// Work: the network's; then two rows of its first hidden units; then the constant of an integral.

namespace flotilla {
namespace {

constexpr Index kMostPoints = 256;
constexpr auto kLanes = static_cast<std::size_t>(kCurveLanes);

/// A Legendre polynomial of degree n and its derivative, |x| < 1.
CurveValue legendre(Index n, double x) {
  double before = 1.0;
  double value = x;
  for (Index k = 2; k <= n; ++k) {
    const auto order = static_cast<double>(k);
    const double next = ((2.0 * order - 1.0) * x * value - (order - 1.0) * before) / order;
    before = value;
    value = next;
  }
  const auto degree = static_cast<double>(n);
  return {value, degree * (x * value - before) / (x * x - 1.0)};
}

/// The Gauss-Legendre rule of n points on [0, 1]: roots by Newton steps from cosines.
void gauss_legendre(Index n, std::vector<double>& nodes, std::vector<double>& weights) {
  for (Index i = 0; i < n; ++i) {
    const double place = (static_cast<double>(i) + 0.75) / (static_cast<double>(n) + 0.5);
    double x = -std::cos(std::numbers::pi * place);
    for (int step = 0; step < 8; ++step) {
      const CurveValue at = legendre(n, x);
      x -= at.value / at.slope;
    }
    const double slope = legendre(n, x).slope;
    nodes.push_back(0.5 * (1.0 + x));
    weights.push_back(1.0 / ((1.0 - x * x) * slope * slope));
  }
}

LaneRow times(const LaneRow& u, double factor) {
  LaneRow row;
  for (std::size_t l = 0; l < kLanes; ++l) row[l] = u[l] * factor;
  return row;
}

}  // namespace

MonotoneNetworkCurve::MonotoneNetworkCurve(const LayerReader& reader, Index coordinate)
    : network_(reader, coordinate) {
  if (network_.may_fall()) {
    reader.fail(
        "the network of its curve does not rise: weights of u, and of all linear maps but the "
        "first, should not be negative");
  }
}

LanePoints MonotoneNetworkCurve::at(const LaneRow& u, double* work) const {
  const CurveNetwork::Point point = network_.at(u, work);
  return {point.value, point.slope, {}, {}};
}

LanePoints MonotoneNetworkCurve::record(const LaneRow& u, const double* /*theta*/, double* work,
                                        double* by_theta, double* log_by_theta) const {
  double* by_first = work + network_.work() * kCurveLanes;
  double* slope_by_first = by_first + network_.first_units() * kCurveLanes;
  const CurveNetwork::Point point = network_.record(u, work);
  const LaneRow bend = network_.gradients(work, by_first, slope_by_first);
  network_.to_signal(by_first, by_theta);
  network_.to_signal(slope_by_first, log_by_theta);
  LanePoints points{point.value, point.slope, {}, {}};
  for (std::size_t l = 0; l < kLanes; ++l) {
    points.log_slope[l] = elementary::log_of_any(point.slope[l]);
    points.log_by_u[l] = bend[l] / point.slope[l];
  }
  for (Index j = 0; j < network_.signal(); ++j) {
    for (const double slope : point.slope) *log_by_theta++ /= slope;
  }
  return points;
}

IntegratedNetworkCurve::IntegratedNetworkCurve(const LayerReader& reader, Index coordinate)
    : network_(reader, coordinate),
      shifted_elu_(reader.choice("integrand", {"exp", "shifted_elu"}) == 1),
      bound_(positive_number(reader, "bound", 7.0)) {
  const Index points = curve_count(reader, "points", 1, kMostPoints);
  if (reader.has_array("nodes")) {
    nodes_ = reader.array("nodes", {points});
    weights_ = reader.array("weights", {points});
  } else {
    gauss_legendre(points, nodes_, weights_);
  }
}

std::vector<std::string> IntegratedNetworkCurve::entry_names() const {
  std::vector<std::string> names = network_.entry_names();
  names.insert(names.end(), {"integrand", "bound", "points", "nodes", "weights"});
  return names;
}

double IntegratedNetworkCurve::log_slope(double m) const {
  if (shifted_elu_) return m < 0.0 ? m : elementary::log1p(m);
  return m / (1.0 + std::abs(m / bound_));
}

double IntegratedNetworkCurve::log_slope_by_m(double m) const {
  if (shifted_elu_) return m < 0.0 ? 1.0 : 1.0 / (1.0 + m);
  const double shrink = 1.0 / (1.0 + std::abs(m / bound_));
  return shrink * shrink;
}

double* IntegratedNetworkCurve::constant(double* work) const {
  return work + (network_.work() + 2 * network_.first_units()) * kCurveLanes;
}

void IntegratedNetworkCurve::prepare(const double* theta, double* work) const {
  network_.prepare(theta, work);
  std::copy_n(theta + network_.signal() * kCurveLanes, kCurveLanes, constant(work));
}

LanePoints IntegratedNetworkCurve::at(const LaneRow& u, double* work) const {
  LanePoints points{lane_row(constant(work)), {}, {}, {}};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const LaneRow m = network_.value(times(u, nodes_[i]), work);
    for (std::size_t l = 0; l < kLanes; ++l) {
      points.value[l] += u[l] * weights_[i] * elementary::exp(log_slope(m[l]));
    }
  }
  const CurveNetwork::Point end = network_.at(u, work);
  for (std::size_t l = 0; l < kLanes; ++l) {
    points.slope[l] = elementary::exp(log_slope(end.value[l]));
    points.log_by_u[l] = log_slope_by_m(end.value[l]) * end.slope[l];
  }
  return points;
}

LanePoints IntegratedNetworkCurve::record(const LaneRow& u, const double* theta, double* work,
                                          double* by_theta, double* log_by_theta) const {
  const Index values = network_.first_units() * kCurveLanes;
  double* by_first = work + network_.work() * kCurveLanes;
  double* log_by_first = by_first + values;
  std::fill_n(by_first, 2 * values, 0.0);
  LanePoints points{lane_row(theta + network_.signal() * kCurveLanes), {}, {}, {}};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const LaneRow m = network_.value(times(u, nodes_[i]), work);
    LaneRow factor;
    for (std::size_t l = 0; l < kLanes; ++l) {
      const double area = u[l] * weights_[i] * elementary::exp(log_slope(m[l]));
      points.value[l] += area;
      factor[l] = area * log_slope_by_m(m[l]);
    }
    network_.add_gradient(factor, work, by_first);
  }
  const CurveNetwork::Point end = network_.at(u, work);
  LaneRow by_m;
  for (std::size_t l = 0; l < kLanes; ++l) {
    by_m[l] = log_slope_by_m(end.value[l]);
    points.log_slope[l] = log_slope(end.value[l]);
    points.slope[l] = elementary::exp(points.log_slope[l]);
    points.log_by_u[l] = by_m[l] * end.slope[l];
  }
  network_.add_gradient(by_m, work, log_by_first);
  network_.to_signal(by_first, by_theta);
  network_.to_signal(log_by_first, log_by_theta);
  std::fill_n(by_theta + network_.signal() * kCurveLanes, kCurveLanes, 1.0);
  std::fill_n(log_by_theta + network_.signal() * kCurveLanes, kCurveLanes, 0.0);
  return points;
}

}  // namespace flotilla
