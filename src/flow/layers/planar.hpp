// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"
#include "flow/layers/bend.hpp"

namespace flotilla {

/// A planar flow: x = z + u h(w.z + b), h = tanh or leaky relu.
///
/// The inverse solves one equation per chain for a = w.z: a + (w.u) h(a + b) = w.x. It is monotone
/// for w.u h' > -1. For the leaky relu the solution is in closed form, for tanh see kBendSolved.
/// Source: Rezende & Mohamed 2015, arXiv:1505.05770, section 4.1 and appendix A.
template <typename T>
class Planar final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "planar";

  /// @throws InputError if the map is not invertible: w.u <= -1 (times the steeper slope)
  explicit Planar(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return 2 * this->dim(); }
  Directions directions() const override { return {.inverse = leaky_ ? Direction{} : kBendSolved}; }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  struct Bend;
  Bend bend(double a) const;
  double solve(double image) const;
  void record(const T* a, PerChain& log_det, Tape<T>& tape) const;
  void shift(double sign, const T* a, Batch<T>& point) const;
  /// out <- direction . rows
  void project(const std::vector<T>& direction, const Batch<T>& rows, T* out) const;
  /// rows += direction * amount
  void add(const std::vector<T>& direction, const T* amount, Batch<T>& rows) const;

  std::vector<T> u_;
  std::vector<T> w_;
  double b_ = 0.0;
  double overlap_ = 0.0;  ///< w.u
  bool leaky_ = false;
  double slope_ = 0.0;  ///< of the leaky relu below zero
};

}  // namespace flotilla
