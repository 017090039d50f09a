// SPDX-License-Identifier: BSD-3-Clause
#include "flow/base/diagonal_normal.hpp"

#include "flow/base/base_arrays.hpp"

namespace flotilla {

template <typename T>
DiagonalNormal<T>::DiagonalNormal(const LayerReader& reader)
    : Base<T>(reader.dim()),
      loc_(reader.array("loc", {reader.dim()})),
      scale_(positive_array(reader, "scale", {reader.dim()})),
      log_constant_(log_density_at_centre(scale_.data(), reader.dim())) {
  reader.expect_only({"loc", "scale"});
}

template <typename T>
void DiagonalNormal<T>::add_log_density(const Batch<T>& z, double sign, PerChain& out) const {
  double* value = out.row(0);
  for (Index c = 0; c < z.stride(); ++c) value[c] += sign * log_constant_;
  for (Index i = 0; i < this->dim(); ++i) {
    const T* row = z.row(i);
    const double loc = loc_[static_cast<std::size_t>(i)];
    const double precision = 1.0 / scale_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < z.stride(); ++c) {
      const double standard = (static_cast<double>(row[c]) - loc) * precision;
      value[c] -= sign * 0.5 * standard * standard;
    }
  }
}

template <typename T>
void DiagonalNormal<T>::score(const Batch<T>& z, Batch<T>& out) const {
  for (Index i = 0; i < this->dim(); ++i) {
    const T* from = z.row(i);
    T* to = out.row(i);
    const double loc = loc_[static_cast<std::size_t>(i)];
    const double precision = 1.0 / scale_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < z.stride(); ++c) {
      to[c] = static_cast<T>((loc - static_cast<double>(from[c])) * precision * precision);
    }
  }
}

template <typename T>
void DiagonalNormal<T>::sample(const Random& random, Purpose purpose, std::uint64_t step,
                               std::uint64_t first_chain, const ColumnMask& mask,
                               Batch<T>& out) const {
  random.normals(purpose, step, first_chain, mask, out);
  const T* take = mask.row<T>();
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = out.row(i);
    const double loc = loc_[static_cast<std::size_t>(i)];
    const double scale = scale_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < out.stride(); ++c) {
      const T moved = static_cast<T>(loc + scale * static_cast<double>(row[c]));
      row[c] = take[c] != T{} ? moved : row[c];
    }
  }
}

template class DiagonalNormal<float>;
template class DiagonalNormal<double>;

}  // namespace flotilla
