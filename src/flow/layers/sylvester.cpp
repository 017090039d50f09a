// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/sylvester.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/elementary.hpp"
#include "flow/matrix/product.hpp"

namespace flotilla {
namespace {

// Recorded: tanh' of each unit, and the derivative of the log det with respect to the unit's
// argument.
constexpr std::size_t kSlopes = 0;
constexpr std::size_t kLogDetGradient = 1;
// Scratch: two rows for each unit, and one for each coordinate.
constexpr std::size_t kUnits = 0;
constexpr std::size_t kImage = 1;
constexpr std::size_t kCoordinates = 2;

std::size_t at(Index i, Index j, Index cols) {
  return static_cast<std::size_t>(i * cols + j);
}

/// a [rows x inner] times b [inner x cols], in double, C order.
std::vector<double> product(const std::vector<double>& a, const std::vector<double>& b, Index rows,
                            Index inner, Index cols) {
  std::vector<double> result(static_cast<std::size_t>(rows * cols), 0.0);
  for (Index i = 0; i < rows; ++i) {
    for (Index k = 0; k < inner; ++k) {
      for (Index j = 0; j < cols; ++j) {
        result[at(i, j, cols)] += a[at(i, k, inner)] * b[at(k, j, cols)];
      }
    }
  }
  return result;
}

/// Q [dim x units]: the first columns of H_n ... H_1, with H_k = I - 2 v_k v_k^T / v_k^T v_k.
std::vector<double> read_q(const LayerReader& reader, Index units) {
  const Index dim = reader.dim();
  const std::vector<Index>& shape = reader.shape("vectors");
  if (shape.size() != 2 || shape[1] != dim) {
    reader.fail(fmt::format("array 'vectors' should have shape [count x {}] but has [{}]", dim,
                            fmt::join(shape, " x ")));
  }
  const std::vector<double>& vectors = reader.array("vectors", shape);
  std::vector<double> q(static_cast<std::size_t>(dim * units), 0.0);
  for (Index i = 0; i < units; ++i) q[at(i, i, units)] = 1.0;
  for (Index k = 0; k < shape[0]; ++k) {
    const auto v = vectors.begin() + k * dim;
    const double square = std::inner_product(v, v + dim, v, 0.0);
    if (!std::isnormal(square)) {
      reader.fail(
          fmt::format("array 'vectors' has a row of length {} at {}", std::sqrt(square), k));
    }
    for (Index j = 0; j < units; ++j) {
      double overlap = 0.0;
      for (Index i = 0; i < dim; ++i) overlap += v[i] * q[at(i, j, units)];
      for (Index i = 0; i < dim; ++i) q[at(i, j, units)] -= 2.0 * overlap / square * v[i];
    }
  }
  return q;
}

void expect_upper(const LayerReader& reader, const char* name, const std::vector<double>& values,
                  Index units) {
  for (Index i = 0; i < units; ++i) {
    for (Index j = 0; j < i; ++j) {
      if (values[at(i, j, units)] == 0.0) continue;
      reader.fail(fmt::format("array '{}' should be upper triangular but has {} in row {}", name,
                              values[at(i, j, units)], i));
    }
  }
}

Index read_units(const LayerReader& reader) {
  const std::vector<Index>& shape = reader.shape("b");
  if (shape.size() == 1 && shape[0] >= 1 && shape[0] <= reader.dim()) return shape[0];
  reader.fail(fmt::format("array 'b' should have shape [units], units from 1 to {}, but has [{}]",
                          reader.dim(), fmt::join(shape, " x ")));
}

}  // namespace

template <typename T>
Sylvester<T>::Sylvester(const LayerReader& reader)
    : Layer<T>(reader.dim()),
      units_(read_units(reader)),
      r_(reader.array("r", {units_, units_})),
      s_(reader.array("s", {units_, units_})),
      b_(reader.array("b", {units_})) {
  const Index dim = reader.dim();
  const std::vector<double> q = read_q(reader, units_);
  reader.expect_only({"vectors", "r", "s", "b"});
  expect_upper(reader, "r", r_, units_);
  expect_upper(reader, "s", s_, units_);
  for (Index i = 0; i < units_; ++i) {
    const double overlap = r_[at(i, i, units_)] * s_[at(i, i, units_)];
    if (overlap > -1.0) continue;
    reader.fail(fmt::format(
        "the map has no inverse: r times s on the diagonal should exceed -1 but is {} in row {}",
        overlap, i));
  }
  const std::vector<double> turned = transposed(dim, units_, q);
  const std::vector<double> both = product(s_, r_, units_, units_, units_);
  product_.assign(both.begin(), both.end());
  out_ = PackedPair<T>(dim, units_, product(q, r_, dim, units_, units_));
  in_ = PackedPair<T>(units_, dim, product(s_, turned, units_, units_, dim));
  q_transposed_ = PackedMatrix<T>(units_, dim, turned);
}

template <typename T>
TapeShape Sylvester<T>::tape_shape() const {
  return {{units_, units_}, {units_, units_, this->dim()}, {}};
}

/// The factor 1 + (S R)_ii tanh' of the determinant.
template <typename T>
double Sylvester<T>::stretch(Index i, double slope) const {
  return 1.0 + r_[at(i, i, units_)] * s_[at(i, i, units_)] * slope;
}

/// Records what the products need, from tanh of unit i [chains].
template <typename T>
void Sylvester<T>::record(Index i, const T* bend, Tape<T>& tape) const {
  T* slopes = tape.recorded(kSlopes).row(i);
  T* gradients = tape.recorded(kLogDetGradient).row(i);
  const double overlap = r_[at(i, i, units_)] * s_[at(i, i, units_)];
  for (Index c = 0; c < tape.recorded(kSlopes).stride(); ++c) {
    const auto value = static_cast<double>(bend[c]);
    const double slope = 1.0 - value * value;
    slopes[c] = static_cast<T>(slope);
    gradients[c] = static_cast<T>(-2.0 * overlap * value * slope / stretch(i, slope));
  }
}

template <typename T>
void Sylvester<T>::add_log_det(const Tape<T>& tape, PerChain& log_det) const {
  double* sum = log_det.row(0);
  for (Index i = 0; i < units_; ++i) {
    const T* slope = tape.recorded(kSlopes).row(i);
    for (Index c = 0; c < log_det.stride(); ++c) {
      sum[c] += elementary::log_of_any(stretch(i, static_cast<double>(slope[c])));
    }
  }
}

template <typename T>
void Sylvester<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T>& units = tape.scratch(kUnits);
  multiply(in_.matrix, point, 0, units, 0, [&](Index i) {
    T* unit = units.row(i);
    const T bias = static_cast<T>(b_[static_cast<std::size_t>(i)]);
    for (Index c = 0; c < units.stride(); ++c) unit[c] = elementary::tanh(unit[c] + bias);
    record(i, unit, tape);
  });
  add_log_det(tape, log_det);
  add_product(out_.matrix, T{1}, tape, point);
}

