#include "flotilla/diagnostics/autocovariance.hpp"

#include <algorithm>
#include <array>
#include <complex>
#include <unsupported/Eigen/FFT>

namespace flotilla {
namespace {

constexpr Index kLagsTogether = 32;
// Partial sums in T are this long: the rounding of a float sum stays that of a few digits.
constexpr Index kTermsTogether = 1024;
// Where a Fourier transform of the whole series begins to be cheaper.
constexpr std::size_t kMostDirectLags = 2048;

/// sums[k] += sum of x[i] x[i + k], i in [0, terms), k in [0, kLagsTogether).
template <typename T>
void add_products(const T* x, const T* later, Index terms, double* sums) {
  std::array<T, kLagsTogether> partial{};
  for (Index i = 0; i < terms; ++i) {
    for (Index k = 0; k < kLagsTogether; ++k) {
      partial[static_cast<std::size_t>(k)] += x[i] * later[i + k];
    }
  }
  for (Index k = 0; k < kLagsTogether; ++k) {
    sums[k] += static_cast<double>(partial[static_cast<std::size_t>(k)]);
  }
}

}  // namespace

template <typename T>
double Autocovariance<T>::operator()(std::span<const T> series, std::span<double> out) {
  const auto length = static_cast<Index>(series.size());
  double sum = 0.0;
  for (const T value : series) sum += static_cast<double>(value);
  const double mean = sum / static_cast<double>(length);
  centred_.assign(series.size() + 2 * kLagsTogether, T{});
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
  const auto lags = static_cast<Index>(out.size());
  for (Index lag = 0; lag < lags; lag += kLagsTogether) {
    std::array<double, kLagsTogether> sums{};
    const Index all = length - lag;
    for (Index i = 0; i < all; i += kTermsTogether) {
      add_products(centred_.data() + i, centred_.data() + i + lag,
                   std::min(kTermsTogether, all - i), sums.data());
    }
    for (Index k = 0; k < std::min(kLagsTogether, lags - lag); ++k) {
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

template class Autocovariance<float>;
template class Autocovariance<double>;

}  // namespace flotilla
