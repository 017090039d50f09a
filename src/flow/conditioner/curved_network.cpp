// SPDX-License-Identifier: BSD-3-Clause
#include "flow/conditioner/curved_network.hpp"

#include <algorithm>

#include "flow/conditioner/activation.hpp"
#include "flow/conditioner/curvature.hpp"
#include "flow/matrix/product.hpp"

namespace flotilla {
namespace {

using Kind = Operation::Kind;

/// out <- matrix in, all rows and columns.
template <typename T>
void multiply_all(const PackedMatrix<T>& matrix, const Batch<T>& in, Batch<T>& out) {
  multiply(matrix, in, 0, out, 0, [](Index /*row*/) {});
}

/// Row u of tangents is `dim` runs of a unit's columns. Calls work(run, u, j) for each run.
template <typename T, typename Work>
void for_each_run(Batch<T>& tangents, Index stride, Work work) {
  for (Index u = 0; u < tangents.dim(); ++u) {
    T* row = tangents.row(u);
    for (Index j = 0; j * stride < tangents.stride(); ++j) work(row + j * stride, u, j);
  }
}

}  // namespace

template <typename T>
CurvedNetwork<T>::CurvedNetwork(const LayerReader& reader)
    : CurvedNetwork(reader, read_blueprint(reader, Wiring::plain(reader.dim(), reader.dim()))) {}

template <typename T>
CurvedNetwork<T>::CurvedNetwork(const LayerReader& reader, const Blueprint& blueprint)
    : dim_(reader.dim()),
      slope_(static_cast<T>(blueprint.slope)),
      alpha_(static_cast<T>(blueprint.alpha)),
      entry_names_(blueprint.entry_names) {
  for (std::size_t n = 0; n < blueprint.program.size(); ++n) {
    const Operation& operation = blueprint.program[n];
    if (operation.kind != (n % 2 == 0 ? Kind::kLinear : Kind::kActivation)) {
      reader.fail("text 'network' should alternate linear maps and activations here");
    }
    if (operation.kind == Kind::kActivation) activations_.push_back(operation.activation);
  }
  if (blueprint.program.size() % 2 == 0) {
    reader.fail("text 'network' should end with linear here");
  }
  for (const LinearArrays& linear : blueprint.linears) {
    linears_.emplace_back(linear.rows, linear.cols, linear.weight);
    biases_.emplace_back(linear.bias.begin(), linear.bias.end());
  }
  first_.assign(blueprint.linears.front().weight.begin(), blueprint.linears.front().weight.end());
}

template <typename T>
std::vector<Index> CurvedNetwork<T>::scratch() const {
  std::vector<Index> rows;
  Index widest = dim_;
  for (std::size_t k = 0; k < hidden(); ++k) {
    rows.insert(rows.end(), {units(k), units(k), units(k), units(k) * dim_});
    widest = std::max(widest, units(k));
  }
  rows.insert(rows.end(), {widest * dim_, widest * dim_});
  return rows;
}

template <typename T>
Index CurvedNetwork<T>::multiply_adds() const {
  Index count = 0;
  for (std::size_t k = 0; k < linears_.size(); ++k) {
    const Index products = k == 0 ? 2 : 2 + 2 * dim_;
    count += products * linears_[k].matrix.rows() * linears_[k].matrix.cols();
  }
  return count;
}

template <typename T>
Batch<T> CurvedNetwork<T>::buffer(const Tape<T>& tape, std::size_t which, Index units) const {
  return tape.scratch(kSlots * hidden() + which).top(units * dim_).folded(units);
}

template <typename T>
void CurvedNetwork<T>::activate_units(const Tape<T>& tape, std::size_t k) const {
  Batch<T> values = level(tape, k, kUnits);
  Batch<T> slopes = level(tape, k, kSlopes);
  Batch<T> bends = level(tape, k, kCurvatures);
  for (Index u = 0; u < units(k); ++u) {
    T* value = values.row(u);
    const T bias = biases_[k][static_cast<std::size_t>(u)];
    for (Index c = 0; c < values.stride(); ++c) value[c] += bias;
    curvatures(activations_[k], alpha_, value, bends.row(u), values.stride());
    activate(activations_[k], slope_, alpha_, value, slopes.row(u), values.stride());
  }
}

template <typename T>
void CurvedNetwork<T>::spread_columns(Batch<T> tangents) const {
  const Index stride = tangents.stride() / dim_;
  for_each_run(tangents, stride, [&](T* run, Index u, Index j) {
    std::fill_n(run, stride, first_[static_cast<std::size_t>(u * dim_ + j)]);
  });
}

template <typename T>
void CurvedNetwork<T>::forward(const Batch<T>& in, Batch<T>& value, Batch<T>& jacobian,
                               const Tape<T>& tape) const {
  for (std::size_t k = 0; k <= hidden(); ++k) {
    Batch<T> out = k < hidden() ? level(tape, k, kUnits) : value.top(dim_);
    if (k == 0) {
      multiply_all(linears_[k].matrix, in, out);
    } else {
      multiply_all(linears_[k].matrix, level(tape, k - 1, kUnits), out);
    }
    if (k < hidden()) activate_units(tape, k);
  }
  for (Index i = 0; i < dim_; ++i) {
    const T bias = biases_.back()[static_cast<std::size_t>(i)];
    for (Index c = 0; c < value.stride(); ++c) value.row(i)[c] += bias;
  }
  spread_columns(hidden() > 0 ? tangents(tape, 0) : jacobian.folded(dim_));
  for (std::size_t k = 0; k < hidden(); ++k) {
    Batch<T> bent = buffer(tape, 0, units(k));
    const Batch<T> straight = tangents(tape, k);
    const Batch<T> slopes = level(tape, k, kSlopes);
    for_each_run(bent, in.stride(), [&](T* run, Index u, Index j) {
      const T* from = straight.row(u) + j * in.stride();
      const T* slope = slopes.row(u);
      for (Index c = 0; c < in.stride(); ++c) run[c] = from[c] * slope[c];
    });
    Batch<T> above = k + 1 < hidden() ? tangents(tape, k + 1) : jacobian.folded(dim_);
    multiply_all(linears_[k + 1].matrix, bent, above);
  }
}

// A unit's slope d_u = h'(a_u) scales all tangents of the unit. So the cotangent of d_u is a sum
// over them, and that of a_u is h''(a_u) times it, plus what comes down through the values.
template <typename T>
void CurvedNetwork<T>::reverse(Batch<T>& cotangent, Batch<T>& gradient, const Tape<T>& tape) const {
  const Index stride = gradient.stride();
  gradient.fill(T{0});
  Batch<T> above = cotangent.folded(dim_);
  for (std::size_t k = hidden(); k-- > 0;) {
    Batch<T> bar = buffer(tape, k % 2, units(k));
    multiply_all(linears_[k + 1].transpose, above, bar);
    // The values are used up: their rows take the cotangents of a.
    Batch<T> input_bar = level(tape, k, kUnits);
    input_bar.fill(T{0});
    if (k + 1 < hidden()) {
      multiply_all(linears_[k + 1].transpose, level(tape, k + 1, kUnits), input_bar);
    }
    const Batch<T> straight = tangents(tape, k);
    const Batch<T> slopes = level(tape, k, kSlopes);
    const Batch<T> bends = level(tape, k, kCurvatures);
    for (Index u = 0; u < units(k); ++u) {
      T* total = input_bar.row(u);
      for (Index c = 0; c < stride; ++c) total[c] *= slopes.row(u)[c];
    }
    for_each_run(bar, stride, [&](T* run, Index u, Index j) {
      const T* from = straight.row(u) + j * stride;
      T* total = input_bar.row(u);
      for (Index c = 0; c < stride; ++c) {
        total[c] += bends.row(u)[c] * run[c] * from[c];
        run[c] *= slopes.row(u)[c];
      }
    });
    above = std::move(bar);
  }
  if (hidden() > 0) multiply_all(linears_.front().transpose, level(tape, 0, kUnits), gradient);
}

template class CurvedNetwork<float>;
template class CurvedNetwork<double>;

}  // namespace flotilla
