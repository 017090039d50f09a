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

}  // namespace

MonotoneNetworkCurve::MonotoneNetworkCurve(const LayerReader& reader, Index coordinate)
    : network_(reader, coordinate) {
  if (network_.has_negative_weights()) {
    reader.fail(
        "the network of its curve does not rise: weights of u, and of all linear maps but the "
        "first, should not be negative");
  }
}

CurvePoint MonotoneNetworkCurve::record(double u, const double* /*theta*/, double* work,
                                        double* by_theta, double* log_by_theta) const {
  double* by_first = work + network_.work();
  double* slope_by_first = by_first + network_.first_units();
  const CurveValue point = network_.at(u, work);
  std::fill_n(by_first, network_.first_units(), 0.0);
  const double curvature = network_.gradients(1.0, work, by_first, slope_by_first);
  network_.to_signal(by_first, by_theta);
  network_.to_signal(slope_by_first, log_by_theta);
  for (Index j = 0; j < network_.signal(); ++j) log_by_theta[j] /= point.slope;
  return {point.value, point.slope, elementary::log_of_any(point.slope), curvature / point.slope};
}

double MonotoneNetworkCurve::inverse(double y, double* work) const {
  return solve_curve([&](double u) { return network_.at(u, work); }, CurveSearch(y));
}

IntegratedNetworkCurve::IntegratedNetworkCurve(const LayerReader& reader, Index coordinate)
    : network_(reader, coordinate), bound_(positive_number(reader, "bound", 7.0)) {
  gauss_legendre(curve_count(reader, "points", 1, kMostPoints), nodes_, weights_);
}

std::vector<std::string> IntegratedNetworkCurve::entry_names() const {
  std::vector<std::string> names = network_.entry_names();
  names.insert(names.end(), {"bound", "points"});
  return names;
}

double IntegratedNetworkCurve::log_slope(double m) const {
  return m / (1.0 + std::abs(m / bound_));
}

double IntegratedNetworkCurve::log_slope_by_m(double m) const {
  const double shrink = 1.0 / (1.0 + std::abs(m / bound_));
  return shrink * shrink;
}

void IntegratedNetworkCurve::prepare(const double* theta, double* work) const {
  network_.prepare(theta, work);
  work[network_.work() + 2 * network_.first_units()] = theta[network_.signal()];
}

CurvePoint IntegratedNetworkCurve::record(double u, const double* theta, double* work,
                                          double* by_theta, double* log_by_theta) const {
  const Index units = network_.first_units();
  double* by_first = work + network_.work();
  double* log_by_first = by_first + units;
  std::fill_n(by_first, 2 * units, 0.0);
  double y = theta[network_.signal()];
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const double m = network_.at(u * nodes_[i], work).value;
    const double area = u * weights_[i] * elementary::exp(log_slope(m));
    y += area;
    network_.gradients(area * log_slope_by_m(m), work, by_first, nullptr);
  }
  const CurveValue at = network_.at(u, work);
  const double by_m = log_slope_by_m(at.value);
  network_.gradients(by_m, work, log_by_first, nullptr);
  network_.to_signal(by_first, by_theta);
  network_.to_signal(log_by_first, log_by_theta);
  by_theta[network_.signal()] = 1.0;
  log_by_theta[network_.signal()] = 0.0;
  const double log_of_slope = log_slope(at.value);
  return {y, elementary::exp(log_of_slope), log_of_slope, by_m * at.slope};
}

double IntegratedNetworkCurve::inverse(double y, double* work) const {
  const double constant = work[network_.work() + 2 * network_.first_units()];
  const auto at = [&](double u) {
    double value = constant;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const double m = network_.value(u * nodes_[i], work);
      value += u * weights_[i] * elementary::exp(log_slope(m));
    }
    return CurveValue{value, elementary::exp(log_slope(network_.value(u, work)))};
  };
  return solve_curve(at, CurveSearch(y));
}

}  // namespace flotilla
