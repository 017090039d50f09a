// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/comparison.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/moments.hpp"
#include "flotilla/diagnostics/two_sample.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/run/recorded.hpp"
#include "flotilla/target/registry.hpp"
#include "flotilla/target/target.hpp"
#include "quality/run_flow.hpp"

namespace flotilla {
namespace {

constexpr Index kRowsOfSum = 256;  // rows per partial sum, the same on any number of ranks
constexpr Index kFlowWidth = 64;   // points per pass through the flow
constexpr Index kBandwidthPoints = 1000;
constexpr Index kFewestRows = 16;  // of a reference

/// This rank's share of `count` items.
PointRange share(Index count, const Communicator& comm) {
  const Index first = count * comm.rank() / comm.size();
  return {first, count * (comm.rank() + 1) / comm.size() - first};
}

/// This rank's share of `count` points, in pieces of kRowsOfSum.
std::vector<PointRange> pieces(Index count, const Communicator& comm) {
  const PointRange own = share((count + kRowsOfSum - 1) / kRowsOfSum, comm);
  std::vector<PointRange> found;
  for (Index p = own.first; p < own.first + own.count; ++p) {
    found.push_back({p * kRowsOfSum, std::min(kRowsOfSum, count - p * kRowsOfSum)});
  }
  return found;
}

PointRange rows_of(const std::vector<PointRange>& pieces) {
  if (pieces.empty()) return {};
  return {pieces.front().first, pieces.back().first + pieces.back().count - pieces.front().first};
}

// ---- The three sets.

/// Every `step`-th row of an array, from `first` on.
PointSet rows_of_array(const Tensor& array, Index first, Index step, Index count) {
  const Index dim = array.shape[1];
  PointSet points(dim, count);
  for (Index c = 0; c < count; ++c) {
    const double* row = array.values.data() + (first + c * step) * dim;
    for (Index i = 0; i < dim; ++i) points(i, c) = row[i];
  }
  return points;
}

/// Points, and log q_X at each.
struct Sample {
  std::string name;
  PointSet points;
  std::vector<double> log_density;
};

/// From rows of coordinates followed by log q_X.
constexpr const char* kLatentGroup = "unconstrained_posterior";

Sample sample_of(const std::string& name, const std::vector<double>& rows, Index dim) {
  const auto count = static_cast<Index>(rows.size()) / (dim + 1);
  PointSet points(dim, count);
  std::vector<double> log_density;
  log_density.reserve(static_cast<std::size_t>(count));
  for (Index c = 0; c < count; ++c) {
    const double* row = rows.data() + c * (dim + 1);
    for (Index i = 0; i < dim; ++i) points(i, c) = row[i];
    log_density.push_back(row[dim]);
  }
  return {name, std::move(points), std::move(log_density)};
}

/// The target of a run if log q_Z follows from its log density and l; else null.
std::unique_ptr<Target<double>> invertible_target(const RunReader& reader,
                                                  const Flow<double>& flow) {
  const std::string name = reader.text("target");
  const bool known = std::any_of(
      target_registry().begin(), target_registry().end(),
      [&](const TargetRow& row) { return row.of_log_det_alone && name == row.choice.name; });
  return known ? make_target(recorded_target(reader), flow) : nullptr;
}

/// log q_X at draws of a run, from the run's own log density and l. Its points are in float, and
/// the inverse can magnify their rounding.
class RunDensity {
 public:
  /// @param target  of the run; null if log q_X does not follow from its log density
  RunDensity(std::unique_ptr<Target<double>> target, const Flow<double>& flow)
      : learnt_(flow.base(), 1.0),
        target_(std::move(target)),
        z_(flow.dim(), kWidth),
        log_det_(1, kWidth),
        density_(1, kWidth),
        cotangents_(flow.dim(), kWidth) {
    // Any point with a positive base density will do.
    flow.base().sample(Random(0), Purpose::kNaive, 0, 0, ColumnMask::all(kWidth), z_);
  }

