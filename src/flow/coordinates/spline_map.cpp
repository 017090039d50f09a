// SPDX-License-Identifier: BSD-3-Clause
#include "flow/coordinates/spline_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/elementary.hpp"

// Loops run over blocks of columns that stay in the first cache, and vectorise. A column's bin is
// found by comparing with every knot.

namespace flotilla {

/// The softmax that divides an interval among the bins: part k of every column.
template <typename T>
struct SplineMap<T>::Segments {
  std::array<Block, static_cast<std::size_t>(kMostBins)> share;
  T smallest;  ///< length of a bin with share zero
  T stretch;   ///< length added by a share of one
};

/// Derivatives with respect to the length of each bin before the column's bin, and of that bin.
template <typename T>
struct SplineMap<T>::ByLength {
  Block before;
  Block within;
};

/// y, its slope, and their derivatives with respect to the numbers of the column's bin.
template <typename T>
struct SplineMap<T>::Partials {
  Block image;
  Block slope;
  Block log_by_u;
  ByLength y_by_width;
  ByLength y_by_height;
  ByLength log_by_width;
  ByLength log_by_height;
  Block y_by_left;  ///< with respect to the slopes at both ends
  Block y_by_right;
  Block log_by_left;
  Block log_by_right;
};

/// The bin of each column of a block, and all numbers that determine the spline there.
template <typename T>
struct SplineMap<T>::Bin {
  Segments widths;
  Segments heights;
  Block index;   ///< whole numbers
  Block inside;  ///< 1 within the interval, else 0
  Block left;
  Block width;
  Block bottom;
  Block height;
  Block slope_left;
  Block slope_right;
  Block slope_left_by_raw;
  Block slope_right_by_raw;
  Block fraction;  ///< (u - left) / width
};

template <typename T>
SplineMap<T>::SplineMap(const LayerReader& reader)
    : tails_(static_cast<Tails>(reader.choice("tails", {"linear", "circular", "free"}))),
      softclip_(reader.choice("parameterization", {"softmax", "softclip"}) == 1),
      entry_names_{"tails", "parameterization", "bins", "bound", "centre"} {
  const double bins = reader.number("bins");
  if (!(bins >= 1.0 && bins <= static_cast<double>(kMostBins) && bins == std::floor(bins))) {
    reader.fail(fmt::format("number 'bins' should be a whole number from 1 to {} but is {}",
                            kMostBins, bins));
  }
  bins_ = static_cast<Index>(bins);
  const double bound = reader.number("bound");
  if (bound <= 0.0) reader.fail(fmt::format("number 'bound' should be positive but is {}", bound));
  bound_ = static_cast<T>(bound);
  const auto centre = static_cast<T>(reader.number_or("centre", 0.0));
  low_ = centre - bound_;
  high_ = centre + bound_;
  read_parameterization(reader);
  read_ends(reader);
  this->set_parameters(2 * bins_ + derivatives());
}

template <typename T>
void SplineMap<T>::read_ends(const LayerReader& reader) {
  half_turn_ = reader.choice("turn", {"none", "half"}) == 1;
  entry_names_.emplace_back("turn");
  if (half_turn_ && low_ != -bound_) reader.fail("a spline with a turn has no number 'centre'");
  if (tails_ != Tails::kLinear) return;
  const double slope = reader.number_or("tail_slope", 1.0);
  if (slope <= 0.0) {
    reader.fail(fmt::format("number 'tail_slope' should be positive but is {}", slope));
  }
  tail_slope_ = static_cast<T>(slope);
  entry_names_.emplace_back("tail_slope");
}

/// Turns a block by half a circle of length 2 bound, into [-bound, bound).
template <typename T>
void SplineMap<T>::turn(T* u) const {
  const T length = T{2} * bound_;
  for (std::size_t c = 0; c < kBlock; ++c) {
    u[c] -= bound_ + length * std::floor(u[c] / length);
  }
}

template <typename T>
void SplineMap<T>::read_parameterization(const LayerReader& reader) {
  if (softclip_) {
    const double slope = reader.number_or("slope", 1e-3);
    if (!(slope > 0.0 && slope < 1.0)) {
      reader.fail(fmt::format("number 'slope' should be between 0 and 1 but is {}", slope));
    }
    clip_rate_ = static_cast<T>(-1.0 / elementary::log(slope));
    entry_names_.emplace_back("slope");
    return;
  }
  const auto smallest = [&](const char* name, double limit) {
    const double value = reader.number_or(name, 1e-3);
    if (!(value >= 0.0 && value < limit)) {
      reader.fail(
          fmt::format("number '{}' should be from 0 to below {} but is {}", name, limit, value));
    }
    entry_names_.emplace_back(name);
    return static_cast<T>(value);
  };
  min_width_ = smallest("min_width", 1.0 / static_cast<double>(bins_));
  min_height_ = smallest("min_height", 1.0 / static_cast<double>(bins_));
  min_derivative_ = smallest("min_derivative", 1.0);
}

/// x <- x / (1 + |2 x / log slope|)
template <typename T>
void SplineMap<T>::clip(Block& values) const {
  for (T& x : values) {
    const T magnitude = x < T{0} ? -x : x;
    x /= T{1} + T{2} * clip_rate_ * magnitude;
  }
}

template <typename T>
void SplineMap<T>::share_out(const T* raw, Index count, T smallest, Segments& segments) const {
  Block largest{};
  Block sum{};
  const auto bins = static_cast<std::size_t>(bins_);
  for (std::size_t k = 0; k < bins; ++k) {
    const T* row = raw + static_cast<Index>(k) * count;
    Block& share = segments.share[k];
    std::copy_n(row, kBlock, share.data());
    if (softclip_) clip(share);
    for (std::size_t c = 0; c < kBlock; ++c) {
      largest[c] = k == 0 || share[c] > largest[c] ? share[c] : largest[c];
    }
  }
  for (std::size_t k = 0; k < bins; ++k) {
    for (std::size_t c = 0; c < kBlock; ++c) {
      segments.share[k][c] = elementary::exp(segments.share[k][c] - largest[c]);
      sum[c] += segments.share[k][c];
    }
  }
  for (std::size_t c = 0; c < kBlock; ++c) sum[c] = T{1} / sum[c];
  for (std::size_t k = 0; k < bins; ++k) {
    for (std::size_t c = 0; c < kBlock; ++c) segments.share[k][c] *= sum[c];
  }
  segments.smallest = T{2} * bound_ * smallest;
  segments.stretch = T{2} * bound_ * (T{1} - static_cast<T>(bins_) * smallest);
}

template <typename T>
void SplineMap<T>::find(const T* theta, Index count, const T* value, bool by_height,
                        Bin& bin) const {
  share_out(theta, count, min_width_, bin.widths);
  share_out(theta + bins_ * count, count, min_height_, bin.heights);
  Block left;
  Block bottom;
  left.fill(low_);
  bottom.fill(low_);
  for (Index k = 0; k < bins_; ++k) {
    const Block& width_share = bin.widths.share[static_cast<std::size_t>(k)];
    const Block& height_share = bin.heights.share[static_cast<std::size_t>(k)];
    const bool last = k + 1 == bins_;
    for (std::size_t c = 0; c < kBlock; ++c) {
      const T right =
          last ? high_ : left[c] + (bin.widths.smallest + bin.widths.stretch * width_share[c]);
      const T top =
          last ? high_ : bottom[c] + (bin.heights.smallest + bin.heights.stretch * height_share[c]);
      const bool take = k == 0 || value[c] >= (by_height ? bottom[c] : left[c]);
      bin.index[c] = take ? static_cast<T>(k) : bin.index[c];
      bin.left[c] = take ? left[c] : bin.left[c];
      bin.width[c] = take ? right - left[c] : bin.width[c];
      bin.bottom[c] = take ? bottom[c] : bin.bottom[c];
      bin.height[c] = take ? top - bottom[c] : bin.height[c];
      left[c] = right;
      bottom[c] = top;
    }
  }
  for (std::size_t c = 0; c < kBlock; ++c) {
    bin.inside[c] = value[c] >= low_ && value[c] <= high_ ? T{1} : T{0};
  }
  slopes(theta + 2 * bins_ * count, count, bin);
}

/// The bins whose left end and whose right end have parameter j of the slopes; none has where such
/// a bin does not exist.
template <typename T>
T SplineMap<T>::left_bin(Index j) const {
  return static_cast<T>(tails_ == Tails::kLinear ? j + 1 : j);
}
template <typename T>
T SplineMap<T>::right_bin(Index j) const {
  const Index before = tails_ == Tails::kLinear ? j : j - 1;
  return static_cast<T>(before < 0 && tails_ == Tails::kCircular ? bins_ - 1 : before);
}

/// The derivative of x / (1 + |x| / log slope); 1 without clipping.
template <typename T>
T SplineMap<T>::softclip_slope(T x) const {
  const T magnitude = x < T{0} ? -x : x;
  const T shrink = T{1} / (T{1} + magnitude * clip_rate_);
  return shrink * shrink;
}

/// exp(x / (1 + |x / log slope|)) and its derivative.
template <typename T>
void SplineMap<T>::clipped_slopes(const Block& raw, Block& slope, Block& by_raw) const {
  for (std::size_t c = 0; c < kBlock; ++c) {
    const T magnitude = raw[c] < T{0} ? -raw[c] : raw[c];
    const T shrink = T{1} / (T{1} + magnitude * clip_rate_);
    slope[c] = elementary::exp(raw[c] * shrink);
    by_raw[c] = slope[c] * shrink * shrink;
  }
}

/// min_derivative + softplus(x) and its derivative. softplus takes a logarithm in double, in its
/// own loop: a loop of floats and doubles would not vectorise.
template <typename T>
void SplineMap<T>::smooth_slopes(const Block& raw, Block& slope, Block& by_raw) const {
  Block tail{};
  for (std::size_t c = 0; c < kBlock; ++c) {
    const T magnitude = raw[c] < T{0} ? -raw[c] : raw[c];
    tail[c] = elementary::exp(-magnitude);
    const T small = tail[c] / (T{1} + tail[c]);
    by_raw[c] = raw[c] > T{0} ? T{1} - small : small;
  }
  for (std::size_t c = 0; c < kBlock; ++c) {
    slope[c] = static_cast<T>(elementary::log1p(static_cast<double>(tail[c])));
  }
  for (std::size_t c = 0; c < kBlock; ++c) {
    const T above = raw[c] > T{0} ? raw[c] : T{0};
    const bool linear = raw[c] > static_cast<T>(elementary::kSoftplusThreshold);
    slope[c] = min_derivative_ + (above + (linear ? T{0} : slope[c]));
  }
}

/// Picks the slopes at both ends of the bin. With linear tails knot k has parameter k - 1, and the
/// outermost two knots have the slope of the tails. On a circle knot k has parameter k modulo bins,
/// with free tails parameter k.
template <typename T>
void SplineMap<T>::slopes(const T* raw, Index count, Bin& bin) const {
  Block raw_left{};
  Block raw_right{};
  for (Index j = 0; j < derivatives(); ++j) {
    const T* row = raw + j * count;
    const T as_left = left_bin(j);
    const T as_right = right_bin(j);
    for (std::size_t c = 0; c < kBlock; ++c) {
      raw_left[c] = bin.index[c] == as_left ? row[c] : raw_left[c];
      raw_right[c] = bin.index[c] == as_right ? row[c] : raw_right[c];
    }
  }
  const auto slope_of = [&](const Block& from, T outermost, Block& slope, Block& by_raw) {
    if (softclip_) {
      clipped_slopes(from, slope, by_raw);
    } else {
      smooth_slopes(from, slope, by_raw);
    }
    for (std::size_t c = 0; c < kBlock; ++c) {
      const bool fixed = tails_ == Tails::kLinear && bin.index[c] == outermost;
      slope[c] = fixed ? tail_slope_ : slope[c];
      by_raw[c] = fixed ? T{0} : by_raw[c];
    }
  };
  slope_of(raw_left, T{0}, bin.slope_left, bin.slope_left_by_raw);
  slope_of(raw_right, static_cast<T>(bins_ - 1), bin.slope_right, bin.slope_right_by_raw);
}

/// Rows of the record for one softmax: derivatives of y or of log slope with respect to its raw
/// parameters. They follow from the derivatives with respect to the lengths of the bin and of the
/// bins before it.
template <typename T>
void SplineMap<T>::record_shares(const T* raw, const Segments& segments, const Block& bin,
                                 const ByLength& derivative, T* rows, Index count) const {
  const auto by_length = [&](T number, std::size_t c) {
    const T within = number == bin[c] ? derivative.within[c] : T{0};
    return number < bin[c] ? derivative.before[c] : within;
  };
  Block mean{};
  for (Index k = 0; k < bins_; ++k) {
    const Block& share = segments.share[static_cast<std::size_t>(k)];
    const auto number = static_cast<T>(k);
    for (std::size_t c = 0; c < kBlock; ++c) mean[c] += share[c] * by_length(number, c);
  }
  for (Index k = 0; k < bins_; ++k) {
    const Block& share = segments.share[static_cast<std::size_t>(k)];
    const auto number = static_cast<T>(k);
    const T* parameter = raw + k * count;
    T* row = rows + k * count;
    for (std::size_t c = 0; c < kBlock; ++c) {
      row[c] = segments.stretch * share[c] * (by_length(number, c) - mean[c]);
    }
    if (!softclip_) continue;
    for (std::size_t c = 0; c < kBlock; ++c) row[c] *= softclip_slope(T{2} * parameter[c]);
  }
}

/// The same for the slope parameters. At most two of them matter.
template <typename T>
void SplineMap<T>::record_slopes(const Bin& bin, const Block& by_left, const Block& by_right,
                                 T* rows, Index count) const {
  for (Index j = 0; j < derivatives(); ++j) {
    const T as_left = left_bin(j);
    const T as_right = right_bin(j);
    T* row = rows + j * count;
    for (std::size_t c = 0; c < kBlock; ++c) {
      row[c] = (bin.index[c] == as_left ? by_left[c] * bin.slope_left_by_raw[c] : T{0}) +
               (bin.index[c] == as_right ? by_right[c] * bin.slope_right_by_raw[c] : T{0});
    }
  }
}

// With xi the fraction of the bin, s = height / width its mean slope, q = xi (1 - xi), e = d0 + d1
// - 2 s, a = s xi^2 + d0 q, den = s + e q and num = d1 xi^2 + 2 s q + d0 (1 - xi)^2:
//   y = bottom + height a / den,   dy/du = s^2 num / den^2.
// Source: Durkan et al. 2019, eq. 4 and 5.
template <typename T>
void SplineMap<T>::evaluate(const Bin& __restrict bin, Partials& __restrict partials, T* record,
                            double* log_det, Index count) const {
  for (std::size_t c = 0; c < kBlock; ++c) {
    const T xi = bin.fraction[c];
    const T rest = T{1} - xi;
    const T w = bin.width[c];
    const T h = bin.height[c];
    const T d0 = bin.slope_left[c];
    const T d1 = bin.slope_right[c];
    const T s = h / w;
    const T q = xi * rest;
    const T turn = rest - xi;  // dq / dxi
    const T e = d0 + d1 - T{2} * s;
    const T a = s * xi * xi + d0 * q;
    const T den = s + e * q;
    const T num = d1 * xi * xi + T{2} * s * q + d0 * rest * rest;
    const T ratio = a / den;
    const T in = bin.inside[c];
    const T slope = s * s * num / (den * den);
    const T y_s = h * (xi * xi * den - a * (T{1} - T{2} * q)) / (den * den);
    const T l_xi = T{2} * (d1 * xi + s * turn - d0 * rest) / num - T{2} * e * turn / den;
    const T l_s = T{2} / s + T{2} * q / num - T{2} * (T{1} - T{2} * q) / den;
    partials.y_by_width.before[c] = -in * slope;
    partials.y_by_width.within[c] = -in * (slope * xi + y_s * s / w);
    partials.log_by_width.before[c] = -in * l_xi / w;
    partials.log_by_width.within[c] = -in * (xi * l_xi + s * l_s) / w;
    partials.y_by_height.before[c] = in;
    partials.y_by_height.within[c] = in * (ratio + y_s / w);
    partials.log_by_height.before[c] = T{0};
    partials.log_by_height.within[c] = in * l_s / w;
    partials.y_by_left[c] = in * h * q * (den - a) / (den * den);
    partials.y_by_right[c] = -in * h * q * a / (den * den);
    partials.log_by_left[c] = in * (rest * rest / num - T{2} * q / den);
    partials.log_by_right[c] = in * (xi * xi / num - T{2} * q / den);
    partials.image[c] = bin.bottom[c] + h * ratio;
    partials.slope[c] = in != T{0} ? slope : T{1};
    partials.log_by_u[c] = in * l_xi / w;
  }
  // A separate loop: a loop of floats and doubles would not vectorise.
  for (std::size_t c = 0; c < kBlock; ++c) {
    log_det[c] += elementary::log(static_cast<double>(partials.slope[c]));
  }
  std::copy_n(partials.slope.data(), kBlock, record);
  std::copy_n(partials.log_by_u.data(), kBlock, record + count);
}

template <typename T>
void SplineMap<T>::fill(const T* theta, const Bin& bin, const Partials& partials, T* record,
                        Index count) const {
  T* y_rows = record + 2 * count;
  T* log_rows = y_rows + this->parameters() * count;
  const T* heights = theta + bins_ * count;
  const Index second = bins_ * count;
  const Index third = 2 * bins_ * count;
  record_shares(theta, bin.widths, bin.index, partials.y_by_width, y_rows, count);
  record_shares(heights, bin.heights, bin.index, partials.y_by_height, y_rows + second, count);
  record_slopes(bin, partials.y_by_left, partials.y_by_right, y_rows + third, count);
  record_shares(theta, bin.widths, bin.index, partials.log_by_width, log_rows, count);
  record_shares(heights, bin.heights, bin.index, partials.log_by_height, log_rows + second, count);
  record_slopes(bin, partials.log_by_left, partials.log_by_right, log_rows + third, count);
}

template <typename T>
void SplineMap<T>::forward(const T* theta, T* record, T* value, double* log_det,
                           Index count) const {
  // Filled block by block. Clearing its 16 KiB first would cost a fifth of the call.
  Bin bin;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  Partials partials{};
  for (Index begin = 0; begin < count; begin += kColumnBlock) {
    T* u = value + begin;
    if (half_turn_) turn(u);
    find(theta + begin, count, u, false, bin);
    for (std::size_t c = 0; c < kBlock; ++c) {
      const T fraction = (u[c] - bin.left[c]) / bin.width[c];
      bin.fraction[c] = bin.inside[c] != T{0} ? fraction : T{0.5};
    }
    evaluate(bin, partials, record + begin, log_det + begin, count);
    fill(theta + begin, bin, partials, record + begin, count);
    for (std::size_t c = 0; c < kBlock; ++c)
      u[c] = bin.inside[c] != T{0} ? partials.image[c] : u[c];
  }
}

// y - bottom = r solves A xi^2 + B xi + C = 0 with A = r e + h (s - d0), B = h d0 - r e, C = -s r.
// If B >= 0, the root in [0, 1] is 2 C / (-B - sqrt(B^2 - 4 A C)). If B < 0, it is (-B + sqrt(B^2 -
// 4 A C)) / (2 A), and A > h s. Neither form cancels.
template <typename T>
void SplineMap<T>::solve(const T* y, Bin& bin) const {
  for (std::size_t c = 0; c < kBlock; ++c) {
    const T h = bin.height[c];
    const T s = h / bin.width[c];
    const T e = bin.slope_left[c] + bin.slope_right[c] - T{2} * s;
    const T r = y[c] - bin.bottom[c];
    const T quadratic = r * e + h * (s - bin.slope_left[c]);
    const T linear = h * bin.slope_left[c] - r * e;
    const T constant = -s * r;
    const T square = linear * linear - T{4} * quadratic * constant;
    const T root = std::sqrt(square > T{0} ? square : T{0});
    const bool falling = linear < T{0};
    const T above = falling ? root - linear : T{2} * constant;
    const T below = falling ? T{2} * quadratic : -linear - root;
    const T fraction = elementary::clamp(above / below, T{0}, T{1});
    bin.fraction[c] = bin.inside[c] != T{0} ? fraction : T{0.5};
  }
}

template <typename T>
void SplineMap<T>::inverse(const T* theta, T* record, T* value, double* log_det,
                           Index count) const {
  // Filled block by block. Clearing its 16 KiB first would cost a fifth of the call.
  Bin bin;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  Partials partials{};
  for (Index begin = 0; begin < count; begin += kColumnBlock) {
    T* y = value + begin;
    find(theta + begin, count, y, true, bin);
    solve(y, bin);
    evaluate(bin, partials, record + begin, log_det + begin, count);
    fill(theta + begin, bin, partials, record + begin, count);
    for (std::size_t c = 0; c < kBlock; ++c) {
      const T u = bin.left[c] + bin.fraction[c] * bin.width[c];
      y[c] = bin.inside[c] != T{0} ? u : y[c];
    }
    if (half_turn_) turn(y);
  }
}

template class SplineMap<float>;
template class SplineMap<double>;

}  // namespace flotilla
