// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

#include "flotilla/core/batch.hpp"
#include "flotilla/flow/tape.hpp"

namespace flotilla {

/// How a layer computes one of its operations.
struct Direction {
  /// Conditioner passes that must run one after another; the most that there can be.
  Index passes = 1;
  /// How an equation is solved, as in "Newton steps within a bracket"; empty in closed form.
  std::string_view method = {};
  /// Steps of the method for each unknown: the most if there is a tolerance, else always as many.
  /// 0 if the layer does not know.
  Index steps = 0;
  /// The steps end where the equation, or its unknown u, is right to tolerance * (|u| + 1). 0 if
  /// nothing is promised: what is left is then seen by `flotilla flow verify --draws`.
  double tolerance = 0.0;

  bool closed_form() const { return method.empty(); }
};

/// How a layer computes its operations; by default one pass in closed form, exact but for rounding.
/// `flotilla flow show` tells it, and what metric MALA inherits.
struct Directions {
  Direction forward = {};
  Direction inverse = {};
  Direction products = {};          ///< of jvp() and vjp()
  Direction inverse_products = {};  ///< of inverse_jvp() and inverse_vjp(), at a recorded point
};

/// An invertible map x = f(z) of R^dim and its Jacobian J = dx/dz, evaluated on a batch.
///
/// Const and stateless: what a point needs is recorded on a Tape that the caller owns. All six
/// operations work in place and column by column: one chain never sees another. They allocate
/// nothing. A non-finite value is not an error. J is always the Jacobian of forward(), even at a
/// point that inverse() recorded. T is float or double. Source: src/README.md, layers; held by
/// tests/flow/layer_contract.
template <typename T>
class Layer {
 public:
  explicit Layer(Index dim) : dim_(dim) {}
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  Index dim() const { return dim_; }

  /// Its type in flow files.
  virtual std::string_view type() const = 0;
  /// The shape of the tape that the operations below expect.
  virtual TapeShape tape_shape() const = 0;
  /// Multiply-adds of one forward pass, per chain. Element-wise work is not counted.
  virtual Index multiply_adds() const = 0;
  /// Whether inverse() and the products with J^-1 may be called.
  virtual bool has_inverse() const { return true; }
  virtual Directions directions() const { return {}; }

  /// point <- f(point), log_det += log|det J|; records the point.
  ///
  /// @param point    [dim x chains], z on entry, x on return
  /// @param log_det  [1 x chains], added to
  virtual void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const = 0;

  /// point <- f^-1(point), log_det += log|det J| of forward at the result; records the point.
  ///
  /// @param point    [dim x chains], x on entry, z on return
  virtual void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const = 0;

  /// v <- J v at the recorded point; v is [dim x chains].
  virtual void jvp(const Tape<T>& tape, Batch<T>& v) const = 0;

  /// w <- J^T w + log_det_bar * grad_z log|det J| at the recorded point: the reverse pass of
  /// forward(), whose results have the cotangents w [dim x chains] and log_det_bar [1 x chains].
  virtual void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const = 0;

  /// v <- J^-1 v at the recorded point; v is [dim x chains].
  virtual void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const = 0;

  /// w <- J^-T (w + log_det_bar * grad_z log|det J|) at the recorded point; w is [dim x chains].
  ///
  /// With w = grad_z log q_Z and log_det_bar = -1 this is the score grad_x log q_X in one pass,
  /// because a composition can be walked in sampling order (src/README.md, metric MALA, s(z)).
  virtual void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const = 0;

 private:
  Index dim_;
};

}  // namespace flotilla
