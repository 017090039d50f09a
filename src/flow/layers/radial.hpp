// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A radial flow: x = z + beta / (alpha + r) (z - c), r = |z - c|.
///
/// The Jacobian is A I + (C - A) e e^T with e along the radius, so every product is one projection.
/// The inverse is the positive root of a quadratic in r, in closed form. Source: Rezende & Mohamed
/// 2015, arXiv:1505.05770, eq. 14.
template <typename T>
class Radial final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "radial";

  /// Entries: array `centre` [dim], numbers `alpha` > 0 and `beta` > -alpha.
  explicit Radial(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return 2 * this->dim(); }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  /// Subtracts c from the point and computes the length of the result.
  void centre(Batch<T>& point, Tape<T>& tape) const;
  double radius_of(double image) const;
  void finish(Batch<T>& point, PerChain& log_det, Tape<T>& tape, bool forward) const;
  void project(const Tape<T>& tape, const Batch<T>& rows) const;
  void combine(const Tape<T>& tape, Batch<T>& rows) const;
  enum class Way { kForward, kInverse };
  /// rows <- J rows + log_det_bar grad log|det J|, or J^-1 (rows + log_det_bar grad log|det J|). A
  /// null log_det_bar counts as zero.
  template <Way way>
  void stretch(const Tape<T>& tape, Batch<T>& rows, const T* log_det_bar) const;

  std::vector<T> centre_;
  double alpha_ = 0.0;
  double beta_ = 0.0;
};

}  // namespace flotilla
