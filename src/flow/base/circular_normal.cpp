// SPDX-License-Identifier: BSD-3-Clause
#include "flow/base/circular_normal.hpp"

#include "core/elementary.hpp"
#include "core/error_function.hpp"
#include "flow/base/base_arrays.hpp"
#include "flow/coordinates/circle.hpp"

namespace flotilla {

template <typename T>
CircularNormal<T>::CircularNormal(const LayerReader& reader)
    : Base<T>(reader.dim()),
      loc_(reader.array("loc", {reader.dim()})),
      scale_(positive_array(reader, "scale", {reader.dim()})),
      circular_(read_circular(reader)),
      normal_(others(circular_, reader.dim())),
      log_constant_(0.0) {
  for (const Index i : circular_) {
    log_constant_ -= elementary::log_of_any(scale_[static_cast<std::size_t>(i)]);
  }
  for (const Index i : normal_) {
    log_constant_ += log_density_at_centre(&scale_[static_cast<std::size_t>(i)], 1);
  }
  reader.expect_only({"circular", "loc", "scale"});
}

template <typename T>
void CircularNormal<T>::add_log_density(const Batch<T>& z, double sign, PerChain& out) const {
  double* value = out.row(0);
  for (Index c = 0; c < z.stride(); ++c) value[c] += sign * log_constant_;
  for (const Index i : normal_) {
    const auto k = static_cast<std::size_t>(i);
    add_normal_exponent(z.row(i), loc_[k], scale_[k], sign, value, z.stride());
  }
  for (const Index i : circular_) require_finite(z.row(i), sign, out);
}

template <typename T>
void CircularNormal<T>::score(const Batch<T>& z, Batch<T>& out) const {
  out.fill(T{0});
  for (const Index i : normal_) {
    const auto k = static_cast<std::size_t>(i);
    normal_score(z.row(i), loc_[k], scale_[k], out.row(i), z.stride());
  }
}

// Normals for all coordinates; those on a circle become uniform through the distribution function.
template <typename T>
void CircularNormal<T>::sample(const Random& random, Purpose purpose, std::uint64_t step,
                               std::uint64_t first_chain, const ColumnMask& mask,
                               Batch<T>& out) const {
  random.normals(purpose, step, first_chain, mask, out);
  const T* take = mask.row<T>();
  for (const Index i : circular_) {
    T* row = out.row(i);
    for (Index c = 0; c < out.stride(); ++c) {
      const double share = elementary::normal_cdf(static_cast<double>(row[c]));
      row[c] = take[c] != T{} ? static_cast<T>(share - 0.5) : row[c];
    }
  }
  for (Index i = 0; i < this->dim(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    place_row(take, loc_[k], scale_[k], out.row(i), out.stride());
  }
}

template <typename T>
std::vector<Circle> CircularNormal<T>::circles() const {
  std::vector<Circle> circles = Base<T>::circles();
  for (const Index i : circular_) {
    const auto k = static_cast<std::size_t>(i);
    circles[k] = {loc_[k] - 0.5 * scale_[k], scale_[k]};
  }
  return circles;
}

template class CircularNormal<float>;
template class CircularNormal<double>;

}  // namespace flotilla
