// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flow/coordinates/recorded_map.hpp"

namespace flotilla {

/// A monotone rational-quadratic spline on centre + [-bound, bound]; the identity outside.
///
/// With linear tails both end slopes are `tail_slope`, 1 by default. On a circle the two ends share
/// one slope. With free tails each end has a slope of its own. With `turn` = "half" the input first
/// goes half way round the circle. The inverse solves a quadratic with the root formula that does
/// not cancel. Source: Durkan et al. 2019, arXiv:1906.04032; Rezende et al. 2020, arXiv:2002.02428
/// (circles).
template <typename T>
class SplineMap : public RecordedMap<T> {
 public:
  static constexpr std::string_view kCoupling = "spline_coupling";
  static constexpr std::string_view kAutoregressive = "spline_autoregressive";
  static constexpr Index kMostBins = 64;

  /// @throws InputError if a number is missing or out of range
  explicit SplineMap(const LayerReader& reader);

  const std::vector<std::string>& entry_names() const { return entry_names_; }

  void forward(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void inverse(const T* theta, T* record, T* value, double* log_det, Index count) const;

 private:
  static constexpr std::size_t kBlock = static_cast<std::size_t>(kColumnBlock);
  using Block = std::array<T, kBlock>;  ///< one value of each column of a block
  struct Segments;
  struct Bin;
  struct ByLength;
  struct Partials;

  enum class Tails { kLinear, kCircular, kFree };
  Index derivatives() const {
    return tails_ == Tails::kLinear ? bins_ - 1 : tails_ == Tails::kCircular ? bins_ : bins_ + 1;
  }
  void read_parameterization(const LayerReader& reader);
  void read_ends(const LayerReader& reader);
  void turn(T* u) const;
  T left_bin(Index j) const;
  T right_bin(Index j) const;
  T softclip_slope(T x) const;
  void clip(Block& values) const;
  void clipped_slopes(const Block& raw, Block& slope, Block& by_raw) const;
  void smooth_slopes(const Block& raw, Block& slope, Block& by_raw) const;
  void share_out(const T* raw, Index count, T smallest, Segments& segments) const;
  void find(const T* theta, Index count, const T* value, bool by_height, Bin& bin) const;
  void slopes(const T* raw, Index count, Bin& bin) const;
  void solve(const T* y, Bin& bin) const;
  void evaluate(const Bin& bin, Partials& partials, T* record, double* log_det, Index count) const;
  void record_shares(const T* raw, const Segments& segments, const Block& bin,
                     const ByLength& derivative, T* rows, Index count) const;
  void record_slopes(const Bin& bin, const Block& by_left, const Block& by_right, T* rows,
                     Index count) const;
  void fill(const T* theta, const Bin& bin, const Partials& partials, T* record, Index count) const;

  Index bins_ = 0;
  Tails tails_ = Tails::kLinear;
  bool softclip_ = false;
  bool half_turn_ = false;
  T tail_slope_{1};  ///< at both ends of a spline with linear tails
  T bound_{};        ///< half the length of the interval
  T low_{};
  T high_{};
  T min_width_{};
  T min_height_{};
  T min_derivative_{};
  T clip_rate_{};  ///< -1 / log slope; 0 without clipping
  std::vector<std::string> entry_names_;
};

}  // namespace flotilla
