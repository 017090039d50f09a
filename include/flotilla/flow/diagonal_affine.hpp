#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Coordinate-wise x = scale * z + shift: standardisation, and ActNorm (Kingma, Dhariwal 2018).
template <typename T>
class DiagonalAffine final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "diagonal_affine";

  /// @throws InputError where `scale` or `shift` does not fit, or a scale is zero
  explicit DiagonalAffine(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override { return {}; }
  Index multiply_adds() const override { return 0; }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  void multiply(Batch<T>& rows) const;
  void divide(Batch<T>& rows) const;

  std::vector<T> scale_;
  std::vector<T> shift_;
  double log_det_ = 0.0;
};

}  // namespace flotilla
