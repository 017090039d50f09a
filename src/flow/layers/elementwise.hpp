// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A monotone function of each coordinate: the base of sigmoid, logit, leaky ReLU and softclip.
///
/// The tape holds the slope dx/dz and the derivative of its logarithm, one row per coordinate.
template <typename T>
class Elementwise : public Layer<T> {
 public:
  /// @param entries  the names that the record may have
  explicit Elementwise(const LayerReader& reader, const std::vector<std::string>& entries = {});

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
  explicit Sigmoid(const LayerReader& reader) : Elementwise<T>(reader) {}

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
  explicit Logit(const LayerReader& reader) : Elementwise<T>(reader) {}

  std::string_view type() const override { return kType; }
  /// A coordinate outside (0, 1) becomes NaN or infinite; that is not an error.
  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;

 private:
  void record(const Batch<T>& x, PerChain& log_det, Tape<T>& tape) const;
};

/// x = z where z >= 0, slope * z elsewhere. The gradient jumps at z = 0; the acceptance probability
/// accounts for it.
template <typename T>
class LeakyRelu final : public Elementwise<T> {
 public:
  static constexpr std::string_view kType = "leaky_relu";

  /// Entry: number `slope` > 0.
  explicit LeakyRelu(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;

 private:
  /// The sign of a coordinate is the same on both sides.
  void record(const Batch<T>& side, PerChain& log_det, Tape<T>& tape) const;

  T slope_ = T{1};
  double log_slope_ = 0.0;
};

}  // namespace flotilla