/// Solves for u = Q^T z and h = tanh(S u + b), given y = Q^T x [units x chains]. u replaces y.
template <typename T>
void Sylvester<T>::solve(Batch<T>& image, Batch<T>& bends) const {
  for (Index i = units_ - 1; i >= 0; --i) {
    const double r = r_[at(i, i, units_)];
    const double s = s_[at(i, i, units_)];
    for (Index c = 0; c < image.stride(); ++c) {
      double known = static_cast<double>(image.row(i)[c]);
      double shift = b_[static_cast<std::size_t>(i)];
      for (Index j = i + 1; j < units_; ++j) {
        known -= r_[at(i, j, units_)] * static_cast<double>(bends.row(j)[c]);
        shift += s_[at(i, j, units_)] * static_cast<double>(image.row(j)[c]);
      }
      const double u = solve_bend(r, s, shift, known);
      image.row(i)[c] = static_cast<T>(u);
      bends.row(i)[c] = static_cast<T>(elementary::tanh(s * u + shift));
    }
  }
}

template <typename T>
void Sylvester<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T>& image = tape.scratch(kImage);
  Batch<T>& units = tape.scratch(kUnits);
  multiply(q_transposed_, point, 0, image, 0, [](Index /*row*/) {});
  solve(image, units);
  for (Index i = 0; i < units_; ++i) record(i, units.row(i), tape);
  add_log_det(tape, log_det);
  add_product(out_.matrix, T{-1}, tape, point);
}

