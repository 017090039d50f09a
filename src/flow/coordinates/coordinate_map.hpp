#pragma once

#include <array>
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A monotone map y = g(u; theta) of one coordinate, whose parameters theta a conditioner gives:
/// what couplings and autoregressive layers are built of.
///
///   kCoupling, kAutoregressive    the types of those layers in flow files
///   Map(reader)                   reads its entries; entry_names() are their names
///   parameters()                  rows of theta of one coordinate
///   recorded()                    rows that one coordinate records
///   forward          value: u -> y, log_det += log g'; fills the record
///   inverse          value: y -> u, log_det += log g' at u; fills the record
///   tangent          v: du -> dy = g' du + sum_p g_p dtheta_p
///   inverse_tangent  v: dy -> du
///   reverse          w: y_bar -> u_bar, and theta_bar: w g_p + log_det_bar L_p, L = log g'
///   inverse_reverse  w: (w + log_det_bar L_u) / g', and theta_bar: log_det_bar L_p - w g_p
///
/// All work on rows of one coordinate, `count` columns; row p of theta, theta_bar and the record
/// stands p * count behind the first. All are const and allocate nothing.
template <typename Map, typename T>
concept CoordinateMap = std::constructible_from<Map, const LayerReader&> &&
    requires(const Map& map, const T* in, T* out, double* log_det, Index count) {
  { Map::kCoupling } -> std::convertible_to<std::string_view>;
  { Map::kAutoregressive } -> std::convertible_to<std::string_view>;
  { map.parameters() } -> std::same_as<Index>;
  { map.recorded() } -> std::same_as<Index>;
  { map.entry_names() } -> std::convertible_to<std::vector<std::string>>;
  { map.forward(in, out, out, log_det, count) } -> std::same_as<void>;  // theta, record, value
  { map.inverse(in, out, out, log_det, count) } -> std::same_as<void>;
  { map.tangent(in, in, out, count) } -> std::same_as<void>;  // record, theta_dot, v
  { map.inverse_tangent(in, in, out, count) } -> std::same_as<void>;
  { map.reverse(in, in, out, out, count) } -> std::same_as<void>;  // record, bar, w, theta_bar
  { map.inverse_reverse(in, in, out, out, count) } -> std::same_as<void>;
};

/// y = u + t: volume-preserving. Source: Dinh et al. 2014, arXiv:1410.8516 (NICE).
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

/// How an affine map makes its scale of the conditioner's output s.
enum class ScaleKind {
  kExp,                ///< exp(s)
  kSigmoid,            ///< sigmoid(s + offset) + floor
  kReciprocalSigmoid,  ///< 1 / sigmoid(s + offset)
  kTanh,               ///< exp(bound tanh(s))
  kSoftclip,           ///< exp(s / (1 + |s / bound|))
  kSoftplus            ///< softplus(s + offset) + floor
};

/// y = u scale(s) + t, or (u + t) scale(s): RealNVP, Glow, MAF, IAF, by the scales libraries use.
/// Source: Dinh et al. 2017, arXiv:1605.08803; Papamakarios et al. 2017, arXiv:1705.07057.
template <typename T>
class AffineMap {
 public:
  static constexpr std::string_view kCoupling = "affine_coupling";
  static constexpr std::string_view kAutoregressive = "affine_autoregressive";

  /// @throws InputError where `scale`, `shift` or their numbers are not among the allowed
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

  ScaleKind kind_ = ScaleKind::kExp;
  bool shift_before_ = false;
  T offset_{};
  T floor_{};
  T bound_{};
  std::vector<std::string> entry_names_;
};

/// A monotone rational-quadratic spline on [-bound, bound], the identity outside.
///
/// With linear tails both end slopes are 1; on a circle the two ends share one. Within the interval
/// the inverse solves a quadratic by the root formula that does not cancel.
/// Source: Durkan et al. 2019, arXiv:1906.04032; Rezende et al. 2020, arXiv:2002.02428 (circles).
template <typename T>
class SplineMap {
 public:
  static constexpr std::string_view kCoupling = "spline_coupling";
  static constexpr std::string_view kAutoregressive = "spline_autoregressive";
  static constexpr Index kMostBins = 64;

  /// @throws InputError where a number is missing or out of range
  explicit SplineMap(const LayerReader& reader);

  Index parameters() const { return 2 * bins_ + derivatives(); }
  Index recorded() const { return 2 + 2 * parameters(); }
  const std::vector<std::string>& entry_names() const { return entry_names_; }

  void forward(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void inverse(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void inverse_tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;
  void inverse_reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;

 private:
  static constexpr std::size_t kBlock = static_cast<std::size_t>(kColumnBlock);
  using Block = std::array<T, kBlock>;  ///< one value of each column of a block
  struct Segments;
  struct Bin;
  struct ByLength;
  struct Partials;

  Index derivatives() const { return circular_ ? bins_ : bins_ - 1; }
  void read_parameterization(const LayerReader& reader);
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
  bool circular_ = false;
  bool softclip_ = false;
  T bound_{};
  T min_width_{};
  T min_height_{};
  T min_derivative_{};
  T clip_rate_{};  ///< -1 / log slope; 0 where nothing is clipped
  std::vector<std::string> entry_names_;
};

}  // namespace flotilla
