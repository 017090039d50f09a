// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// y = u + t. It preserves volume. Source: Dinh et al. 2014, arXiv:1410.8516 (NICE).
template <typename T>
class AdditiveMap {
 public:
  static constexpr std::string_view kCoupling = "additive_coupling";
  static constexpr std::string_view kAutoregressive = "additive_autoregressive";

  explicit AdditiveMap(const LayerReader& /*reader*/) {}

  static Index parameters() { return 1; }
  static Index recorded() { return 0; }
  static std::vector<std::string> entry_names() { return {}; }

  void forward(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void inverse(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void inverse_tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;
  void inverse_reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;
};

}  // namespace flotilla
