// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/density_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include "flotilla/core/error.hpp"
#include "flotilla/core/random.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/io/numbers.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/target/density.hpp"
#include "run/side_effects.hpp"
#include "run/stopwatch.hpp"

namespace flotilla {
namespace {

using Verdict = Finding::Verdict;

constexpr Index kWidth = 64;          // points of a call that is timed, and of a flow's batch
constexpr Index kMostGradients = 16;  // points at which the gradient is held against differences
constexpr Index kMostCoordinates = 32;
constexpr double kMostPoints = 1e6;
constexpr double kTimedSeconds = 0.2;
constexpr double kSlow = 0.01;  // seconds a point: worth a remark

/// Points of data space that belong to this object.
struct Rows {
  Index count = 0;
  Index dim = 0;
  std::vector<double> x;  ///< [count x dim]

  DataPoints points() const { return {count, dim, x.data()}; }
  DataPoints point(Index k) const { return {1, dim, x.data() + k * dim}; }
};

/// What a density says of points.
struct Values {
  std::vector<double> log_density;  ///< [count]
  std::vector<double> gradient;     ///< [count x dim]; empty if it was not asked for
};

Values evaluate(const Density& density, const DataPoints& points, bool with_gradient = true) {
  // What the density does not fill in shows as NaN.
  constexpr double kUnset = std::numeric_limits<double>::quiet_NaN();
  Values found;
  found.log_density.assign(static_cast<std::size_t>(points.count), kUnset);
  if (with_gradient) {
    found.gradient.assign(static_cast<std::size_t>(points.count * points.dim), kUnset);
  }
  density.evaluate(points, found.log_density.data(),
                   with_gradient ? found.gradient.data() : nullptr);
  return found;
}

bool same_bits(const double* one, const double* other, Index count) {
  return std::memcmp(one, other, static_cast<std::size_t>(count) * sizeof(double)) == 0;
}

bool same_bits(const std::vector<double>& one, const std::vector<double>& other) {
  return one.size() == other.size() &&
         same_bits(one.data(), other.data(), static_cast<Index>(one.size()));
}

Finding values_finding(const Values& values) {
  const auto all = static_cast<Index>(values.log_density.size());
  const auto finite = std::count_if(values.log_density.begin(), values.log_density.end(),
                                    [](double value) { return std::isfinite(value); });
  if (finite == 0) {
    return {"values", Verdict::kFailed,
            fmt::format("none of {} points has a finite log density: a run finds no start; look at "
                        "the data, or give --points inside the support",
                        all)};
  }
  return {"values", Verdict::kPassed, fmt::format("finite at {} of {} points", finite, all)};
}

/// Two calls with the same points.
Finding repeat_finding(const Density& density, const Rows& rows, const Values& values) {
  const Values again = evaluate(density, rows.points());
  const Values bare = evaluate(density, rows.points(), false);
  if (!same_bits(values.log_density, again.log_density) ||
      !same_bits(values.gradient, again.gradient)) {
    return {"repeats", Verdict::kFailed,
            "two calls with the same points give other bits: the density is not a function of x, "
            "and draws cannot be repeated"};
  }
  if (!same_bits(values.log_density, bare.log_density)) {
    return {"repeats", Verdict::kFailed,
            "the log density is another number where the gradient is not asked for"};
  }
  return {"repeats", Verdict::kPassed, "the same points give the same bits"};
}

/// Points one by one, from the last to the first, against all of them in one call.
Finding batch_finding(const Density& density, const Rows& rows, const Values& values) {
  for (Index k = rows.count - 1; k >= 0; --k) {
    const Values alone = evaluate(density, rows.point(k));
    const bool same =
        same_bits(alone.log_density.data(), values.log_density.data() + k, 1) &&
        same_bits(alone.gradient.data(), values.gradient.data() + k * rows.dim, rows.dim);
    if (same) continue;
    return {
        "batches", Verdict::kFailed,
        fmt::format("point {} gives {:.17g} alone and {:.17g} among others, or another "
                    "gradient: values must be a function of x alone",
                    k, alone.log_density.front(), values.log_density[static_cast<std::size_t>(k)])};
  }
  return {"batches", Verdict::kPassed,
          "points give the same bits alone and together, in another order too"};
}

/// A derivative by central differences, and how far it can be trusted.
struct Difference {
  double slope = 0.0;
  double error = 0.0;
};

Difference difference(const Density& density, const Rows& rows, Index point, Index coordinate) {
  const double* const x = rows.x.data() + point * rows.dim;
  const double step = 1e-4 * std::max(1e-3, std::abs(x[coordinate]));
  Rows around{4, rows.dim, {}};
  for (const double share : {1.0, -1.0, 0.5, -0.5}) {
    around.x.insert(around.x.end(), x, x + rows.dim);
    around.x[around.x.size() - static_cast<std::size_t>(rows.dim - coordinate)] += share * step;
  }
  const auto moved = [&](Index k) {
    return around.x[static_cast<std::size_t>(k * rows.dim + coordinate)];
  };
  const std::vector<double> f = evaluate(density, around.points(), false).log_density;
  const double wide = (f[0] - f[1]) / (moved(0) - moved(1));
  const double narrow = (f[2] - f[3]) / (moved(2) - moved(3));
  const double rounding = 8.0 * std::numeric_limits<double>::epsilon() *
                          std::max(std::abs(f[2]), std::abs(f[3])) / step;
  return {(4.0 * narrow - wide) / 3.0, std::abs(narrow - wide) + rounding};
}

/// The gradient against differences, at some points and coordinates spread over all.
Finding gradient_finding(const Density& density, const Rows& rows, const Values& values) {
  constexpr double kTolerance = 1e-5;  // of the point's largest derivative
  Index compared = 0;
  double largest = 0.0;
  const Index points = std::min(rows.count, kMostGradients);
  const Index coordinates = std::min(rows.dim, kMostCoordinates);
  for (Index p = 0; p < points; ++p) {
    const Index k = p * rows.count / points;
    if (!std::isfinite(values.log_density[static_cast<std::size_t>(k)])) continue;
    const double* const gradient = values.gradient.data() + k * rows.dim;
    double scale = 1e-3;
    for (Index i = 0; i < rows.dim; ++i) scale = std::max(scale, std::abs(gradient[i]));
    for (Index c = 0; c < coordinates; ++c) {
      const Index i = c * rows.dim / coordinates;
      const Difference found = difference(density, rows, k, i);
      if (!std::isfinite(found.slope)) continue;  // at the edge of the support
      const double away = std::abs(gradient[i] - found.slope);
      // NaN is no derivative either.
      if (!(away <= kTolerance * scale + 8.0 * found.error)) {
        return {"gradient", Verdict::kFailed,
                fmt::format("coordinate {} at point {}: the gradient is {:g}, but differences of "
                            "the log density say {:g}",
                            i, k, gradient[i], found.slope)};
      }
      largest = std::max(largest, away / scale);
      ++compared;
    }
  }
  if (compared == 0) {
    return {"gradient", Verdict::kFailed, "no point has a neighbourhood of finite log density"};
  }
  return {"gradient", Verdict::kPassed,
          fmt::format("{} derivatives are those of the log density, to {:.1g} of the largest",
                      compared, largest)};
}

std::vector<double> derive(const Density& density, const DataPoints& points) {
  std::vector<double> values(density.outputs().size() * static_cast<std::size_t>(points.count));
  density.derive(points, values.data());
  return values;
}

Finding outputs_finding(const Density& density, const Rows& rows) {
  std::string names;
  for (const DerivedVariable& variable : derived_variables(density.outputs())) {
    names += (names.empty() ? "" : ", ") + variable.name;
  }
  const std::vector<double> together = derive(density, rows.points());
  const auto width = static_cast<Index>(density.outputs().size());
  for (Index k = 0; k < rows.count; ++k) {
    const std::vector<double> alone = derive(density, rows.point(k));
    if (same_bits(alone.data(), together.data() + k * width, width)) continue;
    return {"outputs", Verdict::kFailed,
            fmt::format("those of point {} are other numbers alone than among others", k)};
  }
  return {"outputs", Verdict::kPassed,
          fmt::format("{} numbers a draw: {}", density.outputs().size(), names)};
}

/// Seconds per point of work on kWidth points, the fastest of several times.
template <typename Work>
double seconds_per_point(Index points, Work work) {
  double fastest = std::numeric_limits<double>::infinity();
  const Stopwatch all;
  do {
    const Stopwatch clock;
    work();
    fastest = std::min(fastest, clock.seconds());
  } while (all.seconds() < kTimedSeconds);
  return fastest / static_cast<double>(points);
}

double cost_of(const Density& density, const Rows& rows) {
  const DataPoints points{std::min(rows.count, kWidth), rows.dim, rows.x.data()};
  return seconds_per_point(points.count, [&] { evaluate(density, points); });
}

/// Forward pass and one reverse pass: what a step of the default kernel takes.
double cost_of(const Flow<double>& flow) {
  Batch<double> x(flow.dim(), kWidth);
  Batch<double> z(flow.dim(), kWidth);
  flow.base().sample(Random(0), Purpose::kNaive, 0, 0, ColumnMask::all(kWidth), z);
  PerChain log_det(1, kWidth);
  Batch<double> log_det_bar(1, kWidth);
  Tape<double> tape(flow.tape_shape(), kWidth);
  return seconds_per_point(kWidth, [&] {
    x = z;
    flow.forward(x, log_det, tape);
    flow.vjp(tape, x, log_det_bar);
  });
}

Finding cost_finding(const DensityCheck& check) {
  const std::string beside =
      std::isnan(check.flow_seconds_per_point)
          ? ""
          : fmt::format("; the flow takes {:.2g} s", check.flow_seconds_per_point);
  if (check.seconds_per_point < kSlow) {
    return {"cost", Verdict::kPassed,
            fmt::format("{:.2g} s a point and its gradient{}", check.seconds_per_point, beside)};
  }
  return {"cost", Verdict::kNoted,
          fmt::format("{:.2g} s a point and its gradient{}: with 256 chains a step of the ensemble "
                      "takes {:.2g} s over the number of ranks",
                      check.seconds_per_point, beside, 256.0 * check.seconds_per_point)};
}

/// Points to check at. They all are finite.
Rows rows_of(const DensityCheckConfig& config, const Density& density, const Flow<double>* flow) {
  Rows rows;
  if (!config.points.empty()) {
    const Tensor given = read_numbers(config.points);
    if (given.shape.size() != 2 || given.shape[0] < 1) {
      throw InputError(fmt::format("{}: points should be [n x dim]", config.points.text()));
    }
    rows.count = std::min(config.draws, static_cast<Index>(given.shape[0]));
    rows.dim = static_cast<Index>(given.shape[1]);
    rows.x.assign(given.values.begin(), given.values.begin() + rows.count * rows.dim);
    for (const double value : rows.x) {
      if (std::isfinite(value)) continue;
      throw InputError(fmt::format("{}: points should be finite", config.points.text()));
    }
    return rows;
  }
  rows.dim = flow != nullptr ? flow->dim() : std::max(config.dim, density.dim());
  if (rows.dim == 0) {
    throw InputError(fmt::format(
        "{}: the density takes any number of coordinates: choose one with --dim, or give --points "
        "or --flow",
        density.name()));
  }
  rows.count = config.draws;
  Batch<double> x(rows.dim, rows.count);
  if (flow == nullptr) {
    Random(config.seed).normals(Purpose::kNaive, 0, 0, x);
  } else {
    flow->base().sample(Random(config.seed), Purpose::kNaive, 0, 0, ColumnMask::all(rows.count), x);
    PerChain log_det(1, rows.count);
    Tape<double> tape(flow->tape_shape(), rows.count);
    flow->forward(x, log_det, tape);
  }
  for (Index k = 0; k < rows.count; ++k) {
    for (Index i = 0; i < rows.dim; ++i) rows.x.push_back(x(i, k));
  }
  return rows;
}

/// @throws InputError if the density is for another dimension than the points
void expect_dim(const Density& density, const Rows& rows) {
  if (density.dim() == 0 || density.dim() == rows.dim) return;
  throw InputError(fmt::format("{}: the density has {} coordinates, but the points have {}",
                               density.name(), density.dim(), rows.dim));
}

DensityCheck check_on_this_rank(const DensityCheckConfig& config, const Flow<double>* flow) {
  DensityCheck check;
  const SideEffects side_effects = watch_side_effects([&] {
    const std::unique_ptr<Density> density =
        open_density({config.density, config.density_args}, flow == nullptr ? 0 : flow->dim());
    const Rows rows = rows_of(config, *density, flow);
    expect_dim(*density, rows);
    check.density = density->name();
    check.dim = rows.dim;
    check.points = rows.count;
    const Values values = evaluate(*density, rows.points());
    check.findings = {values_finding(values), repeat_finding(*density, rows, values),
                      batch_finding(*density, rows, values),
                      gradient_finding(*density, rows, values)};
    if (!density->outputs().empty()) check.findings.push_back(outputs_finding(*density, rows));
    check.seconds_per_point = cost_of(*density, rows);
    if (flow != nullptr) check.flow_seconds_per_point = cost_of(*flow);
    check.findings.push_back(cost_finding(check));
  });
  if (side_effects.printed > 0) {
    check.findings.push_back(
        {"output", Verdict::kNoted,
         fmt::format("the density prints on standard output, {} bytes so far: they would stand "
                     "among flotilla's own lines",
                     side_effects.printed)});
  }
  if (side_effects.threads > 0) {
    check.findings.push_back(
        {"threads", Verdict::kNoted,
         fmt::format("{} of its threads still run after it was closed", side_effects.threads)});
  }
  return check;
}

}  // namespace

std::vector<Option> options_of(DensityCheckConfig& check) {
  return {
      {.name = "density",
       .place = &check.density,
       .kind = OptionKind::kFile,
       .help = "shared library of the density",
       .positional = true,
       .required = true},
      {.name = "density-args",
       .place = &check.density_args,
       .kind = OptionKind::kArguments,
       .help = "text that the density is opened with, such as the path of its data"},
      {.name = "points",
       .place = &check.points,
       .kind = OptionKind::kArray,
       .help = "points in data space to check at, of shape [n x dim]",
       .otherwise = "draws of the flow, or of N(0, I)"},
      {.name = "flow",
       .place = &check.flow,
       .kind = OptionKind::kFlow,
       .help = "flow whose draws to check at, and whose cost to show beside the density's"},
      {.name = "context",
       .place = &check.context,
       .kind = OptionKind::kArray,
       .help = "what a conditional flow is conditioned on: numbers as in 0.5,-1, or an array"},
      {.name = "draws",
       .place = &check.draws,
       .help = "number of points",
       .range = {1.0, kMostPoints}},
      {.name = "dim",
       .place = &check.dim,
       .help = "coordinates of draws of N(0, I), for a density that takes any number; 0: its own",
       .range = {0.0, kMostPoints}},
      {.name = "seed", .place = &check.seed, .help = "of the draws"},
  };
}

void DensityCheckConfig::validate() const {
  DensityCheckConfig check = *this;  // options_of() needs a configuration that can be changed
  check_options(options_of(check));
}

DensityCheck check_density(const DensityCheckConfig& config, const Communicator& comm) {
  config.validate();
  std::optional<FlowRecord> record;
  if (!config.flow.empty()) record = replicate_flow(comm, config.flow, config.context);
  DensityCheck check;
  comm.together([&] {
    if (!comm.is_root()) return;
    std::optional<Flow<double>> flow;
    if (record) flow.emplace(*record);
    check = check_on_this_rank(config, flow ? &*flow : nullptr);
  });
  return check;
}

}  // namespace flotilla
