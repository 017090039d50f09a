// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/network_map.hpp"

#include <cmath>

#include "flow/curves/network_curves.hpp"

namespace flotilla {
namespace {

constexpr auto kMapLanes = static_cast<std::size_t>(kCurveLanes);
static_assert(kColumnBlock % kCurveLanes == 0);

/// Goes on with all searches together, until each is done.
template <typename Curve>
void search(const Curve& curve, double* work, std::array<CurveSearch, kMapLanes>& searches) {
  const auto done = [](const CurveSearch& one) { return one.done(); };
  while (!std::all_of(searches.begin(), searches.end(), done)) {
    LaneRow u;
    for (std::size_t l = 0; l < kMapLanes; ++l) u[l] = searches[l].u();
    const LanePoints point = curve.at(u, work);
    for (std::size_t l = 0; l < kMapLanes; ++l) {
      searches[l].take({point.value[l], point.slope[l], point.log_by_u[l]});
    }
  }
}

template <typename T>
LaneRow to_lanes(const T* values) {
  LaneRow row;
  for (std::size_t l = 0; l < kMapLanes; ++l) row[l] = static_cast<double>(values[l]);
  return row;
}

template <typename T>
void from_lanes(const double* row, T* values) {
  for (std::size_t l = 0; l < kMapLanes; ++l) values[l] = static_cast<T>(row[l]);
}

}  // namespace

template <typename T, NetworkCurve Curve>
NetworkMap<T, Curve>::NetworkMap(const LayerReader& reader, Index coordinate)
    : curve_(reader, coordinate) {
  expect_room_for_curve(reader, curve_.parameters(), curve_.work());
  this->set_parameters(curve_.parameters());
}

template <typename T, NetworkCurve Curve>
NetworkMap<T, Curve>::NetworkMap(const LayerReader& reader) : NetworkMap(reader, 0) {
  for (Index i = 1; i < CurveNetwork::count(reader); ++i) {
    others_.push_back(NetworkMap(reader, i));
  }
}

/// Fills the record, block by block. find(column, work, record_at) takes the block that begins with
/// a column to its new values by record_at(u), the curves at u, and returns those points.
template <typename T, NetworkCurve Curve>
template <typename Find>
void NetworkMap<T, Curve>::run(const T* theta, T* record, double* log_det, Index count,
                               Find find) const {
  // Filled block by block. Clearing 600 KiB first would cost more than small networks.
  // NOLINTBEGIN(cppcoreguidelines-pro-type-member-init)
  alignas(64) std::array<double, kMostCurveParameters * kMapLanes> own;
  alignas(64) std::array<double, kMostCurveWork * kMapLanes> work;
  alignas(64) std::array<double, kMostCurveParameters * kMapLanes> by;
  alignas(64) std::array<double, kMostCurveParameters * kMapLanes> log_by;
  // NOLINTEND(cppcoreguidelines-pro-type-member-init)
  const Index parameters = this->parameters();
  T* by_theta = record + 2 * count;
  T* log_by_theta = by_theta + parameters * count;
  for (Index begin = 0; begin < count; begin += kCurveLanes) {
    for (Index p = 0; p < parameters; ++p) {
      const LaneRow row = to_lanes(theta + p * count + begin);
      std::copy(row.begin(), row.end(), own.data() + p * kCurveLanes);
    }
    curve_.prepare(own.data(), work.data());
    const LanePoints points = find(begin, work.data(), [&](const LaneRow& u) {
      return curve_.record(u, own.data(), work.data(), by.data(), log_by.data());
    });
    double* sums = log_det + begin;
    for (std::size_t l = 0; l < kMapLanes; ++l) sums[l] += points.log_slope[l];
    from_lanes(points.slope.data(), record + begin);
    from_lanes(points.log_by_u.data(), record + count + begin);
    for (Index p = 0; p < parameters; ++p) {
      from_lanes(by.data() + p * kCurveLanes, by_theta + p * count + begin);
      from_lanes(log_by.data() + p * kCurveLanes, log_by_theta + p * count + begin);
    }
  }
}

template <typename T, NetworkCurve Curve>
void NetworkMap<T, Curve>::forward(const T* theta, T* record, T* value, double* log_det,
                                   Index count) const {
  run(theta, record, log_det, count, [=](Index begin, double*, auto record_at) {
    const LanePoints points = record_at(to_lanes(value + begin));
    from_lanes(points.value.data(), value + begin);
    return points;
  });
}

template <typename T, NetworkCurve Curve>
LaneRow NetworkMap<T, Curve>::solve(const LaneRow& y, double* work) const {
  std::array<CurveSearch, kMapLanes> searches;
  for (std::size_t l = 0; l < kMapLanes; ++l) searches[l] = CurveSearch(y[l]);
  search(curve_, work, searches);
  for (std::size_t l = 0; l < kMapLanes; ++l) {
    if (std::isfinite(searches[l].u())) continue;
    searches[l] = CurveSearch(y[l] - kCurveRounding<T> * y[l]);
  }
  search(curve_, work, searches);
  LaneRow u;
  for (std::size_t l = 0; l < kMapLanes; ++l) u[l] = searches[l].u();
  return u;
}

template <typename T, NetworkCurve Curve>
void NetworkMap<T, Curve>::inverse(const T* theta, T* record, T* value, double* log_det,
                                   Index count) const {
  run(theta, record, log_det, count, [=, this](Index begin, double* work, auto record_at) {
    const LaneRow u = solve(to_lanes(value + begin), work);
    from_lanes(u.data(), value + begin);
    return record_at(u);
  });
}

template class NetworkMap<float, IntegratedNetworkCurve>;
template class NetworkMap<double, IntegratedNetworkCurve>;
template class NetworkMap<float, MonotoneNetworkCurve>;
template class NetworkMap<double, MonotoneNetworkCurve>;

}  // namespace flotilla
