#include "flotilla/flow/lu_linear.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"
#include "flow/triangular.hpp"

namespace flotilla {
namespace {

// Scratch slots.
constexpr std::size_t kImage = 0;
constexpr std::size_t kBlock = 1;

double& at(std::vector<double>& matrix, Index dim, Index i, Index j) {
  return matrix[static_cast<std::size_t>(i * dim + j)];
}

void expect_triangular(const LayerReader& reader, const char* name, std::vector<double>& matrix,
                       bool lower) {
  const Index dim = reader.dim();
  for (Index i = 0; i < dim; ++i) {
    for (Index j = 0; j < dim; ++j) {
      const bool outside = lower ? j > i : j < i;
      if (!outside || at(matrix, dim, i, j) == 0.0) continue;
      reader.fail(fmt::format("array '{}' should be {} triangular but holds {} at ({}, {})", name,
                              lower ? "lower" : "upper", at(matrix, dim, i, j), i, j));
    }
    const double diagonal = at(matrix, dim, i, i);
    if (lower && diagonal != 1.0) {
      reader.fail(fmt::format("array 'lower' should have ones on its diagonal but has {} at {}",
                              diagonal, i));
    }
    if (!lower && diagonal == 0.0) {
      reader.fail(fmt::format("array 'upper' is singular: its diagonal is zero at {}", i));
    }
  }
}

std::vector<double> product(Index dim, std::vector<double>& lower, std::vector<double>& upper) {
  std::vector<double> result(lower.size(), 0.0);
  for (Index i = 0; i < dim; ++i) {
    for (Index k = 0; k <= i; ++k) {
      const double factor = at(lower, dim, i, k);
      for (Index j = k; j < dim; ++j) {
        at(result, dim, i, j) += factor * at(upper, dim, k, j);
      }
    }
  }
  return result;
}

void add(double value, PerChain& per_chain) {
  double* total = per_chain.row(0);
  for (Index c = 0; c < per_chain.stride(); ++c) total[c] += value;
}

}  // namespace

template <typename T>
struct LuLinear<T>::Solvers {
  TriangularSolver<T> lower;
  TriangularSolver<T> upper;
  TriangularSolver<T> lower_transposed;
  TriangularSolver<T> upper_transposed;
};

template <typename T>
LuLinear<T>::LuLinear(const LayerReader& reader) : Layer<T>(reader.dim()) {
  reader.expect_only({"lower", "upper", "bias"});
  const Index dim = reader.dim();
  std::vector<double> lower = reader.array("lower", {dim, dim});
  std::vector<double> upper = reader.array("upper", {dim, dim});
  const std::vector<double>& bias = reader.array("bias", {dim});
  expect_triangular(reader, "lower", lower, true);
  expect_triangular(reader, "upper", upper, false);
  const std::vector<double> whole = product(dim, lower, upper);
  product_ = PackedMatrix<T>(dim, dim, whole);
  product_transposed_ = PackedMatrix<T>(dim, dim, transposed(dim, dim, whole));
  solvers_ = std::make_unique<const Solvers>(
      Solvers{TriangularSolver<T>(Triangle::kLower, dim, lower),
              TriangularSolver<T>(Triangle::kUpper, dim, upper),
              TriangularSolver<T>(Triangle::kUpper, dim, transposed(dim, dim, lower)),
              TriangularSolver<T>(Triangle::kLower, dim, transposed(dim, dim, upper))});
  bias_.assign(bias.begin(), bias.end());
  for (Index i = 0; i < dim; ++i) {
    log_det_ += elementary::log_of_any(std::abs(at(upper, dim, i, i)));
  }
}

template <typename T>
LuLinear<T>::~LuLinear() = default;

template <typename T>
TapeShape LuLinear<T>::tape_shape() const {
  return {{}, {this->dim(), TriangularSolver<T>::kBlockRows}, {}};
}

template <typename T>
void LuLinear<T>::apply(const PackedMatrix<T>& matrix, const Tape<T>& tape, Batch<T>& rows) const {
  Batch<T>& image = tape.scratch(kImage);
  multiply(matrix, rows, 0, image, 0, [](Index /*row*/) {});
  std::copy_n(image.row(0), this->dim() * rows.stride(), rows.row(0));
}

template <typename T>
void LuLinear<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  apply(product_, tape, point);
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    const T bias = bias_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < point.stride(); ++c) row[c] += bias;
  }
  add(log_det_, log_det);
}

template <typename T>
void LuLinear<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    const T bias = bias_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < point.stride(); ++c) row[c] -= bias;
  }
  inverse_jvp(tape, point);
  add(log_det_, log_det);
}

template <typename T>
void LuLinear<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  apply(product_, tape, v);
}

template <typename T>
void LuLinear<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& /*log_det_bar*/) const {
  apply(product_transposed_, tape, w);
}

template <typename T>
void LuLinear<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  solvers_->lower.solve(v, tape.scratch(kBlock));
  solvers_->upper.solve(v, tape.scratch(kBlock));
}

template <typename T>
void LuLinear<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                              const Batch<T>& /*log_det_bar*/) const {
  solvers_->upper_transposed.solve(w, tape.scratch(kBlock));
  solvers_->lower_transposed.solve(w, tape.scratch(kBlock));
}

template class LuLinear<float>;
template class LuLinear<double>;

}  // namespace flotilla
