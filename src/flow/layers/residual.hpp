// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <limits>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"
#include "flow/conditioner/curved_network.hpp"

namespace flotilla {

/// A residual flow: x = z + g(z), g a contraction. Its weights are those of the network as it is
/// used: norms are divided out before a file is written.
///
/// The log det is exact: log det(I + dg/dz) from the dense Jacobian, where training had an estimate
/// of a series. So is its gradient. The elimination needs no pivots: no leading minor of I + J
/// vanishes where a norm of J is below 1.
///
/// inverse() takes Newton steps for z + g(z) = x from z = x, and a step of the fixed point
/// z <- x - g(z) wherever a Newton step does not halve the residual. It ends where the residual is
/// at most kTolerance (1 + max|x|), or where steps no longer halve one that rounding may explain.
/// A chain that does neither in kMostSteps steps becomes NaN: a failed inverse.
/// Source: Behrmann et al. 2019, arXiv:1811.00995; Chen et al. 2019, arXiv:1906.02735.
template <typename T>
class Residual final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "residual";
  /// The dense Jacobian, its inverse and their products take dim^2 numbers per chain.
  static constexpr Index kMostCoordinates = 64;
  /// Of the residual z + g(z) - x of inverse(), beside 1 + max|x|.
  static constexpr T kTolerance = T{8} * std::numeric_limits<T>::epsilon();
  static constexpr int kMostSteps = 400;

  /// @throws InputError if the network does not fit, or if there are more than kMostCoordinates
  explicit Residual(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override;
  Directions directions() const override {
    return {.inverse = {.passes = kMostSteps,
                        .method = "Newton and fixed-point steps",
                        .steps = kMostSteps,
                        .tolerance = static_cast<double>(kTolerance)}};
  }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  /// The first rows of a scratch slot after the network's.
  Batch<T> slot(const Tape<T>& tape, std::size_t which, Index rows) const {
    return tape.scratch(first_slot_ + which).top(rows);
  }
  Batch<T> slot(const Tape<T>& tape, std::size_t which) const {
    return slot(tape, which, this->dim());
  }
  void evaluate(const Batch<T>& point, Tape<T>& tape, double* log_det) const;
  void invert(Batch<T>& matrix, double* log_det) const;
  void record(const Batch<T>& z, PerChain& log_det, Tape<T>& tape) const;
  void begin_search(const Batch<T>& x, const Tape<T>& tape) const;
  bool advance_search(Batch<T>& trial, const Tape<T>& tape) const;
  void judge(const Tape<T>& tape) const;
  void apply(const Batch<T>& matrix, bool transposed, const Tape<T>& tape, Batch<T>& rows) const;
  void add_gradient(const Tape<T>& tape, const Batch<T>& log_det_bar, Batch<T>& w) const;

  CurvedNetwork<T> network_;
  std::size_t first_slot_;  ///< of the scratch of its own, after the network's
};

}  // namespace flotilla
