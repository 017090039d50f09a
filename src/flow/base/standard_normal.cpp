// SPDX-License-Identifier: BSD-3-Clause
#include "flow/base/standard_normal.hpp"

namespace flotilla {

template <typename T>
StandardNormal<T>::StandardNormal(const LayerReader& reader) : Base<T>(reader.dim()) {
  reader.expect_only({});
}

template <typename T>
void StandardNormal<T>::add_log_density(const Batch<T>& z, double sign, PerChain& out) const {
  constexpr double kHalfLogTwoPi = 0.91893853320467274178;
  double* value = out.row(0);
  for (Index c = 0; c < z.stride(); ++c) {
    value[c] -= sign * kHalfLogTwoPi * static_cast<double>(this->dim());
  }
  for (Index i = 0; i < this->dim(); ++i) {
    const T* row = z.row(i);
    for (Index c = 0; c < z.stride(); ++c) {
      const auto coordinate = static_cast<double>(row[c]);
      value[c] -= sign * 0.5 * coordinate * coordinate;
    }
  }
}

template <typename T>
void StandardNormal<T>::score(const Batch<T>& z, Batch<T>& out) const {
  for (Index i = 0; i < this->dim(); ++i) {
    const T* from = z.row(i);
    T* to = out.row(i);
    for (Index c = 0; c < z.stride(); ++c) to[c] = -from[c];
  }
}

template <typename T>
void StandardNormal<T>::sample(const Random& random, Purpose purpose, std::uint64_t step,
                               std::uint64_t first_chain, const ColumnMask& mask,
                               Batch<T>& out) const {
  random.normals(purpose, step, first_chain, mask, out);
}

template class StandardNormal<float>;
template class StandardNormal<double>;

}  // namespace flotilla
