// SPDX-License-Identifier: BSD-3-Clause
#include "diagnostics/autocovariance.hpp"

#include <algorithm>
#include <array>
#include <complex>
#include <cstring>
#include <unsupported/Eigen/FFT>

#include "core/register_tile.hpp"
#include "diagnostics/lane_sum.hpp"

namespace flotilla {
namespace {

// Length of the partial sums in T: short, so that a float sum loses only a few digits to rounding.
constexpr Index kTermsTogether = 1024;
// From this many lags on, a Fourier transform of the whole series is cheaper.
constexpr std::size_t kMostDirectLags = 8192;

constexpr std::size_t kSums = 8;   // vectors of lags that are summed in registers
constexpr std::size_t kReuse = 8;  // number of products that use a vector once it is loaded

template <typename T>
inline constexpr Index kLagsTogether = static_cast<Index>(kSums) * Register<T>::kLanes;
/// Terms per turn. Reading goes up to kLagsTogether values beyond them.
template <typename T>
inline constexpr Index kTurn = static_cast<Index>(kReuse) * Register<T>::kLanes;

/// sums[k] += sum of x[i] later[i + k], i in [0, terms rounded up to a turn), k in
/// [0, kLagsTogether).
///
/// x[i] and x[i + lanes] use nearly the same vectors of `later`: all but one. So each vector is
/// loaded once for kReuse products.
template <typename T>
void add_products(const T* x, const T* later, Index terms, double* sums) {
  using Vector = typename Register<T>::Vector;
  using Anywhere [[gnu::aligned(alignof(T))]] = Vector;
  constexpr Index kLanes = Register<T>::kLanes;
  Vector partial[kSums] = {};
  for (Index turn = 0; turn < terms; turn += kTurn<T>) {
    for (Index i = turn; i < turn + kLanes; ++i) {
      Vector early[kReuse];
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kReuse; ++r) {
        early[r] = Vector{} + x[i + static_cast<Index>(r) * kLanes];
      }
#pragma GCC unroll 16
      for (std::size_t j = 0; j < kSums + kReuse - 1; ++j) {
        const Vector late =
            *reinterpret_cast<const Anywhere*>(later + i + static_cast<Index>(j) * kLanes);
#pragma GCC unroll 8
        for (std::size_t k = 0; k < kSums; ++k) {
          if (j >= k && j - k < kReuse) partial[k] += early[j - k] * late;
        }
      }
    }
  }
  for (std::size_t k = 0; k < kSums; ++k) {
    for (Index lane = 0; lane < kLanes; ++lane) {
      sums[static_cast<Index>(k) * kLanes + lane] += static_cast<double>(partial[k][lane]);
    }
  }
}

}  // namespace

template <typename T>
double Autocovariance<T>::operator()(std::span<const T> series, std::span<double> out) {
  const auto length = static_cast<Index>(series.size());
  const double mean = sum_of(series, [](T value) { return static_cast<double>(value); }) /
                      static_cast<double>(length);
  centred_.resize(series.size() + static_cast<std::size_t>(2 * kLagsTogether<T> + kTurn<T>));
  std::fill(centred_.begin() + length, centred_.end(), T{});
  for (std::size_t i = 0; i < series.size(); ++i) {
    centred_[i] = static_cast<T>(static_cast<double>(series[i]) - mean);
  }
  if (out.size() <= kMostDirectLags) {
    sum_directly(length, out);
  } else {
    transform(length, out);
  }
  return mean;
}

template <typename T>
void Autocovariance<T>::sum_directly(Index length, std::span<double> out) {
  constexpr Index kTogether = kLagsTogether<T>;
  const auto lags = static_cast<Index>(out.size());
  for (Index lag = 0; lag < lags; lag += kTogether) {
    std::array<double, static_cast<std::size_t>(kTogether)> sums{};
    const Index all = length - lag;
    for (Index i = 0; i < all; i += kTermsTogether) {
      const T* x = centred_.data() + i;
      add_products(x, x + lag, std::min(kTermsTogether, all - i), sums.data());
    }
    for (Index k = 0; k < std::min(kTogether, lags - lag); ++k) {
      out[static_cast<std::size_t>(lag + k)] =
          sums[static_cast<std::size_t>(k)] / static_cast<double>(length);
    }
  }
}

template <typename T>
void Autocovariance<T>::transform(Index length, std::span<double> out) {
  std::size_t padded = 1;
  while (padded < 2 * static_cast<std::size_t>(length)) padded *= 2;
  std::vector<double> series(padded, 0.0);
  std::copy_n(centred_.begin(), length, series.begin());
  Eigen::FFT<double> fft;
  std::vector<std::complex<double>> spectrum;
  fft.fwd(spectrum, series);
  for (std::complex<double>& value : spectrum) value = std::norm(value);
  fft.inv(series, spectrum);
  for (std::size_t lag = 0; lag < out.size(); ++lag) {
    out[lag] = series[lag] / static_cast<double>(length);
  }
}

double FlagAutocovariance::operator()(std::span<const std::uint8_t> flags, std::span<double> out) {
  const auto length = static_cast<Index>(flags.size());
  used_ = (length + 63) / 64;
  words_.assign(static_cast<std::size_t>(2 * used_ + 1), 0);
  std::int64_t set = 0;
  for (Index i = 0; i < length; i += 8) {
    std::uint64_t eight = 0;  // eight flags, one per byte
    std::memcpy(&eight, flags.data() + i, static_cast<std::size_t>(std::min<Index>(8, length - i)));
    // The product moves byte k to bit 56 + k, because the factor has a bit at 7 (8 - k). Nothing
    // else lands there.
    const std::uint64_t bits = (eight * 0x0102040810204080U) >> 56U;
    words_[static_cast<std::size_t>(i / 64)] |= bits << static_cast<std::uint64_t>(i % 64);
  }
  for (const std::uint64_t word : words_) set += __builtin_popcountll(word);
  const auto all = static_cast<double>(length);
  const double mean = static_cast<double>(set) / all;
  std::int64_t edges = 0;  // set flags among the first `lag` plus those among the last `lag`
  for (Index lag = 0; lag < static_cast<Index>(out.size()); ++lag) {
    const double alone = static_cast<double>(2 * set - edges);
    const double products = static_cast<double>(both(lag)) - mean * alone +
                            mean * mean * static_cast<double>(length - lag);
    out[static_cast<std::size_t>(lag)] = products / all;
    edges +=
        flags[static_cast<std::size_t>(lag)] + flags[static_cast<std::size_t>(length - 1 - lag)];
  }
  return mean;
}

std::int64_t FlagAutocovariance::both(Index lag) const {
  const std::uint64_t* here = words_.data();
  const std::uint64_t* there = here + lag / 64;
  const auto shift = static_cast<std::uint64_t>(lag % 64);
  std::uint64_t count = 0;
  for (Index k = 0; k < used_ - lag / 64; ++k) {
    // Two shifts, because shifting by 64 at once is undefined.
    const std::uint64_t later = there[k] >> shift | there[k + 1] << 1U << (63U - shift);
    count += static_cast<std::uint64_t>(__builtin_popcountll(here[k] & later));
  }
  return static_cast<std::int64_t>(count);
}

template class Autocovariance<float>;
template class Autocovariance<double>;

}  // namespace flotilla