  /// Both densities are log q_Z(z) minus a function of l, so their difference does not depend on z.
  /// @param lp, log_det  of the run, at one draw
  double operator()(double lp, double log_det) {
    if (target_ == nullptr) return kUndefined;
    log_det_.fill(log_det);
    learnt_.evaluate(z_, z_, log_det_, density_, cotangents_);
    const double learnt = density_(0, 0);
    target_->evaluate(z_, z_, log_det_, density_, cotangents_);
    return lp + learnt - density_(0, 0);
  }

  /// log q_X at the image of a latent point. @param z  [dim]
  double at_latent(const double* z, double log_det) {
    for (Index i = 0; i < z_.dim(); ++i) z_(i, 0) = z[i];
    log_det_.fill(log_det);
    learnt_.evaluate(z_, z_, log_det_, density_, cotangents_);
    return density_(0, 0);
  }

 private:
  static constexpr Index kWidth = 1;
  TemperedTarget<double> learnt_;
  std::unique_ptr<Target<double>> target_;
  Batch<double> z_;
  PerChain log_det_;
  PerChain density_;
  Cotangents<double> cotangents_;
};

/// Draws of a run, spread evenly over its chains and over the draws of each chain.
Sample run_sample(const RunReader& reader, const RunVariable& x, const Flow<double>& flow,
                  std::unique_ptr<Target<double>> target, Index count) {
  const RunVariable lp = reader.variable("sample_stats", "lp");
  const RunVariable log_det = reader.variable("sample_stats", "log_det_jacobian");
  expect_same_draws(reader.path(), x, lp);
  expect_same_draws(reader.path(), x, log_det);
  std::optional<RunVariable> z;
  if (target == nullptr && reader.has_group(kLatentGroup)) {
    z = reader.variable(kLatentGroup, "z");
    expect_same_draws(reader.path(), x, *z);
  }
  std::vector<double> latent(static_cast<std::size_t>(z ? z->dim : 0));
  RunDensity density(std::move(target), flow);
  std::vector<double> rows(static_cast<std::size_t>(count * (x.dim + 1)));
  // Take equally many of each chain, up to one, as far apart as possible.
  const Index used = std::min(count, x.chains);
  const Index turns = (count + used - 1) / used;
  for (Index c = 0; c < count; ++c) {
    const Index turn = c / used;
    const Index own = c % used;
    const Index draw = (turn * x.draws + own * x.draws / used) / turns;
    const RunSlab slab{own * x.chains / used, 1, draw, 1, 0, 1};
    RunSlab point = slab;
    point.coordinates = x.dim;
    double* row = rows.data() + c * (x.dim + 1);
    reader.read(x, point, row);
    double here[2] = {};
    reader.read(lp, slab, &here[0]);
    reader.read(log_det, slab, &here[1]);
    if (z) reader.read(*z, point, latent.data());
    row[x.dim] = z ? density.at_latent(latent.data(), here[1]) : density(here[0], here[1]);
  }
  return sample_of("run", rows, x.dim);
}

/// Takes points through the flow in batches. Each rank takes its share of whole batches.
template <typename Work>
std::vector<double> through_flow(Index count, const Communicator& comm, Work work) {
  const PointRange own = share((count + kFlowWidth - 1) / kFlowWidth, comm);
  std::vector<double> found;
  comm.together([&] {
    for (Index b = own.first; b < own.first + own.count; ++b) {
      const Index first = b * kFlowWidth;
      work(first, std::min(kFlowWidth, count - first), found);
    }
  });
  return comm.gather(found);
}

Sample naive_sample(const Flow<double>& flow, Index count, std::uint64_t seed,
                    const Communicator& comm) {
  const Random random(seed);
  const TemperedTarget<double> learnt(flow.base(), 1.0);
  Batch<double> z(flow.dim(), kFlowWidth);
  Batch<double> x(flow.dim(), kFlowWidth);
  PerChain log_det(1, kFlowWidth);
  PerChain density(1, kFlowWidth);
  Cotangents<double> cotangents(flow.dim(), kFlowWidth);
  Tape<double> tape(flow.tape_shape(), kFlowWidth);
  const std::vector<double> rows =
      through_flow(count, comm, [&](Index first, Index width, std::vector<double>& out) {
        flow.base().sample(random, Purpose::kNaive, 0, static_cast<std::uint64_t>(first),
                           ColumnMask::all(kFlowWidth), z);
        x = z;
        log_det.fill(0.0);
        flow.forward(x, log_det, tape);
        learnt.evaluate(z, x, log_det, density, cotangents);
        for (Index c = 0; c < width; ++c) {
          for (Index i = 0; i < flow.dim(); ++i) out.push_back(x(i, c));
          out.push_back(density(0, c));
        }
      });
  return sample_of("naive", rows, flow.dim());
}

/// log q_X of each point; NaN without an inverse.
std::vector<double> log_densities(const Flow<double>& flow, const PointSet& points,
                                  const Communicator& comm) {
  if (!flow.has_inverse()) {
    return std::vector<double>(static_cast<std::size_t>(points.chains()), kUndefined);
  }
  const TemperedTarget<double> learnt(flow.base(), 1.0);
  Batch<double> z(flow.dim(), kFlowWidth);
  PerChain log_det(1, kFlowWidth);
  PerChain density(1, kFlowWidth);
  Cotangents<double> cotangents(flow.dim(), kFlowWidth);
  Tape<double> tape(flow.tape_shape(), kFlowWidth);
  return through_flow(
      points.chains(), comm, [&](Index first, Index width, std::vector<double>& out) {
        for (Index c = 0; c < kFlowWidth; ++c) {
          const Index source = first + std::min(c, width - 1);  // padding repeats the last point
          for (Index i = 0; i < flow.dim(); ++i) z(i, c) = points(i, source);
        }
        log_det.fill(0.0);
        flow.inverse(z, log_det, tape);
        learnt.evaluate(z, z, log_det, density, cotangents);
        for (Index c = 0; c < width; ++c) out.push_back(density(0, c));
      });
}

/// Shifts a set so that the reference's mean is the origin: then distances keep their digits.
void centre(PointSet& points, const std::vector<double>& mean) {
  for (Index i = 0; i < points.dim(); ++i) {
    for (Index c = 0; c < points.chains(); ++c) points(i, c) -= mean[static_cast<std::size_t>(i)];
  }
}

std::vector<double> mean_of(const PointSet& points) {
  std::vector<double> mean;
  for (Index i = 0; i < points.dim(); ++i) {
    mean.push_back(std::accumulate(points.row(i), points.row(i) + points.chains(), 0.0) /
                   static_cast<double>(points.chains()));
  }
  return mean;
}

// ---- Measures.

/// 1 for values with a property, else 0.
template <typename T, typename Holds>
std::vector<double> flags_of(const std::vector<T>& values, Holds holds) {
  std::vector<double> flags(values.size());
  std::transform(values.begin(), values.end(), flags.begin(),
                 [&](T value) { return holds(value) ? 1.0 : 0.0; });
  return flags;
}

Estimate mean_and_error(const std::vector<double>& values) {
  Moments moments;
  for (const double value : values) moments.observe(value);
  return {moments.mean(), std::sqrt(moments.variance() / moments.count())};
}

/// The standard deviation of a statistic over resamples.
double bootstrap_error(const std::vector<double>& resampled) {
  Moments moments;
  for (const double value : resampled) moments.observe(value);
  return std::sqrt(moments.variance());
}

/// Sums over all pairs of two sets. Ranks share the rows; the order of adding is fixed.
PairSums all_pairs(const PointSet& a, const Resamples& of_a, const PointSet& b,
                   const Resamples& of_b, double bandwidth, const Communicator& comm) {
  std::vector<double> own;
  comm.together([&] {
    for (const PointRange& piece : pieces(a.chains(), comm)) {
      const PairSums sums = sum_pairs(a, piece, of_a, b, of_b, bandwidth);
      own.insert(own.end(), sums.distance.begin(), sums.distance.end());
      own.insert(own.end(), sums.kernel.begin(), sums.kernel.end());
    }
  });
  const std::vector<double> all = comm.gather(own);
  const auto columns = static_cast<std::size_t>(of_a.columns());
  PairSums total{std::vector<double>(columns, 0.0), std::vector<double>(columns, 0.0)};
  for (std::size_t place = 0; place < all.size(); place += 2 * columns) {
    for (std::size_t k = 0; k < columns; ++k) {
      total.distance[k] += all[place + k];
      total.kernel[k] += all[place + columns + k];
    }
  }
  return total;
}

/// The mean over pairs of different points, from the mean over all pairs.
double without_diagonal(double sum, double diagonal, double count) {
  return (sum * count - diagonal) / (count - 1.0);
}

/// The reference's first half, and all that is known of it.
struct Against {
  PointSet points;
  Resamples resamples;
  std::vector<double> radii;
  double bandwidth = 0.0;
  PairSums pairs;
  double log_density_quantile = kUndefined;
};

/// Energy distance and MMD. Errors are the spread over resamples.
void measure_pairs(const Against& against, const PointSet& sample, const Resamples& resamples,
                   const Communicator& comm, SampleQuality& quality) {
  const PairSums cross =
      all_pairs(against.points, against.resamples, sample, resamples, against.bandwidth, comm);
  const PairSums own = all_pairs(sample, resamples, sample, resamples, against.bandwidth, comm);
  const auto count = static_cast<double>(sample.chains());
  std::vector<double> energies;
  std::vector<double> discrepancies;
  for (std::size_t k = 1; k < cross.distance.size(); ++k) {
    energies.push_back(2.0 * cross.distance[k] - against.pairs.distance[k] - own.distance[k]);
    discrepancies.push_back(against.pairs.kernel[k] + own.kernel[k] - 2.0 * cross.kernel[k]);
  }
  const auto distinct = [&](double sum, double diagonal) {
    return without_diagonal(sum, diagonal, count);
  };
  quality.energy_distance = {2.0 * cross.distance[0] - distinct(against.pairs.distance[0], 0.0) -
                                 distinct(own.distance[0], 0.0),
                             bootstrap_error(energies)};
  quality.mmd = {
      distinct(against.pairs.kernel[0], 1.0) + distinct(own.kernel[0], 1.0) - 2.0 * cross.kernel[0],
      bootstrap_error(discrepancies)};
}

std::vector<double> direction(Index dim, Index number, std::uint64_t seed) {
  PerChain normals(1, dim);
  Random(seed).normals(Purpose::kCalibration, static_cast<std::uint64_t>(number), 0, normals);
  std::vector<double> along(normals.row(0), normals.row(0) + dim);
  const double length =
      std::sqrt(std::inner_product(along.begin(), along.end(), along.begin(), 0.0));
  for (double& entry : along) entry /= length;
  return along;
}

Estimate sliced_wasserstein(const ComparisonConfig& config, const Against& against,
                            const PointSet& sample, const Resamples& resamples,
                            const Communicator& comm) {
  std::vector<double> own;
  comm.together([&] {
    const PointRange mine = share(config.projections, comm);
    for (Index p = mine.first; p < mine.first + mine.count; ++p) {
      const std::vector<double> along =
          projected_wasserstein(against.points, against.resamples, sample, resamples,
                                direction(sample.dim(), p, config.seed));
      own.insert(own.end(), along.begin(), along.end());
    }
  });
  const std::vector<double> all = comm.gather(own);
  const auto columns = static_cast<std::size_t>(resamples.columns());
  std::vector<double> distances(columns, 0.0);
  for (std::size_t i = 0; i < all.size(); ++i) distances[i % columns] += all[i];
  for (double& sum : distances) sum = std::sqrt(sum / static_cast<double>(config.projections));
  const double distance = distances.front();
  distances.erase(distances.begin());
  return {distance, bootstrap_error(distances)};
}

std::vector<double> radii_of(const PointSet& points, Index k, const Communicator& comm) {
  std::vector<double> own;
  comm.together([&] { own = neighbour_radii(points, share(points.chains(), comm), k); });
  return comm.gather(own);
}

void measure_neighbours(const ComparisonConfig& config, const Against& against,
                        const PointSet& sample, const Communicator& comm, SampleQuality& quality) {
  const std::vector<double> radii = radii_of(sample, config.neighbours, comm);
  NeighbourCounts own;
  comm.together([&] {
    own = count_neighbours(against.points, rows_of(pieces(against.points.chains(), comm)),
                           against.radii, sample, radii);
  });
  std::vector<double> inside = comm.gather(own.inside);
  const std::vector<double> hit = flags_of(inside, [](double count) { return count > 0.0; });
  const std::vector<std::int64_t> balls = comm.begin_sum(own.covered).wait();
  const std::vector<double> covered = flags_of(balls, [](std::int64_t count) { return count > 0; });
  for (double& count : inside) count /= static_cast<double>(config.neighbours);
  quality.precision = mean_and_error(covered);
  quality.recall = mean_and_error(comm.gather(own.found));
  quality.density = mean_and_error(inside);
  quality.coverage = mean_and_error(hit);
}

void measure_density(const std::vector<double>& density, double quantile, SampleQuality& quality) {
  quality.log_density = mean_and_error(density);
  if (std::isnan(quantile) || std::isnan(quality.log_density.value)) {
    quality.below_quantile = {kUndefined, kUndefined};
    return;
  }
  quality.below_quantile =
      mean_and_error(flags_of(density, [&](double value) { return value < quantile; }));
}

/// The mode of every sample point: that of the nearest point on modes.
std::vector<Estimate> mode_weights(const PointSet& sample, const Tensor& modes,
                                   const std::vector<double>& mean) {
  const Index dim = sample.dim();
  PointSet on_modes(dim, modes.shape[0]);
  std::vector<std::size_t> labels;
  for (Index m = 0; m < modes.shape[0]; ++m) {
    const double* row = modes.values.data() + m * (dim + 1);
    for (Index i = 0; i < dim; ++i) on_modes(i, m) = row[i] - mean[static_cast<std::size_t>(i)];
    labels.push_back(static_cast<std::size_t>(row[dim]));
  }
  const std::size_t count = *std::max_element(labels.begin(), labels.end()) + 1;
  std::vector<std::vector<double>> flags(count);
  std::vector<double> distances(static_cast<std::size_t>(on_modes.chains()));
  for (Index c = 0; c < sample.chains(); ++c) {
    squared_distances(sample, {c, 1}, on_modes, distances.data());
    const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
    for (std::size_t mode = 0; mode < count; ++mode) {
      flags[mode].push_back(labels[static_cast<std::size_t>(nearest)] == mode ? 1.0 : 0.0);
    }
  }
  std::vector<Estimate> weights;
  weights.reserve(count);
  for (const std::vector<double>& flag : flags) weights.push_back(mean_and_error(flag));
  return weights;
}

double median_distance(const PointSet& points) {
  const Index count = std::min(points.chains(), kBandwidthPoints);
  PointSet few(points.dim(), count);
  for (Index c = 0; c < count; ++c) {
    const Index source = points.chains() * c / count;
    for (Index i = 0; i < points.dim(); ++i) few(i, c) = points(i, source);
  }
  std::vector<double> all(static_cast<std::size_t>(count * count));
  squared_distances(few, {0, count}, few, all.data());
  std::vector<double> pairs;
  for (Index r = 0; r < count; ++r) {
    pairs.insert(pairs.end(), all.begin() + r * count, all.begin() + r * count + r);
  }
  const auto middle = pairs.begin() + static_cast<std::ptrdiff_t>(pairs.size() / 2);
  std::nth_element(pairs.begin(), middle, pairs.end());
  if (!(*middle > 0.0)) throw InputError("half of the reference's points are the same point");
  return std::sqrt(*middle);
}

// ---- Input.

void expect_points(const Tensor& array, const Location& location, Index dim, Index least) {
  if (array.shape.size() == 2 && array.shape[1] == dim && array.shape[0] >= least) {
    const bool finite = std::all_of(array.values.begin(), array.values.end(),
                                    [](double value) { return std::isfinite(value); });
    if (finite) return;
    throw InputError(fmt::format("{}: not all of its numbers are finite", location.text()));
  }
  throw InputError(
      fmt::format("{}: expected an array of at least {} rows and {} columns, found [{}]",
                  location.text(), least, dim, fmt::join(array.shape, " x ")));
}

Tensor read_modes(const ComparisonConfig& config, Index dim, const Communicator& comm) {
  Tensor modes = replicate_numbers(comm, config.modes);
  expect_points(modes, config.modes, dim + 1, 1);
  for (Index m = 0; m < modes.shape[0]; ++m) {
    const double label = modes.values[static_cast<std::size_t>(m * (dim + 1) + dim)];
    if (label >= 0.0 && label < 1000.0 && label == std::floor(label)) continue;
    throw InputError(fmt::format("{}: its last column should number modes from 0 but has {}",
                                 config.modes.text(), label));
  }
  return modes;
}

double quantile_of(std::vector<double> values, double p) {
  const auto place = static_cast<std::ptrdiff_t>(p * static_cast<double>(values.size() - 1));
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) {
    return kUndefined;
  }
  std::nth_element(values.begin(), values.begin() + place, values.end());
  return values[static_cast<std::size_t>(place)];
}

/// Compares the draws of a run, naive ones and the reference's second half with its first half.
/// Collective. @pre config has a reference
Comparison compare_draws(const ComparisonConfig& config, const Communicator& comm) {
  std::unique_ptr<RunReader> reader;
  RunVariable x;
  comm.together([&] {
    reader = std::make_unique<RunReader>(config.run);
    x = reader->variable("posterior", "x");
  });
  const Tensor array = replicate_numbers(comm, config.reference);
  expect_points(array, config.reference, x.dim, kFewestRows);
  const Index count = std::min({config.points, array.shape[0] / 2, x.chains * x.draws});
  if (count <= config.neighbours) {
    throw InputError(fmt::format("{}: it has {} complete draws, too few to compare", config.run,
                                 x.chains * x.draws));
  }
  const std::unique_ptr<Flow<double>> flow = flow_of_run(*reader, config.flow, x.dim, comm);

  // Every other row, spread over all rows: an order in the data then affects both halves alike.
  const Index step = array.shape[0] / 2 / count * 2;
  Against against{rows_of_array(array, 0, step, count),
                  Resamples(count, config.resamples, config.seed),
                  {},
                  0.0,
                  {},
                  kUndefined};
  std::vector<Sample> samples;
  std::string remark;
  comm.together([&] {
    std::unique_ptr<Target<double>> target = invertible_target(*reader, *flow);
    if (target == nullptr && !reader->has_group(kLatentGroup)) {
      remark = fmt::format(
          "log q_X of the run's draws is not known: it does not follow from its target, '{}', and "
          "the run keeps no latent points",
          printable(reader->text("target")));
    }
    samples.push_back(run_sample(*reader, x, *flow, std::move(target), count));
  });
  samples.push_back(naive_sample(*flow, count, config.seed, comm));
  samples.push_back({"reference", rows_of_array(array, 1, step, count), {}});
  samples.back().log_density = log_densities(*flow, samples.back().points, comm);
  const Tensor modes = config.modes.empty() ? Tensor() : read_modes(config, x.dim, comm);

  against.log_density_quantile =
      quantile_of(log_densities(*flow, against.points, comm), config.quantile);
  const std::vector<double> mean = mean_of(against.points);
  centre(against.points, mean);
  comm.together([&] { against.bandwidth = median_distance(against.points); });
  against.radii = radii_of(against.points, config.neighbours, comm);
  against.pairs = all_pairs(against.points, against.resamples, against.points, against.resamples,
                            against.bandwidth, comm);

  Comparison comparison{count, against.bandwidth, {}, {}, remark, {}};
  if (!config.modes.empty()) comparison.modes = mode_weights(against.points, modes, mean);
  std::uint64_t seed = config.seed;
  for (auto& [name, points, density] : samples) {
    SampleQuality quality;
    quality.name = name;
    measure_density(density, against.log_density_quantile, quality);
    centre(points, mean);
    const Resamples resamples(count, config.resamples, ++seed);
    measure_pairs(against, points, resamples, comm, quality);
    quality.sliced_wasserstein = sliced_wasserstein(config, against, points, resamples, comm);
    measure_neighbours(config, against, points, comm, quality);
    if (!config.modes.empty()) quality.modes = mode_weights(points, modes, mean);
    comparison.samples.push_back(quality);
  }
  return comparison;
}

}  // namespace

