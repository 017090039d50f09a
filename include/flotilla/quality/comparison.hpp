// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/location.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/quality/truth.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// Largest number of points of a set: the distances of all pairs are computed.
inline constexpr Index kMostPoints = 50000;

/// What to compare with what, and how closely.
struct ComparisonConfig {
  std::string run;       ///< the run file
  Location reference;    ///< draws of the truth [n x dim], n >= 16; empty: no draws are compared
  std::string truth;     ///< TOML file of true moments; empty: no moments are compared
  std::string flow;      ///< flow file; empty: the flow that the run names
  Location modes;        ///< points on modes [m x (dim + 1)]; the last column is the mode's number,
                         ///< from 0; empty: no modes
  Index points = 5000;   ///< points in each set; fewer if there are fewer
  Index neighbours = 5;  ///< k of the nearest-neighbour measures
  Index projections = 128;  ///< directions of the sliced distance
  Index resamples = 100;    ///< number of bootstrap resamples
  double quantile = 0.01;   ///< of the reference's log q_X, in (0, 1); see
                            ///< SampleQuality::below_quantile
  std::uint64_t seed = 1;   ///< seeds directions, resamples and naive draws

  /// @throws InputError naming what is out of range, or if there is neither draws nor moments
  void validate() const;
};

/// The options of a comparison as a table. It points into `comparison`, which must outlive it.
std::vector<Option> options_of(ComparisonConfig& comparison);

/// A figure and its standard error.
struct Estimate {
  double value = 0.0;
  double error = 0.0;
};

/// How close a sample is to the reference's first half. A figure that needs an inverse is NaN if
/// the flow has none. The log density is NaN for a run whose target does not give it.
struct SampleQuality {
  std::string name;             ///< "run", "naive", or "reference": its second half, the best
                                ///< that a sample can reach
  Estimate sliced_wasserstein;  ///< 2-Wasserstein distance, root mean square over directions
  Estimate energy_distance;     ///< 2 E|X-Y| - E|X-X'| - E|Y-Y'|; unbiased, so it can be negative
  Estimate mmd;                 ///< squared MMD, Gaussian kernel, median heuristic; unbiased too
  Estimate precision;           ///< share of sample points in the balls of the reference
  Estimate recall;              ///< share of reference points in the balls of the sample
  Estimate density;             ///< mean number of reference balls that hold a sample point, over k
  Estimate coverage;            ///< share of reference balls that hold a sample point
  Estimate log_density;         ///< mean log q_X, nats
  Estimate below_quantile;      ///< share of sample points below the reference's quantile of log
                                ///< q_X
  std::vector<Estimate> modes;  ///< weight of each mode; a point counts for the nearest point on
                                ///< modes
};

/// One measure of SampleQuality: its names in files and in tables.
struct QualityMeasure {
  const char* name;   ///< "energy_distance"
  const char* title;  ///< "energy distance"
  Estimate SampleQuality::*estimate;
};

/// All measures except the modes' weights, which only some comparisons have.
inline constexpr QualityMeasure kQualityMeasures[] = {
    {"sliced_wasserstein", "sliced Wasserstein", &SampleQuality::sliced_wasserstein},
    {"energy_distance", "energy distance", &SampleQuality::energy_distance},
    {"mmd", "squared MMD", &SampleQuality::mmd},
    {"precision", "precision", &SampleQuality::precision},
    {"recall", "recall", &SampleQuality::recall},
    {"density", "density", &SampleQuality::density},
    {"coverage", "coverage", &SampleQuality::coverage},
    {"log_density", "log q_X (nats)", &SampleQuality::log_density},
    {"below_quantile", "share below quantile", &SampleQuality::below_quantile},
};

/// The result of a comparison, the same on every rank.
struct Comparison {
  Index points = 0;             ///< points in each set
  double bandwidth = 0.0;       ///< bandwidth of the MMD kernel: median distance of reference
                                ///< points
  std::vector<Estimate> modes;  ///< weights in the reference's first half; empty without modes
  std::vector<SampleQuality> samples;  ///< empty without a reference
  std::string remark;                ///< why the run's log density is unknown; empty if it is known
  std::optional<TruthScores> truth;  ///< empty without true moments
};

/// Checks that a run of a flow can be compared, before the run is made. Reads the reference, the
/// modes and the true moments. Collective. @param dim  dimension of the flow
/// @throws InputError, the same on every rank
void expect_comparable(const ComparisonConfig& config, Index dim, const Communicator& comm);

/// Compares three samples with the first half of a reference: a run, naive draws of its flow, and
/// the reference's second half. Holds moments of the run against true ones, if there are any.
///
/// The errors of the first three measures come from a bootstrap. The errors of shares and means
/// assume independent points: for autocorrelated draws they are too small. Nearest neighbours are
/// exact. Ranks share the pairs of points; the result does not depend on the number of ranks.
/// Collective.
/// @throws InputError, Hdf5Error, the same on every rank
/// Source: Rabin et al. 2011 (sliced Wasserstein); Szekely & Rizzo 2013 (energy); Gretton et al.
/// 2012 (MMD); Kynkaanniemi et al. 2019 (precision, recall); Naeem et al. 2020 (density, coverage).
Comparison compare(const ComparisonConfig& config, const Communicator& comm);

}  // namespace flotilla
