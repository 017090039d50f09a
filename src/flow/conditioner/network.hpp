// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/flow/tape.hpp"
#include "flow/conditioner/blueprint.hpp"
#include "flow/conditioner/packed_network.hpp"

namespace flotilla {

/// A conditioner on batches: linear maps, activations, normalisations and residual connections. On
/// images the linear maps are convolutions, and a unit is a channel at a pixel.
///
/// The tape holds each activation's derivative, so the tangent and the reverse pass are little more
/// than matrix products. An autoregressive network can also run slice by slice. Every unit is then
/// computed once, as soon as all that it depends on is known. Source: Germain et al. 2015,
/// arXiv:1502.03509 (masks); He et al. 2016 (residual connections).
template <typename T>
class Network {
 public:
  /// Reads the conditioner entries of a layer.
  /// @throws InputError if they do not fit each other or the wiring, or if an autoregressive
  /// network lets an output see an input that it must not see
  Network(const LayerReader& reader, const Wiring& wiring);

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  /// Multiply-adds of one pass, per chain; the tangent and the reverse pass cost the same.
  Index multiply_adds() const;

  /// Rows of each recorded slot.
  const std::vector<Index>& recorded() const { return recorded_; }
  /// Rows of each scratch slot of a pass, from slot 0 on.
  const std::vector<Index>& scratch() const { return scratch_; }
  /// The names of all entries that it reads from a layer.
  const std::vector<std::string>& entry_names() const { return entry_names_; }

  /// out <- network(in). Records the derivatives in slots first_slot, first_slot + 1, ...
  /// Overwrites as much of the tape's scratch as scratch() says.
  ///
  /// @param in     [inputs x chains]
  /// @param out    [outputs x chains], another batch than `in`
  /// @param slice  compute only the part that depends on input slice - 1 and on no later input; the
  ///               outputs of coordinate `slice` are in it. Slices 0, 1, ..., Wiring::slices, in
  ///               this order, make the whole
  void forward(const Batch<T>& in, Batch<T>& out, Tape<T>& tape, std::size_t first_slot,
               Index slice = kWhole) const;
  /// out <- Jacobian * in at the recorded point. @param slice  as in forward()
  void tangent(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in, Batch<T>& out,
               Index slice = kWhole) const;
  /// in_bar <- Jacobian^T * out_bar at the recorded point; out_bar is overwritten.
  ///
  /// @param slice  compute only the part that ends in input slice - 1. It needs the cotangents of
  ///               the outputs of coordinates slice, slice + 1, ..., and all later slices must be
  ///               done. Slices Wiring::slices, ..., 1, in this order, make the whole
  void reverse(const Tape<T>& tape, std::size_t first_slot, Batch<T>& out_bar, Batch<T>& in_bar,
               Index slice = kWhole) const;

 private:
  Network(const Blueprint& blueprint, const Wiring& wiring);
  void lay_out();

  Index inputs_ = 0;
  Index outputs_ = 0;
  PackedNetwork<T> packed_;
  std::vector<std::string> entry_names_;
  std::vector<Index> recorded_;
  std::vector<Index> scratch_;
};

}  // namespace flotilla
