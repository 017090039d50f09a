#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// An orthogonal map as a product of reflections: x = H_n ... H_2 H_1 z, H_k = I - 2 v_k v_k^T /
/// |v_k|^2. Its log det is zero, its inverse the same reflections in the other order.
/// Source: Tomczak & Welling 2016, arXiv:1611.09630.
template <typename T>
class Householder final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "householder";

  /// @throws InputError where `vectors` is not [n x dim], n >= 1, of non-zero rows
  explicit Householder(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override { return {{}, {1}, {}}; }
  Index multiply_adds() const override { return 2 * count_ * this->dim(); }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  void reflect(Index k, const Tape<T>& tape, Batch<T>& rows) const;
  void rotate(const Tape<T>& tape, Batch<T>& rows) const;
  void rotate_back(const Tape<T>& tape, Batch<T>& rows) const;

  Index count_ = 0;
  std::vector<T> vectors_;  ///< of length sqrt(2): H = I - v v^T
};

}  // namespace flotilla
