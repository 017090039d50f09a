// SPDX-License-Identifier: BSD-3-Clause
#include "flow/base/gaussian_mixture.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/elementary.hpp"
#include "flow/base/base_arrays.hpp"

namespace flotilla {
namespace {

// Weights from a softmax in single precision add up to one within this error.
constexpr double kSumTolerance = 1e-5;

/// Normalises the weights. Their sum has to be one up to rounding.
std::vector<double> read_weights(const LayerReader& reader) {
  const std::vector<Index>& shape = reader.shape("weights");
  std::vector<double> weights =
      positive_array(reader, "weights", {shape.empty() ? Index{1} : shape[0]});
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(std::abs(sum - 1.0) <= kSumTolerance)) {
    reader.fail(fmt::format("array 'weights' should add up to 1 but adds up to {}", sum));
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

}  // namespace

template <typename T>
GaussianMixture<T>::GaussianMixture(const LayerReader& reader) : Base<T>(reader.dim()) {
  const std::vector<double> weights = read_weights(reader);
  const std::vector<Index> shape = {static_cast<Index>(weights.size()), reader.dim()};
  loc_ = reader.array("loc", shape);
  scale_ = positive_array(reader, "scale", shape);
  cumulative_.resize(weights.size());
  std::partial_sum(weights.begin(), weights.end(), cumulative_.begin());
  cumulative_.back() = 1.0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    constants_.push_back(elementary::log_of_any(weights[k]) +
                         log_density_at_centre(scale_.data() + at(k, 0), reader.dim()));
  }
  reader.expect_only({"weights", "loc", "scale"});
}

template <typename T>
std::size_t GaussianMixture<T>::component_of(double u) const {
  return static_cast<std::size_t>(std::lower_bound(cumulative_.begin(), cumulative_.end(), u) -
                                  cumulative_.begin());
}

template <typename T>
typename GaussianMixture<T>::Block GaussianMixture<T>::component_log_density(std::size_t k,
                                                                             const Batch<T>& z,
                                                                             Index begin) const {
  Block value;
  value.fill(constants_[k]);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* row = z.row(i) + begin;
    const double loc = loc_[at(k, i)];
    const double precision = 1.0 / scale_[at(k, i)];
    for (std::size_t c = 0; c < value.size(); ++c) {
      const double standard = (static_cast<double>(row[c]) - loc) * precision;
      value[c] -= 0.5 * standard * standard;
    }
  }
  return value;
}

/// Log of a sum of exponentials, computed term by term. The largest term so far is factored out.
template <typename T>
typename GaussianMixture<T>::Block GaussianMixture<T>::log_density(const Batch<T>& z,
                                                                   Index begin) const {
  Block largest = component_log_density(0, z, begin);
  Block sum;
  sum.fill(1.0);
  for (std::size_t k = 1; k < components(); ++k) {
    const Block value = component_log_density(k, z, begin);
    for (std::size_t c = 0; c < sum.size(); ++c) {
      const double top = std::max(largest[c], value[c]);
      sum[c] = sum[c] * elementary::exp(largest[c] - top) + elementary::exp(value[c] - top);
      largest[c] = top;
    }
  }
  for (std::size_t c = 0; c < sum.size(); ++c) largest[c] += elementary::log_of_any(sum[c]);
  return largest;
}

template <typename T>
void GaussianMixture<T>::add_log_density(const Batch<T>& z, double sign, PerChain& out) const {
  for (Index begin = 0; begin < z.stride(); begin += kColumnBlock) {
    const Block value = log_density(z, begin);
    double* to = out.row(0) + begin;
    for (std::size_t c = 0; c < value.size(); ++c) to[c] += sign * value[c];
  }
}

template <typename T>
void GaussianMixture<T>::score(const Batch<T>& z, Batch<T>& out) const {
  out.fill(T{0});
  for (Index begin = 0; begin < z.stride(); begin += kColumnBlock) {
    const Block total = log_density(z, begin);
    for (std::size_t k = 0; k < components(); ++k) {
      Block responsibility = component_log_density(k, z, begin);
      for (std::size_t c = 0; c < total.size(); ++c) {
        responsibility[c] = elementary::exp(responsibility[c] - total[c]);
      }
      for (Index i = 0; i < this->dim(); ++i) {
        const T* from = z.row(i) + begin;
        T* to = out.row(i) + begin;
        const double loc = loc_[at(k, i)];
        const double precision = 1.0 / scale_[at(k, i)];
        for (std::size_t c = 0; c < total.size(); ++c) {
          const double pull = (loc - static_cast<double>(from[c])) * precision * precision;
          to[c] += static_cast<T>(responsibility[c] * pull);
        }
      }
    }
  }
}

template <typename T>
void GaussianMixture<T>::sample(const Random& random, Purpose purpose, std::uint64_t step,
                                std::uint64_t first_chain, const ColumnMask& mask,
                                Batch<T>& out) const {
  random.normals(purpose, step, first_chain, mask, out);
  for (Index c = 0; c < out.chains(); ++c) {
    if (!mask[c]) continue;
    const std::uint64_t chain = first_chain + static_cast<std::uint64_t>(c);
    const std::size_t k = component_of(random.selector(purpose, step, chain));
    for (Index i = 0; i < this->dim(); ++i) {
      T& value = out(i, c);
      value = static_cast<T>(loc_[at(k, i)] + scale_[at(k, i)] * static_cast<double>(value));
    }
  }
}

template class GaussianMixture<float>;
template class GaussianMixture<double>;

}  // namespace flotilla
