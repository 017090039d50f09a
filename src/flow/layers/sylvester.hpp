// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"
#include "flow/layers/bend.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// A Sylvester flow: x = z + Q R tanh(S Q^T z + b). Q [dim x units] has orthonormal columns; R and
/// S [units x units] are upper triangular.
///
/// In the space of Q the map is triangular. The log det is a product over units. The inverse solves
/// one equation of one unknown after another (kBendSolved). The inverse products solve a triangular
/// system of `units` rows, by Woodbury. Source: van den Berg et al. 2018, arXiv:1803.05649, theorem
/// 1 and section 3.1 (their R~ is S).
template <typename T>
class Sylvester final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "sylvester";

  /// Entries: `vectors` [count x dim], `r`, `s` [units x units], `b` [units]. The first columns of
  /// the reflections H_count ... H_1 are Q. r_ii s_ii > -1.
  explicit Sylvester(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return 2 * this->dim() * units_; }
  Directions directions() const override { return {.inverse = kBendSolved}; }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  double stretch(Index i, double slope) const;
  void record(Index i, const T* bend, Tape<T>& tape) const;
  void add_log_det(const Tape<T>& tape, PerChain& log_det) const;
  void solve(Batch<T>& image, Batch<T>& bends) const;
  void project(const PackedMatrix<T>& matrix, const Tape<T>& tape, const Batch<T>& rows) const;
  void add_product(const PackedMatrix<T>& matrix, T sign, const Tape<T>& tape,
                   Batch<T>& rows) const;

  Index units_ = 0;
  std::vector<double> r_;         ///< [units x units]
  std::vector<double> s_;         ///< [units x units]
  std::vector<double> b_;         ///< [units]
  std::vector<T> product_;        ///< S R, [units x units]
  PackedPair<T> out_;             ///< Q R, [dim x units]
  PackedPair<T> in_;              ///< S Q^T, [units x dim]
  PackedMatrix<T> q_transposed_;  ///< [units x dim]
};

}  // namespace flotilla
