// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flow/conditioner/blueprint.hpp"
#include "flow/curves/network_map.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// A network m(u; signal) with one output, in double: the inside of curves that are networks. It is
/// evaluated for kCurveLanes columns at once; arrays are [rows x kCurveLanes].
///
/// Entries: `curve_weight_k`, `curve_bias_k` of each linear map, [out x in] and [out], u the first
/// input and the signal behind it; or with the number of moved coordinates in front, where each has
/// a network of its own. Text `curve_activation`: an activation of conditioners, or two_way_elu,
/// elu for the first half of the units and -elu(-a) for the others.
class CurveNetwork {
 public:
  /// @param coordinate  whose network, where each coordinate has its own
  /// @throws InputError if the arrays do not fit each other
  CurveNetwork(const LayerReader& reader, Index coordinate);

  /// The number of networks that the entries hold.
  static Index count(const LayerReader& reader);
  /// Size of the signal.
  Index signal() const { return signal_; }
  /// Rows of working memory.
  Index work() const { return first_units() + 3 * units_ + 4 * widest_; }
  /// Multiply-adds of prepare(), and of a value after it.
  Index signal_multiply_adds() const { return signal_ * first_units(); }
  Index value_multiply_adds() const;
  /// Whether a weight on the way from u is negative.
  bool may_fall() const { return may_fall_; }
  std::vector<std::string> entry_names() const;

  /// Computes what does not depend on u.
  void prepare(const double* signal, double* work) const;
  /// m(u); records what add_gradient() needs.
  LaneRow value(const LaneRow& u, double* work) const;

  struct Point {
    LaneRow value;
    LaneRow slope;  ///< dm/du
  };
  /// m(u) and dm/du; records what add_gradient() needs.
  Point at(const LaneRow& u, double* work) const;
  /// The same; records what gradients() needs.
  Point record(const LaneRow& u, double* work) const;
  /// Of the recorded point: adds the derivatives of factor * m with respect to the sums that enter
  /// the first hidden units to `by_first` [first_units()].
  void add_gradient(const LaneRow& factor, double* work, double* by_first) const;
  /// Fills such rows with the derivatives of m and of dm/du at the recorded point. Returns
  /// d^2 m / du^2.
  LaneRow gradients(double* work, double* by_first, double* slope_by_first) const;
  /// signal_bar <- the cotangent of the signal that belongs to one of those sums
  void to_signal(const double* first_bar, double* signal_bar) const;
  Index first_units() const { return layers_.front().outputs(); }

 private:
  struct LinearMap {
    PackedPair<double> weight;  ///< [outputs x inputs]
    std::vector<double> bias;

    Index inputs() const { return weight.matrix.cols(); }
    Index outputs() const { return weight.matrix.rows(); }
    /// out <- weight in + bias
    void apply(const double* in, double* out) const;
  };
  struct Rows;

  void read_layer(const LayerReader& reader, std::size_t k, Index coordinate);
  Rows rows(double* work) const;
  void enter(const LaneRow& u, const double* first, double* sums) const;
  void activate_units(double* sums, double* slopes, double* curvatures_out, Index units) const;
  Point run(const LaneRow& u, double* work, bool with_curvatures) const;
  std::size_t hidden() const { return layers_.size() - 1; }

  Index signal_ = 0;
  bool two_way_ = false;
  bool may_fall_ = false;
  Activation activation_ = Activation::kElu;
  std::vector<double> by_u_;       ///< of the sums that enter the first hidden units
  std::vector<LinearMap> layers_;  ///< the first one's inputs are the signal
  Index widest_ = 0;
  Index units_ = 0;  ///< of all hidden layers
};

}  // namespace flotilla
