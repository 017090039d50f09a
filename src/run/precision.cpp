// SPDX-License-Identifier: BSD-3-Clause
#include "run/precision.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/core/random.hpp"
#include "flotilla/diagnostics/moments.hpp"
#include "flotilla/flow/flow.hpp"

namespace flotilla {
namespace {

constexpr std::uint64_t kSeed = 0;  // the choice does not depend on the run's seed
constexpr double kShare = 0.9;      // of draws that lose at most what FloatLoss says

/// A flow in one precision, and where it takes a tile of points.
template <typename T>
struct Image {
  Image(const Flow<T>& flow, const Batch<double>& z)
      : x(flow.dim(), z.chains()), log_det(1, z.chains()), tape(flow.tape_shape(), z.chains()) {
    for (Index i = 0; i < x.dim(); ++i) {
      for (Index c = 0; c < x.chains(); ++c) x(i, c) = static_cast<T>(z(i, c));
    }
    log_det.fill(0.0);
    flow.forward(x, log_det, tape);
  }

  Batch<T> x;
  PerChain log_det;
  Tape<T> tape;
};

/// The standard deviation of each coordinate, [dim].
std::vector<double> spreads(const Batch<double>& points) {
  std::vector<double> found;
  for (Index i = 0; i < points.dim(); ++i) {
    Moments moments;
    for (Index c = 0; c < points.chains(); ++c) {
      if (std::isfinite(points(i, c))) moments.observe(points(i, c));
    }
    found.push_back(std::sqrt(moments.variance()));
  }
  return found;
}

/// The largest |shift| of a column in units of the coordinates' spreads. A coordinate that does not
/// vary has nothing to lose.
double largest_shift(const Batch<double>& shift, Index column, const std::vector<double>& spread) {
  double largest = 0.0;
  for (Index i = 0; i < shift.dim(); ++i) {
    const double unit = spread[static_cast<std::size_t>(i)];
    if (!(unit > 0.0)) continue;
    const double moved = std::abs(shift(i, column)) / unit;
    largest =
        std::isnan(moved) ? std::numeric_limits<double>::infinity() : std::max(largest, moved);
  }
  return largest;
}

/// The log density of each column of a batch, -inf where x is not finite. One call: it may be dear.
std::vector<double> log_densities(const Density& density, const Batch<double>& x) {
  std::vector<double> values(static_cast<std::size_t>(x.chains()),
                             -std::numeric_limits<double>::infinity());
  std::vector<double> points;
  std::vector<std::size_t> columns;
  for (Index c = 0; c < x.chains(); ++c) {
    bool finite = true;
    for (Index i = 0; i < x.dim(); ++i) finite = finite && std::isfinite(x(i, c));
    if (!finite) continue;
    for (Index i = 0; i < x.dim(); ++i) points.push_back(x(i, c));
    columns.push_back(static_cast<std::size_t>(c));
  }
  if (columns.empty()) return values;
  std::vector<double> found(columns.size());
  density.evaluate({static_cast<Index>(columns.size()), x.dim(), points.data()}, found.data(),
                   nullptr);
  for (std::size_t k = 0; k < columns.size(); ++k) values[columns[k]] = found[k];
  return values;
}

/// The value that a share of kShare is at most.
double quantile(std::vector<double>& values) {
  if (values.empty()) return 0.0;
  const auto place = static_cast<Index>(kShare * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + place, values.end());
  return values[static_cast<std::size_t>(place)];
}

/// Appends the log density of each point, and how far it is from that of the point in float.
void add_errors(const Density& density, const Batch<double>& x, const Batch<double>& rounded,
                std::vector<std::pair<double, double>>& errors) {
  const std::vector<double> exactly = log_densities(density, x);
  const std::vector<double> roughly = log_densities(density, rounded);
  for (std::size_t c = 0; c < exactly.size(); ++c) {
    if (!std::isfinite(exactly[c])) continue;  // rejected in double too
    const double error = std::abs(roughly[c] - exactly[c]);
    errors.emplace_back(exactly[c],
                        std::isnan(error) ? std::numeric_limits<double>::infinity() : error);
  }
}

/// The errors where the density is largest: elsewhere no chain stays.
std::vector<double> of_largest(std::vector<std::pair<double, double>> errors) {
  std::sort(errors.begin(), errors.end(),
            [](const auto& one, const auto& other) { return one.first > other.first; });
  errors.resize((errors.size() + 3) / 4);
  std::vector<double> found;
  found.reserve(errors.size());
  for (const auto& [log_density, error] : errors) found.push_back(error);
  return found;
}

std::string describe(const FloatLoss& loss) {
  if (loss.log_density > kMostLogDet) {
    return fmt::format(
        "float numbers cannot hold the draws of this target: they move its log density by {:.2g} "
        "nats, where {:.2g} is allowed",
        loss.log_density, kMostLogDet);
  }
  return fmt::format(
      "float numbers cannot hold the draws of this flow: they move x by {:.2g} of its spread, "
      "where "
      "{:.2g} is allowed, and log|det J| by {:.2g} nats, where {:.2g} is",
      loss.shift, kMostShift, loss.log_det, kMostLogDet);
}

}  // namespace

FloatLoss measure_float_loss(const FlowRecord& record, Index tile_width, const Density* density) {
  const Flow<double> exact(record);
  const Flow<float> rounded(record);
  const Random random(kSeed);
  std::vector<double> shifts;
  std::vector<double> log_dets;
  std::vector<std::pair<double, double>> densities;  // in double, and the error of float
  Batch<double> z(record.dim, tile_width);
  for (Index first = 0; first < kFloatLossDraws; first += tile_width) {
    exact.base().sample(random, Purpose::kCalibration, 0, static_cast<std::uint64_t>(first),
                        ColumnMask::all(tile_width), z);
    const Image<double> right(exact, z);
    const Image<float> found(rounded, z);
    Batch<double> shift(record.dim, tile_width);
    Batch<double> single(record.dim, tile_width);
    for (Index i = 0; i < record.dim; ++i) {
      for (Index c = 0; c < tile_width; ++c) {
        single(i, c) = static_cast<double>(found.x(i, c));
        shift(i, c) = single(i, c) - right.x(i, c);
      }
    }
    if (density != nullptr) add_errors(*density, right.x, single, densities);
    const std::vector<double> spread = spreads(exact.has_inverse() ? z : right.x);
    if (exact.has_inverse()) exact.inverse_jvp(right.tape, shift);
    for (Index c = 0; c < tile_width; ++c) {
      if (!std::isfinite(right.log_det(0, c))) continue;  // rejected in double too
      shifts.push_back(largest_shift(shift, c, spread));
      const double error = std::abs(found.log_det(0, c) - right.log_det(0, c));
      log_dets.push_back(std::isnan(error) ? std::numeric_limits<double>::infinity() : error);
    }
  }
  std::vector<double> largest = of_largest(std::move(densities));
  return {quantile(shifts), quantile(log_dets), quantile(largest)};
}

Precision resolve_precision(const RunConfig& config, const FlowRecord& record,
                            const Density* density, const Communicator& comm) {
  if (config.precision == "double") return {config.precision, ""};
  Precision found = {"float", ""};
  comm.together([&] {
    if (!comm.is_root()) return;
    const FloatLoss loss = measure_float_loss(record, config.tile_width, density);
    if (loss.shift <= kMostShift && loss.log_det <= kMostLogDet &&
        loss.log_density <= kMostLogDet) {
      return;
    }
    if (config.precision == "float") {
      throw InputError(describe(loss) +
                       ": give --precision double, or leave the choice to --precision auto");
    }
    found = {"double", describe(loss) + ": double is used"};
  });
  comm.broadcast(found.name);
  return found;
}

}  // namespace flotilla