std::vector<Option> options_of(ComparisonConfig& comparison) {
  return {
      {.name = "run",
       .place = &comparison.run,
       .kind = OptionKind::kRun,
       .help = "run file",
       .positional = true,
       .required = true},
      {.name = "reference",
       .place = &comparison.reference,
       .kind = OptionKind::kArray,
       .help = "draws of the truth, of shape [n x dim]: half of them are compared with the other "
               "half, as the floor"},
      {.name = "truth",
       .place = &comparison.truth,
       .kind = OptionKind::kFile,
       .help = "true moments, a TOML file: mean and sd in a section [x], or of another variable"},
      {.name = "flow",
       .place = &comparison.flow,
       .kind = OptionKind::kFlow,
       .help = "the run's flow file, if it has moved",
       .otherwise = "the one that the run names"},
      {.name = "modes",
       .place = &comparison.modes,
       .kind = OptionKind::kArray,
       .help = "points on modes, of shape [m x dim + 1]: the last column numbers the modes from 0"},
      {.name = "seed",
       .place = &comparison.seed,
       .help = "of directions, resamples and naive draws"},
      {.name = "neighbours",
       .place = &comparison.neighbours,
       .group = OptionGroup::kHow,
       .help = "k of precision, recall, density and coverage",
       .range = {1.0, 7.0}},
      {.name = "quantile",
       .place = &comparison.quantile,
       .group = OptionGroup::kHow,
       .help = "quantile of the reference's log q_X, below which draws are counted",
       .range = {0.0, 1.0, true}},
      {.name = "points",
       .place = &comparison.points,
       .group = OptionGroup::kHowMuch,
       .help = "points of each set; fewer if a set has fewer",
       .range = {8.0, kMostPoints}},
      {.name = "projections",
       .place = &comparison.projections,
       .group = OptionGroup::kHowMuch,
       .help = "directions of the sliced distance",
       .range = {1.0, 100000.0}},
      {.name = "resamples",
       .place = &comparison.resamples,
       .group = OptionGroup::kHowMuch,
       .help = "resamples of the bootstrap",
       .range = {2.0, 10000.0}},
  };
}

void ComparisonConfig::validate() const {
  ComparisonConfig comparison = *this;  // options_of() needs a configuration that can be changed
  check_options(options_of(comparison));
  if (!reference.empty() || !truth.empty()) return;
  throw InputError(
      "a comparison needs something true: give --reference (draws), --truth (moments) or both");
}

void expect_comparable(const ComparisonConfig& config, Index dim, const Communicator& comm) {
  if (!config.truth.empty()) expect_truth(config.truth, dim, comm);
  if (config.reference.empty()) return;
  expect_points(replicate_numbers(comm, config.reference), config.reference, dim, kFewestRows);
  if (!config.modes.empty()) read_modes(config, dim, comm);
}

Comparison compare(const ComparisonConfig& config, const Communicator& comm) {
  config.validate();
  Comparison comparison;
  if (!config.reference.empty()) comparison = compare_draws(config, comm);
  if (!config.truth.empty()) {
    comparison.truth = hold_against_truth(config.run, config.truth, comm);
  }
  return comparison;
}

}  // namespace flotilla
