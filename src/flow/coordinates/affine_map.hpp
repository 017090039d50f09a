// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// How an affine map makes its scale from the conditioner's output s.
enum class ScaleKind {
  kExp,                ///< exp(s)
  kSigmoid,            ///< sigmoid(s + offset) + floor
  kReciprocalSigmoid,  ///< 1 / sigmoid(s + offset)
  kTanh,               ///< exp(bound tanh(s))
  kSoftclip,           ///< exp(s / (1 + |s / bound|))
  kSoftplus,           ///< softplus(s + offset) + floor, at most `ceiling`
  kArctan,             ///< exp(bound arctan(s))
  kClamp               ///< exp(clamp(s, lowest, highest))
};

/// y = u scale(s) + t, or y = (u + t) scale(s). RealNVP, Glow, MAF and IAF use it, with different
/// scales. Source: Dinh et al. 2017, arXiv:1605.08803; Papamakarios et al. 2017, arXiv:1705.07057.
template <typename T>
class AffineMap {
 public:
  static constexpr std::string_view kCoupling = "affine_coupling";
  static constexpr std::string_view kAutoregressive = "affine_autoregressive";

  /// @throws InputError if `scale`, `shift` or their numbers have values that are not allowed
  explicit AffineMap(const LayerReader& reader);

  static Index parameters() { return 2; }
  static Index recorded() { return 3; }
  const std::vector<std::string>& entry_names() const { return entry_names_; }

  void forward(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void inverse(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void inverse_tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;
  void inverse_reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;

 private:
  template <typename Work>
  void with_scale(Work work) const;
  template <typename Move>
  void record_scales(const T* s, T* record, double* log_det, Index count, Move move) const;
  void read_numbers(const LayerReader& reader);

  ScaleKind kind_ = ScaleKind::kExp;
  bool shift_before_ = false;
  T offset_{};
  T floor_{};
  T bound_{};
  T ceiling_ = std::numeric_limits<T>::infinity();
  T lowest_{};
  T highest_{};
  std::vector<std::string> entry_names_;
};

}  // namespace flotilla
