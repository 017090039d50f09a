#pragma once

#include <memory>
#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/packed_matrix.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A linear map by its factors: x = L U z + bias, L lower triangular with unit diagonal, U upper.
///
/// Forward is one product with L U, inverse two triangular solves. The log det is that of U's
/// diagonal; no determinant is ever formed.
/// Source: Kingma & Dhariwal 2018, arXiv:1807.03039, section 3.2; Durkan et al. 2019.
template <typename T>
class LuLinear final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "lu_linear";

  /// @throws InputError where the factors are not triangular, or singular
  explicit LuLinear(const LayerReader& reader);
  ~LuLinear() override;

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return this->dim() * this->dim(); }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  struct Solvers;

  void apply(const PackedMatrix<T>& matrix, const Tape<T>& tape, Batch<T>& rows) const;

  PackedMatrix<T> product_;
  PackedMatrix<T> product_transposed_;
  std::unique_ptr<const Solvers> solvers_;
  std::vector<T> bias_;
  double log_det_ = 0.0;
};

}  // namespace flotilla
