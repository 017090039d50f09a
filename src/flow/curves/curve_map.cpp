// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/curve_map.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

namespace flotilla {
Index curve_count(const LayerReader& reader, const char* name, Index least, Index most) {
  const double count = reader.number(name);
  if (!(count >= static_cast<double>(least) && count <= static_cast<double>(most) &&
        count == std::floor(count))) {
    reader.fail(fmt::format("number '{}' should be a whole number from {} to {} but is {}", name,
                            least, most, count));
  }
  return static_cast<Index>(count);
}

double positive_number(const LayerReader& reader, const char* name, double fallback) {
  const double value = reader.number_or(name, fallback);
  if (value <= 0.0) {
    reader.fail(fmt::format("number '{}' should be positive but is {}", name, value));
  }
  return value;
}

void expect_room_for_curve(const LayerReader& reader, Index parameters, Index work) {
  if (parameters > kMostCurveParameters || work > kMostCurveWork) {
    reader.fail(fmt::format(
        "its curve has {} parameters and {} derived numbers; at most {} and {} are possible",
        parameters, work, kMostCurveParameters, kMostCurveWork));
  }
}

template <typename T, MonotoneCurve Curve>
CurveMap<T, Curve>::CurveMap(const LayerReader& reader, Curve curve) : curve_(std::move(curve)) {
  expect_room_for_curve(reader, curve_.parameters(), curve_.work());
  this->set_parameters(curve_.parameters());
}

/// Fills the record. find(c, work, record_at) takes column c to its new value by record_at(u), the
/// point of the curve at u, and returns that point.
template <typename T, MonotoneCurve Curve>
template <typename Find>
void CurveMap<T, Curve>::run(const T* theta, T* record, double* log_det, Index count,
                             Find find) const {
  // Filled column by column. Clearing 38 KiB first would cost more than most curves.
  // NOLINTBEGIN(cppcoreguidelines-pro-type-member-init)
  std::array<double, kMostCurveParameters> own;
  std::array<double, kMostCurveWork> work;
  std::array<double, kMostCurveParameters> by;
  std::array<double, kMostCurveParameters> log_by;
  // NOLINTEND(cppcoreguidelines-pro-type-member-init)
  const Index parameters = this->parameters();
  T* by_theta = record + 2 * count;
  T* log_by_theta = by_theta + parameters * count;
  for (Index c = 0; c < count; ++c) {
    for (Index p = 0; p < parameters; ++p) {
      own[static_cast<std::size_t>(p)] = static_cast<double>(theta[p * count + c]);
    }
    curve_.prepare(own.data(), work.data());
    const CurvePoint point = find(c, work.data(), [&](double u) {
      return curve_.record(u, own.data(), work.data(), by.data(), log_by.data());
    });
    log_det[c] += point.log_slope;
    record[c] = static_cast<T>(point.slope);
    record[count + c] = static_cast<T>(point.log_by_u);
    for (Index p = 0; p < parameters; ++p) {
      by_theta[p * count + c] = static_cast<T>(by[static_cast<std::size_t>(p)]);
      log_by_theta[p * count + c] = static_cast<T>(log_by[static_cast<std::size_t>(p)]);
    }
  }
}

template <typename T, MonotoneCurve Curve>
void CurveMap<T, Curve>::forward(const T* theta, T* record, T* value, double* log_det,
                                 Index count) const {
  run(theta, record, log_det, count, [=](Index c, const double*, auto record_at) {
    const CurvePoint point = record_at(static_cast<double>(value[c]));
    value[c] = static_cast<T>(point.value);
    return point;
  });
}

template <typename T, MonotoneCurve Curve>
void CurveMap<T, Curve>::inverse(const T* theta, T* record, T* value, double* log_det,
                                 Index count) const {
  run(theta, record, log_det, count, [=, this](Index c, double* work, auto record_at) {
    const auto y = static_cast<double>(value[c]);
    double u = curve_.inverse(y, work);
    if (!std::isfinite(u)) u = curve_.inverse(y - kCurveRounding<T> * y, work);
    value[c] = static_cast<T>(u);
    return record_at(u);
  });
}

template class CurveMap<float, BernsteinCurve>;
template class CurveMap<double, BernsteinCurve>;
template class CurveMap<float, CubicSplineCurve>;
template class CurveMap<double, CubicSplineCurve>;
template class CurveMap<float, GaussianizationCurve>;
template class CurveMap<double, GaussianizationCurve>;
template class CurveMap<float, LinearSplineCurve>;
template class CurveMap<double, LinearSplineCurve>;
template class CurveMap<float, QuadraticSplineCurve>;
template class CurveMap<double, QuadraticSplineCurve>;
template class CurveMap<float, RationalLinearCurve>;
template class CurveMap<double, RationalLinearCurve>;
template class CurveMap<float, SumOfSquaresCurve>;
template class CurveMap<double, SumOfSquaresCurve>;

}  // namespace flotilla
