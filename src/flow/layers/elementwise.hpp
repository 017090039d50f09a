// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A monotone function of each coordinate: the base of sigmoid and logit.
///
/// The tape holds the slope dx/dz and the derivative of its logarithm, one row per coordinate.
template <typename T>
class Elementwise : public Layer<T> {
 public:
  explicit Elementwise(const LayerReader& reader);

  TapeShape tape_shape() const override { return {{this->dim(), this->dim()}, {}, {}}; }
  Index multiply_adds() const override { return 0; }

  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 protected:
  static constexpr std::size_t kSlope = 0;
  static constexpr std::size_t kLogSlopeGradient = 1;
};

/// x = 1 / (1 + exp(-z)): from R to the unit interval.
template <typename T>
class Sigmoid final : public Elementwise<T> {
 public:
  static constexpr std::string_view kType = "sigmoid";
  using Elementwise<T>::Elementwise;

  std::string_view type() const override { return kType; }
  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  /// A coordinate outside (0, 1) becomes NaN or infinite; that is not an error.
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;

 private:
  void record(const Batch<T>& z, PerChain& log_det, Tape<T>& tape) const;
};

/// x = log(z / (1 - z)): from the unit interval to R, the inverse of Sigmoid.
template <typename T>
class Logit final : public Elementwise<T> {
 public:
  static constexpr std::string_view kType = "logit";
  using Elementwise<T>::Elementwise;

  std::string_view type() const override { return kType; }
  /// A coordinate outside (0, 1) becomes NaN or infinite; that is not an error.
  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;

 private:
  void record(const Batch<T>& x, PerChain& log_det, Tape<T>& tape) const;
};

}  // namespace flotilla
