// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "flow/coordinates/recorded_map.hpp"
#include "flow/curves/monotone_curve.hpp"

namespace flotilla {

/// Columns for which a network curve is evaluated at once. A divisor of kColumnBlock, so that a
/// column's bits do not depend on its batch, and a multiple of a register tile's columns.
inline constexpr Index kCurveLanes = 16;

/// A number of each of them.
struct alignas(64) LaneRow : std::array<double, static_cast<std::size_t>(kCurveLanes)> {};

inline LaneRow lane_row(const double* values) {
  LaneRow row;
  std::copy_n(values, kCurveLanes, row.begin());
  return row;
}

/// A curve at a point of each lane; see CurvePoint.
struct LanePoints {
  LaneRow value;
  LaneRow slope;
  LaneRow log_slope;
  LaneRow log_by_u;
};

/// A monotone curve of one coordinate that is a network. What MonotoneCurve is column by column, it
/// is for kCurveLanes columns at once, in double; arrays are [rows x kCurveLanes].
///
///   Curve(reader, i)              reads its entries; i is the coordinate, where each has its own
///   prepare(theta, work)          computes what does not depend on u
///   at(u, work)                   value, slope and, if it is cheap, log_by_u: for the inverse
///   record(u, theta, work, by_theta, log_by_theta)   as of MonotoneCurve
template <typename Curve>
concept NetworkCurve = std::constructible_from<Curve, const LayerReader&, Index> &&
    requires(const Curve& curve, const LaneRow& u, const double* in, double* out) {
  { Curve::kCoupling } -> std::convertible_to<std::string_view>;
  { Curve::kAutoregressive } -> std::convertible_to<std::string_view>;
  { curve.parameters() } -> std::same_as<Index>;
  { curve.work() } -> std::same_as<Index>;
  { curve.multiply_adds() } -> std::same_as<Index>;
  { curve.entry_names() } -> std::convertible_to<std::vector<std::string>>;
  { curve.prepare(in, out) } -> std::same_as<void>;
  { curve.at(u, out) } -> std::same_as<LanePoints>;
  { curve.record(u, in, out, out, out) } -> std::same_as<LanePoints>;
  { Curve::kInverse } -> std::convertible_to<Direction>;
};

/// A map of coordinates that is a network curve, one for all coordinates or one for each.
template <typename T, NetworkCurve Curve>
class NetworkMap : public RecordedMap<T> {
 public:
  static constexpr std::string_view kCoupling = Curve::kCoupling;
  static constexpr std::string_view kAutoregressive = Curve::kAutoregressive;
  static constexpr Direction kInverse = Curve::kInverse;

  /// @throws InputError if an entry is missing or does not fit
  explicit NetworkMap(const LayerReader& reader);

  /// The number of networks.
  Index count() const { return static_cast<Index>(others_.size()) + 1; }
  /// The map of the i-th moved coordinate, in ascending order.
  const NetworkMap& of(Index i) const {
    return i == 0 || others_.empty() ? *this : others_[static_cast<std::size_t>(i - 1)];
  }
  std::vector<std::string> entry_names() const { return curve_.entry_names(); }
  /// Of a value, for one coordinate of one chain.
  Index multiply_adds() const { return curve_.multiply_adds(); }

  void forward(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void inverse(const T* theta, T* record, T* value, double* log_det, Index count) const;

 private:
  NetworkMap(const LayerReader& reader, Index coordinate);
  LaneRow solve(const LaneRow& y, double* work) const;
  template <typename Find>
  void run(const T* theta, T* record, double* log_det, Index count, Find find) const;

  Curve curve_;
  std::vector<NetworkMap> others_;
};

}  // namespace flotilla
