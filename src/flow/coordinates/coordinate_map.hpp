// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A monotone map y = g(u; theta) of one coordinate. A conditioner gives the parameters theta.
/// Couplings and autoregressive layers are built of such maps.
///
///   kCoupling, kAutoregressive    the types of those layers in flow files
///   Map(reader)                   reads its entries; entry_names() are their names
///   parameters()                  rows of theta of one coordinate
///   recorded()                    rows that one coordinate records
///   forward          value: u -> y, log_det += log g'; fills the record
///   inverse          value: y -> u, log_det += log g' at u; fills the record
///   tangent          v: du -> dy = g' du + sum_p g_p dtheta_p
///   inverse_tangent  v: dy -> du
///   reverse          w: y_bar -> u_bar, and theta_bar: w g_p + log_det_bar L_p, L = log g'
///   inverse_reverse  w: (w + log_det_bar L_u) / g', and theta_bar: log_det_bar L_p - w g_p
///
/// A map whose inverse is not in closed form says how it is found by kInverse, a Direction.
///
/// All functions work on `count` columns of one coordinate. Row p of theta, theta_bar and the
/// record begins p * count values after the first row. All are const and allocate nothing.
template <typename Map, typename T>
concept CoordinateMap = std::constructible_from<Map, const LayerReader&> &&
    requires(const Map& map, const T* in, T* out, double* log_det, Index count) {
  { Map::kCoupling } -> std::convertible_to<std::string_view>;
  { Map::kAutoregressive } -> std::convertible_to<std::string_view>;
  { map.parameters() } -> std::same_as<Index>;
  { map.recorded() } -> std::same_as<Index>;
  { map.entry_names() } -> std::convertible_to<std::vector<std::string>>;
  { map.forward(in, out, out, log_det, count) } -> std::same_as<void>;  // theta, record, value
  { map.inverse(in, out, out, log_det, count) } -> std::same_as<void>;
  { map.tangent(in, in, out, count) } -> std::same_as<void>;  // record, theta_dot, v
  { map.inverse_tangent(in, in, out, count) } -> std::same_as<void>;
  { map.reverse(in, in, out, out, count) } -> std::same_as<void>;  // record, bar, w, theta_bar
  { map.inverse_reverse(in, in, out, out, count) } -> std::same_as<void>;
};

/// How the inverse of a map is found.
template <typename Map>
constexpr Direction inverse_of_map() {
  if constexpr (requires { Map::kInverse; }) return Map::kInverse;
  return {};
}

}  // namespace flotilla
