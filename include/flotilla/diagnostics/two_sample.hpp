// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Points of one set [dim x points]; near the origin, or their distances lose digits.
using PointSet = Batch<double>;

/// Points of a set, from a first one on: the part of the work that one rank does.
struct PointRange {
  Index first = 0;
  Index count = 0;
};

/// Squared Euclidean distances of some points of one set to all of another, by one matrix product.
///
/// @param out  [rows.count x b.chains()], the points of b contiguous; overwritten
void squared_distances(const PointSet& a, PointRange rows, const PointSet& b, double* out);

/// Squared distance of some points of a set to their k-th nearest other point, exactly.
/// @pre 1 <= k < points.chains()
std::vector<double> neighbour_radii(const PointSet& points, PointRange rows, Index k);

/// What balls around points know of each other: one set's around its points, another's around its
/// own, each as large as reaches its k-th neighbour.
struct NeighbourCounts {
  std::vector<double> inside;         ///< [rows]: points of the sample in a reference point's ball
  std::vector<double> found;          ///< [rows]: 1 where a reference point lies in a sample's ball
  std::vector<std::int64_t> covered;  ///< [sample]: these reference points' balls it lies in
};

/// @param rows                          of the reference
/// @param radii, sample_radii           squared, of all points of either set
/// Source: Kynkaanniemi et al. 2019 (precision, recall); Naeem et al. 2020 (density, coverage).
NeighbourCounts count_neighbours(const PointSet& reference, PointRange rows,
                                 const std::vector<double>& radii, const PointSet& sample,
                                 const std::vector<double>& sample_radii);

/// Resamples of a set with replacement: how often each point was drawn, divided by their number.
/// Column 0 is the set itself. [points x (1 + resamples)], row by row.
class Resamples {
 public:
  /// The same numbers on every machine.
  Resamples(Index points, Index resamples, std::uint64_t seed);

  Index points() const { return points_; }
  Index columns() const { return columns_; }
  const double* row(Index point) const { return weights_.data() + point * columns_; }

 private:
  Index points_;
  Index columns_;
  std::vector<double> weights_;
};

/// Sums over pairs of points, one for each column of two sets' resamples.
struct PairSums {
  std::vector<double> distance;  ///< of weight times weight times distance
  std::vector<double> kernel;    ///< the same of exp(-distance^2 / (2 bandwidth^2))
};

/// Pairs of some points of a with all of b. @param bandwidth  > 0
PairSums sum_pairs(const PointSet& a, PointRange rows, const Resamples& weights_a,
                   const PointSet& b, const Resamples& weights_b, double bandwidth);

/// Squared 2-Wasserstein distance of two sets of equal size along one direction, for each column of
/// their resamples. @param direction  [dim], of length 1
std::vector<double> projected_wasserstein(const PointSet& a, const Resamples& weights_a,
                                          const PointSet& b, const Resamples& weights_b,
                                          const std::vector<double>& direction);

}  // namespace flotilla
