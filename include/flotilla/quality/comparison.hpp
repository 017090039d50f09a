// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/location.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// Most points of a set: distances of all pairs are computed.
inline constexpr Index kMostPoints = 50000;

/// What is compared with what, and how closely.
struct ComparisonConfig {
  std::string run;     ///< run file
  Location reference;  ///< of draws of the truth [n x dim]; n >= 16
  std::string flow;    ///< flow file; empty: the one that the run names
  Location modes;      ///< of points on modes [m x (dim + 1)], and in the last column the number of
                       ///< the mode, from 0; empty: none
  Index points = 5000;      ///< of each set; fewer where there are fewer
  Index neighbours = 5;     ///< k of the nearest-neighbour measures
  Index projections = 128;  ///< directions of the sliced distance
  Index resamples = 100;    ///< of the bootstrap
  double quantile = 0.01;   ///< of log q_X of the reference: see SampleQuality::below_quantile
  std::uint64_t seed = 1;   ///< of directions, resamples and naive draws

  /// @throws InputError naming what is out of range
  void validate() const;
};

/// The table of a comparison's options, bound to a configuration that outlives it.
std::vector<Option> options_of(ComparisonConfig& comparison);

/// A figure and its standard error.
struct Estimate {
  double value = 0.0;
  double error = 0.0;
};

/// How close a sample is to the reference's first half. What needs an inverse is NaN without one,
/// as is the log density of a run whose target does not give it.
struct SampleQuality {
  std::string name;             ///< "run", "naive", or "reference" for its second half: the floor
  Estimate sliced_wasserstein;  ///< 2-Wasserstein distance, root mean square over directions
  Estimate energy_distance;     ///< 2 E|X-Y| - E|X-X'| - E|Y-Y'|, without bias: it can be negative
  Estimate mmd;                 ///< squared, Gaussian kernel, median heuristic; without bias too
  Estimate precision;           ///< share of the sample in the balls of the reference
  Estimate recall;              ///< share of the reference in the balls of the sample
  Estimate density;             ///< the sample's points in the balls of the reference, over k
  Estimate coverage;            ///< share of the reference's balls with a point of the sample
  Estimate log_density;         ///< mean log q_X, nats
  Estimate below_quantile;      ///< share below the reference's quantile of log q_X
  std::vector<Estimate> modes;  ///< weight of each mode, by the nearest of the points on modes
};

/// A measure of SampleQuality as files and as people call it.
struct QualityMeasure {
  const char* name;   ///< "energy_distance"
  const char* title;  ///< "energy distance"
  Estimate SampleQuality::*estimate;
};

/// All measures but the weights of modes, which not every comparison has.
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

struct Comparison {
  Index points = 0;             ///< of each set
  double bandwidth = 0.0;       ///< of the kernel: median distance of reference points
  std::vector<Estimate> modes;  ///< weights in the reference's first half, where modes are given
  std::vector<SampleQuality> samples;
  std::string remark;  ///< why the run's log density is not known; empty where it is
};

/// Reads what a run of a flow is to be compared with, to say what is wrong with it before the run
/// is made. Collective. @param dim  of the flow
/// @throws InputError, the same on every rank
void expect_comparable(const ComparisonConfig& config, Index dim, const Communicator& comm);

/// Compares a run, naive draws of its flow, and a second half of the reference with the first half.
///
/// Errors are the bootstrap's for the first three measures; for shares and means those of
/// independent points, which a run's are as far as its chains forget. Nearest neighbours are exact.
/// Ranks share the pairs of points; the result does not depend on how many there are. Collective.
/// @throws InputError, Hdf5Error, the same on every rank
/// Source: Rabin et al. 2011 (sliced Wasserstein); Szekely & Rizzo 2013 (energy); Gretton et al.
/// 2012 (MMD); Kynkaanniemi et al. 2019; Naeem et al. 2020.
Comparison compare(const ComparisonConfig& config, const Communicator& comm);

}  // namespace flotilla
