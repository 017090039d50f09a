// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <numeric>
#include <utility>
#include <vector>

#include "flow/layers/conditioned.hpp"

namespace flotilla {

/// A coupling: x_a = z_a, x_b = g(z_b; theta(z_a)). A conditioner gives theta. a are the
/// coordinates with mask 1, b those with mask 0.
///
/// The inverse is one pass of the conditioner too, because it sees only coordinates that pass
/// unchanged. Source: Dinh, Sohl-Dickstein, Bengio 2017, arXiv:1605.08803, eq. 7-8.
template <typename T, template <typename> class Map>
class Coupling final : public Conditioned<T, Map> {
 public:
  static constexpr std::string_view kType = Map<T>::kCoupling;

  /// @throws InputError if the mask, the map or the conditioner's arrays do not fit
  explicit Coupling(const LayerReader& reader) : Coupling(reader, read_split(reader)) {}

  std::string_view type() const override { return kType; }
  Directions directions() const override { return {.inverse = inverse_of_map<Map<T>>()}; }

  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  using Frame = Conditioned<T, Map>;
  using typename Frame::Coordinates;

  Coupling(const LayerReader& reader, const Coordinates& split)
      : Frame(
            reader, split, [&](Index parameters) { return wiring(reader, split, parameters); },
            "mask") {}

  static Coordinates read_split(const LayerReader& reader);
  static Wiring wiring(const LayerReader& reader, const Coordinates& split, Index parameters);
};

template <typename T, template <typename> class Map>
auto Coupling<T, Map>::read_split(const LayerReader& reader) -> Coordinates {
  Coordinates split;
  const std::vector<Index> mask = reader.whole_numbers("mask", reader.dim());
  for (Index i = 0; i < reader.dim(); ++i) {
    const Index bit = mask[static_cast<std::size_t>(i)];
    if (bit > 1) reader.fail("array 'mask' should hold zeros and ones");
    (bit == 1 ? split.seen : split.moved).push_back(i);
  }
  if (split.moved.empty()) {
    reader.fail("array 'mask' has no zero: the layer would transform nothing");
  }
  return split;
}

template <typename T, template <typename> class Map>
Wiring Coupling<T, Map>::wiring(const LayerReader& reader, const Coordinates& split,
                                Index parameters) {
  std::vector<Index> in_order(split.moved.size());
  std::iota(in_order.begin(), in_order.end(), Index{0});
  Wiring result = Wiring::plain(static_cast<Index>(split.seen.size()), 0);
  result.outputs = by_coordinate(in_order, parameters);
  result.on_image = reader.has_array("image");
  result.kept = split.seen;
  result.moved = split.moved;
  return result;
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  this->conditioner().forward(this->gather(tape, point), this->theta(tape), tape,
                              Frame::kConditioner);
  for (Index n = 0; n < this->moved(); ++n) {
    this->map(n).inverse(this->theta_row(tape, n), this->record_row(tape, n),
                         this->moved_row(point, n), log_det.row(0), point.stride());
  }
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  this->conditioner().tangent(tape, Frame::kConditioner, this->gather(tape, v), this->theta(tape));
  for (Index n = 0; n < this->moved(); ++n) {
    this->map(n).inverse_tangent(this->record_row(tape, n), this->theta_row(tape, n),
                                 this->moved_row(v, n), v.stride());
  }
}

// Let g = grad log|det J|, C the conditioner's Jacobian, S = diag g', and G the derivatives with
// respect to theta. Then J^T y = w + bar g has the solution S y_b = w_b + bar L_u and y_a = w_a +
// C^T [bar L_theta - G^T y_b]: one reverse pass again.
template <typename T, template <typename> class Map>
void Coupling<T, Map>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                   const Batch<T>& log_det_bar) const {
  for (Index n = 0; n < this->moved(); ++n) {
    this->map(n).inverse_reverse(this->record_row(tape, n), log_det_bar.row(0),
                                 this->moved_row(w, n), this->theta_row(tape, n), w.stride());
  }
  this->add_reverse(tape, w);
}

}  // namespace flotilla
