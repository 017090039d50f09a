#pragma once

#include <string_view>
#include <vector>

#include "flotilla/flow/packed_matrix.hpp"
#include "flotilla/flow/record.hpp"
#include "flotilla/flow/tape.hpp"

namespace flotilla {

enum class Activation { kTanh, kRelu, kLeakyRelu, kSilu, kElu };

/// A multilayer perceptron on batches: linear maps with an activation between them.
///
/// Its tape holds the activation's derivative at every hidden unit, so that the tangent and the
/// reverse pass are matrix products and nothing else. Zero hidden layers make a linear map.
template <typename T>
class Network {
 public:
  /// Reads `activation` and `weight_0` [out x in], `bias_0` [out], `weight_1`, ... of a layer.
  /// @throws InputError where they do not fit each other, `inputs` or `outputs`
  Network(const LayerReader& reader, Index inputs, Index outputs);

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  /// Multiply-adds of one pass, per chain; the tangent and the reverse pass cost the same.
  Index multiply_adds() const;

  /// Rows of the recorded slots, one slot a hidden layer.
  std::vector<Index> recorded() const;
  /// Rows of the widest hidden layer: the two scratch batches of a pass have as many.
  Index scratch_rows() const;
  /// The names of the entries that it reads from a layer.
  std::vector<std::string> entry_names() const;

  /// out <- network(in); records the derivatives in slots first_slot, first_slot + 1, ...
  ///
  /// @param in   [inputs x chains]
  /// @param out  [outputs x chains], another batch than `in`
  /// The tape's scratch(0) and scratch(1) are overwritten.
  void forward(const Batch<T>& in, Batch<T>& out, Tape<T>& tape, std::size_t first_slot) const;
  /// out <- Jacobian * in at the recorded point.
  void tangent(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in,
               Batch<T>& out) const;
  /// in_bar <- Jacobian^T * out_bar at the recorded point.
  void reverse(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& out_bar,
               Batch<T>& in_bar) const;

 private:
  struct Linear {
    PackedMatrix<T> weight;
    PackedMatrix<T> weight_transposed;
    std::vector<T> bias;
  };

  static void activate(Activation activation, T parameter, T* value, T* derivative, Index count);

  Index inputs_;
  Index outputs_;
  Activation activation_ = Activation::kTanh;
  T parameter_{};
  std::vector<Linear> linears_;
};

}  // namespace flotilla
