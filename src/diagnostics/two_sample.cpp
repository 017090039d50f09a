// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/two_sample.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <random>

#include "flotilla/core/matrix_view.hpp"

namespace flotilla {
namespace {

using Matrix = RowMajorMatrix<double>;

constexpr Index kRowsTogether = 64;  // points whose distances are held at once

std::vector<double> squared_norms(const PointSet& points) {
  std::vector<double> norms(static_cast<std::size_t>(points.chains()), 0.0);
  for (Index i = 0; i < points.dim(); ++i) {
    const double* row = points.row(i);
    for (std::size_t c = 0; c < norms.size(); ++c) norms[c] += row[c] * row[c];
  }
  return norms;
}

/// Calls `visit(first, count, distances)` for a few points of `a` at a time. distances is [count x
/// b], squared.
template <typename Visit>
void for_each_rows(const PointSet& a, PointRange rows, const PointSet& b, Visit visit) {
  std::vector<double> distances(static_cast<std::size_t>(kRowsTogether * b.chains()));
  for (Index first = rows.first; first < rows.first + rows.count; first += kRowsTogether) {
    const Index count = std::min(kRowsTogether, rows.first + rows.count - first);
    squared_distances(a, {first, count}, b, distances.data());
    visit(first, count, distances.data());
  }
}

/// A set projected on one direction: its sorted values, and the point of each.
struct Ordered {
  std::vector<double> values;
  std::vector<Index> points;
};

Ordered project(const PointSet& set, const std::vector<double>& direction) {
  std::vector<double> along(static_cast<std::size_t>(set.chains()), 0.0);
  for (Index i = 0; i < set.dim(); ++i) {
    const double* row = set.row(i);
    const double weight = direction[static_cast<std::size_t>(i)];
    for (std::size_t c = 0; c < along.size(); ++c) along[c] += weight * row[c];
  }
  Ordered ordered;
  ordered.points.resize(along.size());
  std::iota(ordered.points.begin(), ordered.points.end(), 0);
  std::sort(ordered.points.begin(), ordered.points.end(), [&](Index a, Index b) {
    return along[static_cast<std::size_t>(a)] < along[static_cast<std::size_t>(b)];
  });
  for (const Index point : ordered.points) {
    ordered.values.push_back(along[static_cast<std::size_t>(point)]);
  }
  return ordered;
}

}  // namespace

void squared_distances(const PointSet& a, PointRange rows, const PointSet& b, double* out) {
  assert(a.dim() == b.dim());
  const std::vector<double> of_b = squared_norms(b);
  Eigen::Map<Matrix> result(out, rows.count, b.chains());
  result.noalias() = matrix_of(a).middleCols(rows.first, rows.count).transpose() * matrix_of(b);
  for (Index r = 0; r < rows.count; ++r) {
    double norm = 0.0;
    for (Index i = 0; i < a.dim(); ++i) norm += a(i, rows.first + r) * a(i, rows.first + r);
    double* row = out + r * b.chains();
    for (Index c = 0; c < b.chains(); ++c) {
      row[c] = std::max(0.0, norm + of_b[static_cast<std::size_t>(c)] - 2.0 * row[c]);
    }
  }
}

std::vector<double> neighbour_radii(const PointSet& points, PointRange rows, Index k) {
  std::vector<double> radii;
  for_each_rows(points, rows, points, [&](Index first, Index count, double* distances) {
    for (Index r = 0; r < count; ++r) {
      double* row = distances + r * points.chains();
      row[first + r] = -1.0;  // the point itself comes first
      std::nth_element(row, row + k, row + points.chains());
      radii.push_back(row[k]);
    }
  });
  return radii;
}

NeighbourCounts count_neighbours(const PointSet& reference, PointRange rows,
                                 const std::vector<double>& radii, const PointSet& sample,
                                 const std::vector<double>& sample_radii) {
  NeighbourCounts counts;
  counts.covered.assign(static_cast<std::size_t>(sample.chains()), 0);
  for_each_rows(reference, rows, sample, [&](Index first, Index count, const double* distances) {
    for (Index r = 0; r < count; ++r) {
      const double* row = distances + r * sample.chains();
      const double radius = radii[static_cast<std::size_t>(first + r)];
      double inside = 0.0;
      bool found = false;
      for (std::size_t c = 0; c < counts.covered.size(); ++c) {
        const bool in_ball = row[c] <= radius;
        inside += in_ball ? 1.0 : 0.0;
        counts.covered[c] += in_ball ? 1 : 0;
        found = found || row[c] <= sample_radii[c];
      }
      counts.inside.push_back(inside);
      counts.found.push_back(found ? 1.0 : 0.0);
    }
  });
  return counts;
}

Resamples::Resamples(Index points, Index resamples, std::uint64_t seed)
    : points_(points),
      columns_(1 + resamples),
      weights_(static_cast<std::size_t>(points * (1 + resamples)), 0.0) {
  const double share = 1.0 / static_cast<double>(points);
  std::mt19937_64 generator(seed);
  for (Index column = 0; column < columns_; ++column) {
    for (Index i = 0; i < points; ++i) {
      const auto point =
          column == 0 ? i : static_cast<Index>(generator() % static_cast<std::uint64_t>(points));
      weights_[static_cast<std::size_t>(point * columns_ + column)] += share;
    }
  }
}

PairSums sum_pairs(const PointSet& a, PointRange rows, const Resamples& weights_a,
                   const PointSet& b, const Resamples& weights_b, double bandwidth) {
  const Index columns = weights_a.columns();
  PairSums sums{std::vector<double>(static_cast<std::size_t>(columns), 0.0),
                std::vector<double>(static_cast<std::size_t>(columns), 0.0)};
  const Eigen::Map<const Matrix> of_b(weights_b.row(0), b.chains(), columns);
  const double scale = -0.5 / (bandwidth * bandwidth);
  Matrix weighted;
  for_each_rows(a, rows, b, [&](Index first, Index count, double* distances) {
    Eigen::Map<Matrix> block(distances, count, b.chains());
    const auto add = [&](std::vector<double>& into) {
      weighted.noalias() = block * of_b;
      for (Index r = 0; r < count; ++r) {
        const double* of_a = weights_a.row(first + r);
        for (Index k = 0; k < columns; ++k) {
          into[static_cast<std::size_t>(k)] += of_a[k] * weighted(r, k);
        }
      }
    };
    Matrix kernel = (scale * block.array()).exp();
    block = block.array().sqrt();
    add(sums.distance);
    block = kernel;
    add(sums.kernel);
  });
  return sums;
}

std::vector<double> projected_wasserstein(const PointSet& a, const Resamples& weights_a,
                                          const PointSet& b, const Resamples& weights_b,
                                          const std::vector<double>& direction) {
  assert(a.chains() == b.chains());
  const Ordered one = project(a, direction);
  const Ordered other = project(b, direction);
  std::vector<double> distances;
  for (Index column = 0; column < weights_a.columns(); ++column) {
    // Both distribution functions rise by the points' weights. Mass at equal height is paired.
    double sum = 0.0;
    double left_a = 0.0;
    double left_b = 0.0;
    std::size_t i = 0;
    std::size_t j = 0;
    const auto refill = [&](double& left, std::size_t& at, const Ordered& set,
                            const Resamples& weights) {
      while (left <= 1e-12 && at < set.points.size()) left += weights.row(set.points[at++])[column];
    };
    for (;;) {
      refill(left_a, i, one, weights_a);
      refill(left_b, j, other, weights_b);
      if (left_a <= 1e-12 || left_b <= 1e-12) break;
      const double moved = std::min(left_a, left_b);
      const double distance = one.values[i - 1] - other.values[j - 1];
      sum += moved * distance * distance;
      left_a -= moved;
      left_b -= moved;
    }
    distances.push_back(sum);
  }
  return distances;
}

}  // namespace flotilla
