// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/golden.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/flow/flow.hpp"

namespace flotilla {
namespace {

void expect_shape(const Tensor& tensor, const std::string& name, const std::vector<Index>& shape) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  if (tensor.shape == shape && static_cast<Index>(tensor.values.size()) == count) return;
  throw InputError(fmt::format("golden array '{}' should have shape [{}] but has [{}]", name,
                               fmt::join(shape, " x "), fmt::join(tensor.shape, " x ")));
}

/// [points x dim] as a batch [dim x points].
template <typename T>
Batch<T> to_batch(const Tensor& tensor) {
  Batch<T> batch(tensor.shape[1], tensor.shape[0]);
  for (Index j = 0; j < batch.chains(); ++j) {
    for (Index i = 0; i < batch.dim(); ++i) {
      batch(i, j) = static_cast<T>(tensor.values[static_cast<std::size_t>(j * batch.dim() + i)]);
    }
  }
  return batch;
}

double deviation(double found, double expected) {
  const double distance = std::abs(found - expected) / std::max(1.0, std::abs(expected));
  return std::isfinite(distance) ? distance : std::numeric_limits<double>::infinity();
}

template <typename T>
double largest_deviation(const Batch<T>& found, const Tensor& expected) {
  double largest = 0.0;
  for (Index j = 0; j < found.chains(); ++j) {
    for (Index i = 0; i < found.dim(); ++i) {
      const double value = expected.values[static_cast<std::size_t>(j * found.dim() + i)];
      largest = std::max(largest, deviation(static_cast<double>(found(i, j)), value));
    }
  }
  return largest;
}

template <typename T>
void verify_base(const GoldenValues& golden, const Base<T>& base, GoldenDeviations& result) {
  if (golden.base_log_density.values.empty() && golden.base_score.values.empty()) return;
  expect_shape(golden.base_log_density, "base_log_density", golden.log_det.shape);
  expect_shape(golden.base_score, "base_score", golden.z.shape);
  const Batch<T> z = to_batch<T>(golden.z);
  PerChain log_density(1, z.chains());
  base.add_log_density(z, 1.0, log_density);
  result.base_log_density = largest_deviation(log_density, golden.base_log_density);
  Batch<T> score(z.dim(), z.chains());
  base.score(z, score);
  result.base_score = largest_deviation(score, golden.base_score);
}

template <typename T>
void verify_inverse(const GoldenValues& golden, const Flow<T>& flow, Tape<T>& tape,
                    GoldenDeviations& result) {
  const bool exact = golden.z_from_x.values.empty();
  if (!exact) {
    expect_shape(golden.z_from_x, "z_from_x", golden.z.shape);
    expect_shape(golden.tangent_from_jvp, "tangent_from_jvp", golden.z.shape);
  }
  PerChain log_det(1, golden.z.shape[0]);
  Batch<T> point = to_batch<T>(golden.x);
  flow.inverse(point, log_det, tape);
  result.z_from_x = largest_deviation(point, exact ? golden.z : golden.z_from_x);
  // An inverse that is not exact has its log det at another point.
  if (exact) {
    result.log_det = std::max(result.log_det, largest_deviation(log_det, golden.log_det));
  }

  Batch<T> tangent = to_batch<T>(golden.jvp);
  flow.inverse_jvp(tape, tangent);
  result.tangent_from_jvp =
      largest_deviation(tangent, exact ? golden.tangent : golden.tangent_from_jvp);
}

}  // namespace

double GoldenDeviations::largest() const {
  return std::max({x, log_det, log_det_gradient, jvp, z_from_x, tangent_from_jvp, base_log_density,
                   base_score});
}

template <typename T>
GoldenDeviations verify_golden(const FlowRecord& record) {
  const GoldenValues& golden = record.golden;
  if (golden.z.shape.size() != 2 || golden.z.shape[0] < 1) {
    throw InputError("the flow file holds no golden values, so it cannot be verified");
  }
  const std::vector<Index> points = {golden.z.shape[0], record.dim};
  expect_shape(golden.z, "z", points);
  expect_shape(golden.x, "x", points);
  expect_shape(golden.log_det, "log_det", {points[0]});
  expect_shape(golden.log_det_gradient, "log_det_gradient", points);
  expect_shape(golden.tangent, "tangent", points);
  expect_shape(golden.jvp, "jvp", points);

  const Flow<T> flow(at_context(record, golden.context.values));
  Tape<T> tape(flow.tape_shape(), points[0]);
  PerChain log_det(1, points[0]);
  GoldenDeviations result;

  Batch<T> point = to_batch<T>(golden.z);
  flow.forward(point, log_det, tape);
  result.x = largest_deviation(point, golden.x);
  result.log_det = largest_deviation(log_det, golden.log_det);

  Batch<T> gradient(record.dim, points[0]);
  Batch<T> one(1, points[0]);
  one.fill(T{1});
  flow.vjp(tape, gradient, one);
  result.log_det_gradient = largest_deviation(gradient, golden.log_det_gradient);

  Batch<T> tangent = to_batch<T>(golden.tangent);
  flow.jvp(tape, tangent);
  result.jvp = largest_deviation(tangent, golden.jvp);

  if (flow.has_inverse()) verify_inverse(golden, flow, tape, result);
  verify_base(golden, flow.base(), result);
  return result;
}

double explained_in_float(const GoldenDeviations& in_double) {
  constexpr double kRoundingsRatio = 16.0;
  constexpr double kRatio = static_cast<double>(std::numeric_limits<float>::epsilon()) /
                            std::numeric_limits<double>::epsilon();
  return std::max(kFloatTolerance, kRoundingsRatio * kRatio * in_double.largest());
}

template <typename T>
void expect_golden(const FlowRecord& record) {
  const GoldenDeviations in_double = verify_golden<double>(record);
  const bool right = in_double.largest() <= kDoubleTolerance;
  if (right && (std::is_same_v<T, double> ||
                verify_golden<float>(record).largest() <= explained_in_float(in_double))) {
    return;
  }
  throw InputError(
      "the golden values of the file are not what this program computes: see 'flotilla flow "
      "verify', and export it again");
}

template void expect_golden<float>(const FlowRecord&);
template void expect_golden<double>(const FlowRecord&);
template GoldenDeviations verify_golden<float>(const FlowRecord&);
template GoldenDeviations verify_golden<double>(const FlowRecord&);

}  // namespace flotilla