/// rows += sign * matrix * units. The units are in their scratch rows.
template <typename T>
void Sylvester<T>::add_product(const PackedMatrix<T>& matrix, T sign, const Tape<T>& tape,
                               Batch<T>& rows) const {
  Batch<T>& found = tape.scratch(kCoordinates);
  multiply(matrix, tape.scratch(kUnits), 0, found, 0, [&](Index i) {
    T* row = rows.row(i);
    const T* addend = found.row(i);
    for (Index c = 0; c < rows.stride(); ++c) row[c] += sign * addend[c];
  });
}

/// The unit rows <- tanh' * (matrix * rows).
template <typename T>
void Sylvester<T>::project(const PackedMatrix<T>& matrix, const Tape<T>& tape,
                           const Batch<T>& rows) const {
  Batch<T>& units = tape.scratch(kUnits);
  multiply(matrix, rows, 0, units, 0, [&](Index i) {
    T* unit = units.row(i);
    const T* slope = tape.recorded(kSlopes).row(i);
    for (Index c = 0; c < rows.stride(); ++c) unit[c] *= slope[c];
  });
}

// J = I + Q R D S Q^T, D = diag(tanh').
template <typename T>
void Sylvester<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  project(in_.matrix, tape, v);
  add_product(out_.matrix, T{1}, tape, v);
}

template <typename T>
void Sylvester<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  project(out_.transpose, tape, w);
  Batch<T>& units = tape.scratch(kUnits);
  for (Index i = 0; i < units_; ++i) {
    T* unit = units.row(i);
    const T* gradient = tape.recorded(kLogDetGradient).row(i);
    for (Index c = 0; c < w.stride(); ++c) unit[c] += log_det_bar.row(0)[c] * gradient[c];
  }
  add_product(in_.transpose, T{1}, tape, w);
}

// J^-1 = I - Q R (I + D S R)^-1 D S Q^T, by Woodbury. I + D S R is upper triangular.
template <typename T>
void Sylvester<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  project(in_.matrix, tape, v);
  Batch<T>& units = tape.scratch(kUnits);
  for (Index i = units_ - 1; i >= 0; --i) {
    T* unit = units.row(i);
    const T* slope = tape.recorded(kSlopes).row(i);
    for (Index j = i + 1; j < units_; ++j) {
      const T* known = units.row(j);
      const T factor = product_[at(i, j, units_)];
      for (Index c = 0; c < v.stride(); ++c) unit[c] -= slope[c] * factor * known[c];
    }
    const T overlap = product_[at(i, i, units_)];
    for (Index c = 0; c < v.stride(); ++c) unit[c] /= T{1} + overlap * slope[c];
  }
  add_product(out_.matrix, T{-1}, tape, v);
}

// The transposed system is lower triangular. A unit's row becomes tanh' times its solution: the
// later units and the product need exactly that.
template <typename T>
void Sylvester<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                               const Batch<T>& log_det_bar) const {
  Batch<T>& units = tape.scratch(kUnits);
  for (Index i = 0; i < units_; ++i) {
    T* unit = units.row(i);
    const T* gradient = tape.recorded(kLogDetGradient).row(i);
    for (Index c = 0; c < w.stride(); ++c) unit[c] = log_det_bar.row(0)[c] * gradient[c];
  }
  add_product(in_.transpose, T{1}, tape, w);
  multiply(out_.transpose, w, 0, units, 0, [](Index /*row*/) {});
  for (Index i = 0; i < units_; ++i) {
    T* unit = units.row(i);
    const T* slope = tape.recorded(kSlopes).row(i);
    for (Index j = 0; j < i; ++j) {
      const T* known = units.row(j);
      const T factor = product_[at(j, i, units_)];
      for (Index c = 0; c < w.stride(); ++c) unit[c] -= factor * known[c];
    }
    const T overlap = product_[at(i, i, units_)];
    for (Index c = 0; c < w.stride(); ++c) unit[c] *= slope[c] / (T{1} + overlap * slope[c]);
  }
  add_product(in_.transpose, T{-1}, tape, w);
}

template class Sylvester<float>;
template class Sylvester<double>;

}  // namespace flotilla
