// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/residual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

// Recorded: A = I + J and A^-1, row i * dim + j for entry (i, j), and the gradient of log det A.
constexpr std::size_t kMatrix = 0;
constexpr std::size_t kInverse = 1;
constexpr std::size_t kGradientOfLogDet = 2;

// Scratch, after the network's: g, a result of products, the cotangent of J; then what the search
// for an inverse needs.
constexpr std::size_t kValue = 0;
constexpr std::size_t kProduct = 1;
constexpr std::size_t kCotangent = 2;
constexpr std::size_t kTarget = 3;        // x
constexpr std::size_t kResidual = 4;      // z + g(z) - x at the point under trial
constexpr std::size_t kBest = 5;          // the best point so far
constexpr std::size_t kBestResidual = 6;  // its residual
constexpr std::size_t kState = 7;         // rows of numbers of each chain's search, see below

enum StateRow : Index {
  kNorm,      ///< largest entry of the residual under trial
  kBestNorm,  ///< of the best one
  kBound,     ///< what a residual may be at the end
  kTrial,     ///< how the point under trial was found: a Trial
  kTake,      ///< whether it becomes the best one
  kStateRows
};

/// A step of the fixed point always counts, a Newton step only if it halves the residual.
enum class Trial { kFixedPoint, kNewton, kSettled };

/// Residuals so many times the bound may be rounding.
constexpr int kRounding = 32;

template <typename T>
constexpr T code(Trial trial) {
  return static_cast<T>(static_cast<int>(trial));
}

template <typename T>
void copy(const Batch<T>& from, Batch<T>& to) {
  std::copy_n(from.row(0), from.dim() * from.stride(), to.row(0));
}

/// norm <- the largest |entry| of each column; NaN if one is NaN.
template <typename T>
void largest_entries(const Batch<T>& rows, T* norm) {
  std::fill_n(norm, rows.stride(), T{0});
  for (Index i = 0; i < rows.dim(); ++i) {
    const T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      const T size = std::abs(row[c]);
      norm[c] = size > norm[c] || std::isnan(size) ? size : norm[c];
    }
  }
}

}  // namespace

template <typename T>
Residual<T>::Residual(const LayerReader& reader)
    : Layer<T>(reader.dim()), network_(reader), first_slot_(network_.scratch().size()) {
  if (reader.dim() > kMostCoordinates) {
    reader.fail(
        fmt::format("its exact log det takes a dense Jacobian, of at most {} coordinates, "
                    "but there are {}",
                    kMostCoordinates, reader.dim()));
  }
  reader.expect_only(network_.entry_names());
}

template <typename T>
TapeShape Residual<T>::tape_shape() const {
  const Index dim = this->dim();
  TapeShape shape{{dim * dim, dim * dim, dim}, network_.scratch(), {}};
  shape.scratch.insert(shape.scratch.end(), {dim, dim, dim * dim, dim, dim, dim, dim, kStateRows});
  return shape;
}

template <typename T>
Index Residual<T>::multiply_adds() const {
  return network_.multiply_adds() + this->dim() * this->dim() * this->dim();
}

/// Matrices A and A^-1 of each chain at this point, and the network's values.
///
/// @param log_det  log det A is added to it, if there is one
template <typename T>
void Residual<T>::evaluate(const Batch<T>& point, Tape<T>& tape, double* log_det) const {
  Batch<T>& matrix = tape.recorded(kMatrix);
  Batch<T> value = slot(tape, kValue);
  network_.forward(point, value, matrix, tape);
  for (Index i = 0; i < this->dim(); ++i) {
    T* diagonal = matrix.row(i * this->dim() + i);
    for (Index c = 0; c < matrix.stride(); ++c) diagonal[c] += T{1};
  }
  copy(matrix, tape.recorded(kInverse));
  invert(tape.recorded(kInverse), log_det);
}

