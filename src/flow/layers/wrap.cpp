// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/wrap.hpp"

#include <fmt/format.h>

#include "flow/coordinates/circle.hpp"

namespace flotilla {

template <typename T>
Wrap<T>::Wrap(const LayerReader& reader)
    : Layer<T>(reader.dim()),
      circular_(read_circular(reader)),
      bound_(reader.array("bound", {reader.dim()})),
      shift_(reader.array("shift", {reader.dim()})) {
  for (const double bound : bound_) {
    if (bound <= 0.0) {
      reader.fail(fmt::format("array 'bound' should be positive but holds {}", bound));
    }
  }
  reader.expect_only({"circular", "bound", "shift"});
}

template <typename T>
void Wrap<T>::turn(double sign, Batch<T>& point) const {
  for (const Index i : circular_) {
    const auto k = static_cast<std::size_t>(i);
    const Circle circle{-bound_[k], 2.0 * bound_[k]};
    T* row = point.row(i);
    for (Index c = 0; c < point.stride(); ++c) {
      const double turned = static_cast<double>(row[c]) + sign * shift_[k];
      row[c] = static_cast<T>(circle.wrapped(turned));
    }
  }
}

template <typename T>
void Wrap<T>::forward(Batch<T>& point, PerChain& /*log_det*/, Tape<T>& /*tape*/) const {
  turn(1.0, point);
}

template <typename T>
void Wrap<T>::inverse(Batch<T>& point, PerChain& /*log_det*/, Tape<T>& /*tape*/) const {
  turn(-1.0, point);
}

template class Wrap<float>;
template class Wrap<double>;

}  // namespace flotilla
