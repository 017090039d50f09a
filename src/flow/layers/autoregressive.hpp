// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "flow/layers/conditioned.hpp"

namespace flotilla {

/// An autoregressive layer: x_i = g(z_i; theta_i(z)). A masked conditioner gives theta_i; it sees
/// only the coordinates before i in `order`.
///
/// inverse() finds one coordinate after another, and the products with J^-1 solve a triangular
/// system. Both run one pass of the conditioner in dim slices, so that every unit is computed once.
/// This is IAF. `direction = "inverse"` makes it MAF in its sampling direction. Source: Kingma et
/// al. 2016, arXiv:1606.04934; Papamakarios et al. 2017, arXiv:1705.07057.
template <typename T, template <typename> class Map>
class Autoregressive final : public Conditioned<T, Map> {
 public:
  static constexpr std::string_view kType = Map<T>::kAutoregressive;

  /// @throws InputError if the order is not a permutation, or the conditioner violates it
  explicit Autoregressive(const LayerReader& reader)
      : Autoregressive(reader, read_sequence(reader)) {}

  std::string_view type() const override { return kType; }
  Directions directions() const override {
    const Direction sequential = {.passes = this->dim()};
    Direction inverse = inverse_of_map<Map<T>>();
    inverse.passes = this->dim();
    return {.inverse = inverse, .inverse_products = sequential};
  }

  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  using Frame = Conditioned<T, Map>;

  /// @param sequence  the coordinates in their order; all are seen and all are moved
  Autoregressive(const LayerReader& reader, const std::vector<Index>& sequence)
      : Frame(
            reader, {sequence, sequence},
            [&](Index parameters) {
              return Wiring{sequence, by_coordinate(sequence, parameters), reader.dim()};
            },
            "order") {}

  static std::vector<Index> read_sequence(const LayerReader& reader);
};

template <typename T, template <typename> class Map>
std::vector<Index> Autoregressive<T, Map>::read_sequence(const LayerReader& reader) {
  const std::vector<Index> order = reader.whole_numbers("order", reader.dim());
  std::vector<Index> sequence(order.size(), -1);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto place = static_cast<std::size_t>(order[i]);
    if (place >= sequence.size() || sequence[place] >= 0) {
      reader.fail(
          fmt::format("array 'order' should hold each of 0 .. {} once, but element {} is {}{}",
                      reader.dim() - 1, i, place, place < sequence.size() ? " again" : ""));
    }
    sequence[place] = static_cast<Index>(i);
  }
  return sequence;
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T>& in = this->input(tape);
  Batch<T>& theta = this->theta(tape);
  for (Index n = 0; n < this->dim(); ++n) {
    this->conditioner().forward(in, theta, tape, Frame::kConditioner, n);
    T* value = this->moved_row(point, n);
    this->map(n).inverse(this->theta_row(tape, n), this->record_row(tape, n), value, log_det.row(0),
                         point.stride());
    std::copy_n(value, point.stride(), in.row(n));
  }
  // The last slice: units that depend on the last coordinate. No output sees them, but the tape
  // needs them.
  this->conditioner().forward(in, theta, tape, Frame::kConditioner, this->dim());
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  Batch<T>& in = this->input(tape);
  for (Index n = 0; n < this->dim(); ++n) {
    this->conditioner().tangent(tape, Frame::kConditioner, in, this->theta(tape), n);
    T* row = this->moved_row(v, n);
    this->map(n).inverse_tangent(this->record_row(tape, n), this->theta_row(tape, n), row,
                                 v.stride());
    std::copy_n(row, v.stride(), in.row(n));
  }
}

// J = S + G C. S = diag g', G holds the derivatives with respect to theta, and C is the
// conditioner's Jacobian, strictly lower triangular. grad log|det J| = L_u + C^T L_theta. So J^T y
// = w + bar grad log|det J| means S y = w + bar L_u + C^T (bar L_theta - G^T y). C^T leads from
// later coordinates to earlier ones, so solve from the last one backwards.
template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                         const Batch<T>& log_det_bar) const {
  for (Index n = this->dim() - 1; n >= 0; --n) {
    this->conditioner().reverse(tape, Frame::kConditioner, this->theta(tape), this->input(tape),
                                n + 1);
    this->add_input(tape, n, w);
    this->map(n).inverse_reverse(this->record_row(tape, n), log_det_bar.row(0),
                                 this->moved_row(w, n), this->theta_row(tape, n), w.stride());
  }
}

}  // namespace flotilla
