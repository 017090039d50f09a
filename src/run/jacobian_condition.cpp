// SPDX-License-Identifier: BSD-3-Clause
#include "run/jacobian_condition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "flotilla/core/random.hpp"

namespace flotilla {
namespace {

constexpr int kPowerIterations = 40;
constexpr double kSingular = std::numeric_limits<double>::infinity();

/// A dense matrix by its columns.
using Columns = std::vector<std::vector<double>>;

double product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Turns two columns in their plane until they are orthogonal. @return whether they were not
bool orthogonalise(std::vector<double>& a, std::vector<double>& b) {
  constexpr double kOrthogonal = 1e-15;
  const double aa = product(a, a);
  const double bb = product(b, b);
  const double ab = product(a, b);
  if (std::abs(ab) <= kOrthogonal * std::sqrt(aa * bb)) return false;
  const double cotangent = (bb - aa) / (2.0 * ab);
  const double tangent =
      std::copysign(1.0, cotangent) / (std::abs(cotangent) + std::hypot(1.0, cotangent));
  const double cosine = 1.0 / std::hypot(1.0, tangent);
  const double sine = cosine * tangent;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double before = a[i];
    a[i] = cosine * before - sine * b[i];
    b[i] = sine * before + cosine * b[i];
  }
  return true;
}

/// Largest over smallest singular value, by one-sided Jacobi rotations: the lengths of columns that
/// have become orthogonal. Source: Hestenes 1958.
double condition_number(Columns columns) {
  constexpr int kMostSweeps = 40;
  bool turned = true;
  for (int sweep = 0; turned && sweep < kMostSweeps; ++sweep) {
    turned = false;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      for (std::size_t j = i + 1; j < columns.size(); ++j) {
        if (orthogonalise(columns[i], columns[j])) turned = true;
      }
    }
  }
  double smallest = kSingular;
  double largest = 0.0;
  for (const std::vector<double>& column : columns) {
    const double length = std::sqrt(product(column, column));
    if (!std::isfinite(length)) return kSingular;
    smallest = std::min(smallest, length);
    largest = std::max(largest, length);
  }
  return smallest > 0.0 ? largest / smallest : kSingular;
}

/// The dense J of every column, one product for each coordinate.
std::vector<double> by_singular_values(const Flow<double>& flow, const Tape<double>& tape,
                                       Index chains) {
  const Index dim = flow.dim();
  std::vector<Columns> jacobians(static_cast<std::size_t>(chains));
  Batch<double> column(dim, chains);
  for (Index j = 0; j < dim; ++j) {
    column.fill(0.0);
    for (Index c = 0; c < chains; ++c) column(j, c) = 1.0;
    flow.jvp(tape, column);
    for (Index c = 0; c < chains; ++c) {
      std::vector<double>& values = jacobians[static_cast<std::size_t>(c)].emplace_back();
      values.reserve(static_cast<std::size_t>(dim));
      for (Index i = 0; i < dim; ++i) values.push_back(column(i, c));
    }
  }
  std::vector<double> numbers;
  numbers.reserve(jacobians.size());
  for (Columns& jacobian : jacobians) numbers.push_back(condition_number(std::move(jacobian)));
  return numbers;
}

/// Divides every column by its length; returns the lengths.
std::vector<double> normalise(Batch<double>& columns) {
  std::vector<double> lengths(static_cast<std::size_t>(columns.chains()), 0.0);
  for (Index i = 0; i < columns.dim(); ++i) {
    for (Index c = 0; c < columns.chains(); ++c) {
      lengths[static_cast<std::size_t>(c)] += columns(i, c) * columns(i, c);
    }
  }
  for (double& length : lengths) length = std::sqrt(length);
  for (Index i = 0; i < columns.dim(); ++i) {
    for (Index c = 0; c < columns.chains(); ++c) {
      columns(i, c) /= lengths[static_cast<std::size_t>(c)];
    }
  }
  return lengths;
}

/// The largest eigenvalue, by power iteration from a random vector. @param apply  a symmetric
/// product, in place
template <typename Apply>
std::vector<double> largest_eigenvalues(Index dim, Index chains, Apply apply) {
  Batch<double> columns(dim, chains);
  Random(1).normals(Purpose::kNaive, 1, 0, columns);
  normalise(columns);
  std::vector<double> lengths;
  for (int k = 0; k < kPowerIterations; ++k) {
    apply(columns);
    lengths = normalise(columns);
  }
  return lengths;
}

std::vector<double> by_power_iteration(const Flow<double>& flow, const Tape<double>& tape,
                                       Index chains) {
  const Batch<double> no_bar(1, chains);
  const auto stretch = [&](Batch<double>& v) {
    flow.jvp(tape, v);
    flow.vjp(tape, v, no_bar);
  };
  const auto shrink = [&](Batch<double>& v) {
    flow.inverse_vjp(tape, v, no_bar);
    flow.inverse_jvp(tape, v);
  };
  const std::vector<double> largest = largest_eigenvalues(flow.dim(), chains, stretch);
  const std::vector<double> inverse = largest_eigenvalues(flow.dim(), chains, shrink);
  std::vector<double> numbers;
  numbers.reserve(largest.size());
  for (std::size_t c = 0; c < largest.size(); ++c) {
    const double number = std::sqrt(largest[c] * inverse[c]);
    numbers.push_back(std::isnan(number) ? kSingular : number);
  }
  return numbers;
}

}  // namespace

bool has_conditions(const Flow<double>& flow) {
  return flow.dim() <= kDenseJacobian || flow.has_inverse();
}

std::vector<double> condition_numbers(const Flow<double>& flow, const Tape<double>& tape,
                                      Index chains) {
  return flow.dim() <= kDenseJacobian ? by_singular_values(flow, tape, chains)
                                      : by_power_iteration(flow, tape, chains);
}

}  // namespace flotilla
