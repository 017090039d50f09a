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
    const auto k = static_cast<std::size_t>(i);
    add_normal_exponent(z.row(i), loc_[k], scale_[k], sign, value, z.stride());
  }
}

template <typename T>
void DiagonalNormal<T>::score(const Batch<T>& z, Batch<T>& out) const {
  for (Index i = 0; i < this->dim(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    normal_score(z.row(i), loc_[k], scale_[k], out.row(i), z.stride());
  }
}

template <typename T>
void DiagonalNormal<T>::sample(const Random& random, Purpose purpose, std::uint64_t step,
                               std::uint64_t first_chain, const ColumnMask& mask,
                               Batch<T>& out) const {
  random.normals(purpose, step, first_chain, mask, out);
  const T* take = mask.row<T>();
  for (Index i = 0; i < this->dim(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    place_row(take, loc_[k], scale_[k], out.row(i), out.stride());
  }
}

template class DiagonalNormal<float>;
template class DiagonalNormal<double>;

}  // namespace flotilla
