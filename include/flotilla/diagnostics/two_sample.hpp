// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Points of one set, [dim x points]. They should lie near the origin: far from it, their distances
/// lose digits.
using PointSet = Batch<double>;

/// A range of points of a set: one rank's part of the work.
struct PointRange {
  Index first = 0;
  Index count = 0;
};

/// Squared Euclidean distances from a range of points of `a` to all points of `b`, by one matrix
/// product.
///
/// @param out  [rows.count x b.chains()], the points of b contiguous; overwritten
void squared_distances(const PointSet& a, PointRange rows, const PointSet& b, double* out);

/// Squared distance from each point of a range to its k-th nearest other point of the set. Exact.
/// @pre 1 <= k < points.chains()
std::vector<double> neighbour_radii(const PointSet& points, PointRange rows, Index k);

/// Which points of two sets lie in each other's balls. Every point is the centre of a ball that
/// reaches its k-th nearest neighbour in its own set.
struct NeighbourCounts {
  std::vector<double> inside;         ///< [rows]: number of sample points in this reference
                                      ///< point's ball
  std::vector<double> found;          ///< [rows]: 1 if this reference point lies in a sample
                                      ///< point's ball
  std::vector<std::int64_t> covered;  ///< [sample]: number of the reference balls (of `rows`)
                                      ///< that hold it
};

/// Counts which points of two sets lie in each other's balls.
/// @param rows                  range of reference points
/// @param radii, sample_radii   squared radii of all points of each set
/// Source: Kynkaanniemi et al. 2019 (precision, recall); Naeem et al. 2020 (density, coverage).
NeighbourCounts count_neighbours(const PointSet& reference, PointRange rows,
                                 const std::vector<double>& radii, const PointSet& sample,
                                 const std::vector<double>& sample_radii);

/// Resamples of a set with replacement, as weights [points x (1 + resamples)], row by row. A weight
/// is the number of times that the point was drawn, divided by the number of points. Column 0 is
/// the set itself.
class Resamples {
 public:
  /// The same resamples on every machine.
  Resamples(Index points, Index resamples, std::uint64_t seed);

  Index points() const { return points_; }
  Index columns() const { return columns_; }
  const double* row(Index point) const { return weights_.data() + point * columns_; }

 private:
  Index points_;
  Index columns_;
  std::vector<double> weights_;
};

/// Sums over pairs of points: one for each column of the two sets' resamples.
struct PairSums {
  std::vector<double> distance;  ///< sum of weight * weight * distance
  std::vector<double> kernel;    ///< sum of weight * weight * exp(-distance^2 / (2 bandwidth^2))
};

/// Sums over pairs: a range of points of `a` with all points of `b`. @param bandwidth  > 0
PairSums sum_pairs(const PointSet& a, PointRange rows, const Resamples& weights_a,
                   const PointSet& b, const Resamples& weights_b, double bandwidth);

/// Squared 2-Wasserstein distance of two sets of equal size, projected on one direction. One value
/// for each column of their resamples. @param direction  [dim], of length 1
std::vector<double> projected_wasserstein(const PointSet& a, const Resamples& weights_a,
                                          const PointSet& b, const Resamples& weights_b,
                                          const std::vector<double>& direction);

}  // namespace flotilla