/// matrix <- matrix^-1 of each chain, by elimination without pivots.
template <typename T>
void Residual<T>::invert(Batch<T>& matrix, double* log_det) const {
  const Index dim = this->dim();
  const Index stride = matrix.stride();
  for (Index k = 0; k < dim; ++k) {
    T* pivot = matrix.row(k * dim + k);
    if (log_det != nullptr) {
      for (Index c = 0; c < stride; ++c) {
        log_det[c] += elementary::log_of_any(static_cast<double>(pivot[c]));
      }
    }
    for (Index c = 0; c < stride; ++c) pivot[c] = T{1} / pivot[c];
    for (Index j = 0; j < dim; ++j) {
      if (j == k) continue;
      T* entry = matrix.row(k * dim + j);
      for (Index c = 0; c < stride; ++c) entry[c] *= pivot[c];
    }
    for (Index i = 0; i < dim; ++i) {
      if (i == k) continue;
      T* factor = matrix.row(i * dim + k);
      for (Index j = 0; j < dim; ++j) {
        if (j == k) continue;
        const T* from = matrix.row(k * dim + j);
        T* entry = matrix.row(i * dim + j);
        for (Index c = 0; c < stride; ++c) entry[c] -= factor[c] * from[c];
      }
      for (Index c = 0; c < stride; ++c) factor[c] *= -pivot[c];
    }
  }
}

// The gradient of log det A by the entries of J is A^-T.
template <typename T>
void Residual<T>::record(const Batch<T>& z, PerChain& log_det, Tape<T>& tape) const {
  evaluate(z, tape, log_det.row(0));
  const Index dim = this->dim();
  Batch<T> cotangent = slot(tape, kCotangent, dim * dim);
  const Batch<T>& inverse = tape.recorded(kInverse);
  for (Index i = 0; i < dim; ++i) {
    for (Index j = 0; j < dim; ++j) {
      std::copy_n(inverse.row(j * dim + i), inverse.stride(), cotangent.row(i * dim + j));
    }
  }
  network_.reverse(cotangent, tape.recorded(kGradientOfLogDet), tape);
}

template <typename T>
void Residual<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  record(point, log_det, tape);
  const Batch<T> value = slot(tape, kValue);
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    for (Index c = 0; c < point.stride(); ++c) row[c] += value.row(i)[c];
  }
}

template <typename T>
void Residual<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  begin_search(point, tape);
  bool found = false;
  for (int steps = 0; steps < kMostSteps && !found; ++steps) {
    evaluate(point, tape, nullptr);
    found = advance_search(point, tape);
  }
  const T* trial = slot(tape, kState, kStateRows).row(kTrial);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* best = slot(tape, kBest).row(i);
    T* row = point.row(i);
    for (Index c = 0; c < point.stride(); ++c) {
      row[c] = trial[c] == code<T>(Trial::kSettled) ? best[c] : kNaN;
    }
  }
  record(point, log_det, tape);
}

template <typename T>
void Residual<T>::begin_search(const Batch<T>& x, const Tape<T>& tape) const {
  Batch<T> target = slot(tape, kTarget);
  copy(x, target);
  Batch<T> state = slot(tape, kState, kStateRows);
  largest_entries(x, state.row(kBound));
  for (Index c = 0; c < x.stride(); ++c) {
    state.row(kBound)[c] = kTolerance * (T{1} + state.row(kBound)[c]);
    state.row(kTrial)[c] = code<T>(Trial::kFixedPoint);
  }
}

