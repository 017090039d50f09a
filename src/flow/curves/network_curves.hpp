// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/curve_network.hpp"
#include "flow/curves/network_map.hpp"

namespace flotilla {

/// A network of u and a signal that rises with u, because no weight on the way from u is negative:
/// y = m(u; signal). theta is the signal; the inverse is solved for. Source: Huang et al. 2018,
/// arXiv:1804.00779 (neural autoregressive flows).
class MonotoneNetworkCurve {
 public:
  static constexpr std::string_view kCoupling = "monotone_network_coupling";
  static constexpr std::string_view kAutoregressive = "monotone_network_autoregressive";
  static constexpr Direction kInverse = kCurveSolved;

  /// @throws InputError if the network does not fit, or a weight on the way from u is negative
  MonotoneNetworkCurve(const LayerReader& reader, Index coordinate);

  Index parameters() const { return network_.signal(); }
  Index work() const { return network_.work() + 2 * network_.first_units(); }
  Index multiply_adds() const {
    return network_.signal_multiply_adds() + network_.value_multiply_adds();
  }
  std::vector<std::string> entry_names() const { return network_.entry_names(); }

  void prepare(const double* theta, double* work) const { network_.prepare(theta, work); }
  LanePoints at(const LaneRow& u, double* work) const;
  LanePoints record(const LaneRow& u, const double* theta, double* work, double* by_theta,
                    double* log_by_theta) const;

 private:
  CurveNetwork network_;
};

/// The integral of a positive function: y = constant + int_0^u exp(c(m(t; signal))) dt, m a network
/// and c(m) = m / (1 + |m / bound|); or c(m) = m below 0 and log(1 + m) above, for the integrand 1
/// + elu(m).
///
/// theta is the signal and the constant. The integral is a sum of `points` terms, Gauss and
/// Legendre's or with the nodes and weights of the record; its slope is taken to be the integrand
/// at u, so the two differ by the error of the sum. The inverse is solved for. Source: Wehenkel &
/// Louppe 2019, arXiv:1908.05164.
class IntegratedNetworkCurve {
 public:
  static constexpr std::string_view kCoupling = "integrated_network_coupling";
  static constexpr std::string_view kAutoregressive = "integrated_network_autoregressive";
  static constexpr Direction kInverse = kCurveSolved;

  /// @throws InputError if the network does not fit, or `points` or `bound` are out of range
  IntegratedNetworkCurve(const LayerReader& reader, Index coordinate);

  Index parameters() const { return network_.signal() + 1; }
  Index work() const { return network_.work() + 2 * network_.first_units() + 1; }
  Index multiply_adds() const {
    const auto places = static_cast<Index>(nodes_.size()) + 1;
    return network_.signal_multiply_adds() + places * network_.value_multiply_adds();
  }
  std::vector<std::string> entry_names() const;

  void prepare(const double* theta, double* work) const;
  LanePoints at(const LaneRow& u, double* work) const;
  LanePoints record(const LaneRow& u, const double* theta, double* work, double* by_theta,
                    double* log_by_theta) const;

 private:
  double log_slope(double m) const;
  double log_slope_by_m(double m) const;
  double* constant(double* work) const;

  CurveNetwork network_;
  bool shifted_elu_;
  double bound_;
  std::vector<double> nodes_;    ///< in units of u
  std::vector<double> weights_;  ///< their sum is 1, but for rounding
};

template <typename T>
using IntegratedNetworkMap = NetworkMap<T, IntegratedNetworkCurve>;
template <typename T>
using MonotoneNetworkMap = NetworkMap<T, MonotoneNetworkCurve>;

}  // namespace flotilla