/// Judges the point under trial, with the matrices and values there, and moves on to the next one.
///
/// @return  whether every chain has settled
template <typename T>
bool Residual<T>::advance_search(Batch<T>& trial, const Tape<T>& tape) const {
  const Index stride = trial.stride();
  Batch<T> residual = slot(tape, kResidual);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* g = slot(tape, kValue).row(i);
    const T* x = slot(tape, kTarget).row(i);
    for (Index c = 0; c < stride; ++c) residual.row(i)[c] = trial.row(i)[c] + (g[c] - x[c]);
  }
  judge(tape);
  const T* take = slot(tape, kState, kStateRows).row(kTake);
  const T* next = slot(tape, kState, kStateRows).row(kTrial);
  for (Index i = 0; i < this->dim(); ++i) {
    T* best = slot(tape, kBest).row(i);
    T* best_residual = slot(tape, kBestResidual).row(i);
    for (Index c = 0; c < stride; ++c) {
      best[c] = take[c] != T{0} ? trial.row(i)[c] : best[c];
      best_residual[c] = take[c] != T{0} ? residual.row(i)[c] : best_residual[c];
    }
  }
  apply(tape.recorded(kInverse), false, tape, residual);
  bool settled = true;
  for (Index c = 0; c < stride; ++c) settled = settled && next[c] == code<T>(Trial::kSettled);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* best = slot(tape, kBest).row(i);
    const T* fixed_point = slot(tape, kBestResidual).row(i);
    for (Index c = 0; c < stride; ++c) {
      const T change = next[c] == code<T>(Trial::kNewton) ? residual.row(i)[c] : fixed_point[c];
      const T moved = best[c] - change;
      trial.row(i)[c] = next[c] == code<T>(Trial::kSettled) ? best[c] : moved;
    }
  }
  return settled;
}

/// Decides for each chain whether its trial is the best point so far, and how to go on from there.
template <typename T>
void Residual<T>::judge(const Tape<T>& tape) const {
  Batch<T> state = slot(tape, kState, kStateRows);
  largest_entries(slot(tape, kResidual), state.row(kNorm));
  for (Index c = 0; c < state.stride(); ++c) {
    T& trial = state.row(kTrial)[c];
    T& best = state.row(kBestNorm)[c];
    T& take = state.row(kTake)[c];
    take = T{0};
    if (trial == code<T>(Trial::kSettled)) continue;
    const T norm = state.row(kNorm)[c];
    const T bound = state.row(kBound)[c];
    const bool fails = trial == code<T>(Trial::kNewton) && norm > T{0.5} * best;
    if (fails) {
      const bool rounding = best <= static_cast<T>(kRounding) * bound;
      trial = code<T>(rounding ? Trial::kSettled : Trial::kFixedPoint);
      continue;
    }
    take = T{1};
    best = norm;
    // What is not a number settles too: nothing will mend it.
    trial = code<T>(norm > bound ? Trial::kNewton : Trial::kSettled);
  }
}

/// rows <- matrix rows, or its transpose times them, for each chain.
template <typename T>
void Residual<T>::apply(const Batch<T>& matrix, bool transposed, const Tape<T>& tape,
                        Batch<T>& rows) const {
  const Index dim = this->dim();
  Batch<T> product = slot(tape, kProduct);
  product.fill(T{0});
  for (Index i = 0; i < dim; ++i) {
    T* sum = product.row(i);
    for (Index j = 0; j < dim; ++j) {
      const T* entry = matrix.row(transposed ? j * dim + i : i * dim + j);
      const T* row = rows.row(j);
      for (Index c = 0; c < rows.stride(); ++c) sum[c] += entry[c] * row[c];
    }
  }
  copy(product, rows);
}

/// w += log_det_bar grad log det
template <typename T>
void Residual<T>::add_gradient(const Tape<T>& tape, const Batch<T>& log_det_bar,
                               Batch<T>& w) const {
  const T* bar = log_det_bar.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* gradient = tape.recorded(kGradientOfLogDet).row(i);
    for (Index c = 0; c < w.stride(); ++c) w.row(i)[c] += bar[c] * gradient[c];
  }
}

template <typename T>
void Residual<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  apply(tape.recorded(kMatrix), false, tape, v);
}

template <typename T>
void Residual<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  apply(tape.recorded(kMatrix), true, tape, w);
  add_gradient(tape, log_det_bar, w);
}

template <typename T>
void Residual<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  apply(tape.recorded(kInverse), false, tape, v);
}

template <typename T>
void Residual<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  add_gradient(tape, log_det_bar, w);
  apply(tape.recorded(kInverse), true, tape, w);
}

template class Residual<float>;
template class Residual<double>;

}  // namespace flotilla
