#pragma once

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/flow/tape.hpp"
#include "flow/conditioner/packed_convolution.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

struct Blueprint;

enum class Activation { kTanh, kRelu, kLeakyRelu, kSilu, kElu, kSigmoid, kSoftplus };

/// One step of a conditioner's program.
struct Operation {
  enum class Kind {
    kLinear,      ///< the next linear map
    kActivation,  ///< of every unit
    kAffine,      ///< scale and shift of every unit: batch normalisation in evaluation mode
    kLayerNorm,   ///< mean 0 and variance 1 over the units, then scale and shift
    kRemember,    ///< keeps the value: where a residual connection begins
    kAdd          ///< adds what was kept
  };
  Kind kind = Kind::kLinear;
  Activation activation = Activation::kTanh;
  std::size_t array = 0;  ///< which linear map, or which scale and shift
  std::size_t slot = 0;   ///< first recorded slot, counted from the network's own first
};

/// How a layer connects to the network that its file holds.
struct Wiring {
  std::vector<Index> inputs;   ///< input j is the file's input inputs[j]
  std::vector<Index> outputs;  ///< output j is the file's output outputs[j]
  /// For an autoregressive network, how many coordinates there are, in their order: the
  /// outputs of coordinate i, outputs.size() / slices of them, see inputs 0 .. i - 1 alone.
  Index slices = 0;
  /// For convolutions, which read `image` from the file: the coordinates that the inputs are, and
  /// those whose outputs, outputs.size() / moved.size() each and together, they make; ascending.
  bool on_image = false;
  std::vector<Index> kept = {};
  std::vector<Index> moved = {};

  /// As the file has it.
  static Wiring plain(Index inputs, Index outputs);
};

/// A conditioner on batches: linear maps, activations, normalisations and residual connections.
/// On images the linear maps are convolutions, and a unit is a channel at a pixel.
///
/// Its tape holds each activation's derivative, so that the tangent and the reverse pass are matrix
/// products and little else. An autoregressive network can also be run slice by slice: then
/// every unit is computed once, as soon as all that it depends on is known.
/// Source: Germain et al. 2015, arXiv:1502.03509 (masks); He et al. 2016 (residual connections).
template <typename T>
class Network {
 public:
  /// Reads the conditioner entries of a layer (README, flow files).
  /// @throws InputError where they do not fit each other or the wiring, and where an autoregressive
  /// network lets an output see an input that it must not
  Network(const LayerReader& reader, const Wiring& wiring);

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  /// Multiply-adds of one pass, per chain; the tangent and the reverse pass cost the same.
  Index multiply_adds() const;

  /// Rows of the recorded slots.
  const std::vector<Index>& recorded() const { return recorded_; }
  /// Rows of the scratch slots of a pass, from slot 0 on.
  const std::vector<Index>& scratch() const { return scratch_; }
  /// The names of the entries that it reads from a layer.
  const std::vector<std::string>& entry_names() const { return entry_names_; }

  /// out <- network(in); records the derivatives in slots first_slot, first_slot + 1, ...
  ///
  /// @param in   [inputs x chains]
  /// @param out  [outputs x chains], another batch than `in`
  /// The tape's scratch is overwritten as far as scratch() says.
  void forward(const Batch<T>& in, Batch<T>& out, Tape<T>& tape, std::size_t first_slot) const;
  /// out <- Jacobian * in at the recorded point.
  void tangent(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in,
               Batch<T>& out) const;
  /// in_bar <- Jacobian^T * out_bar at the recorded point; out_bar is overwritten.
  void reverse(const Tape<T>& tape, std::size_t first_slot, Batch<T>& out_bar,
               Batch<T>& in_bar) const;

  /// The part of forward() that inputs 0 .. slice - 1 decide and fewer do not: among them the
  /// outputs of coordinate `slice`. Slices 0, 1, ..., Wiring::slices in this order make forward().
  void forward_slice(Index slice, const Batch<T>& in, Batch<T>& out, Tape<T>& tape,
                     std::size_t first_slot) const;
  /// The same part of tangent().
  void tangent_slice(Index slice, const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in,
                     Batch<T>& out) const;
  /// The part of reverse() that ends in input slice - 1; needs the cotangents of the outputs of
  /// coordinates slice, slice + 1, ... and all later slices done. Slices Wiring::slices, ..., 1 in
  /// this order make reverse().
  void reverse_slice(Index slice, const Tape<T>& tape, std::size_t first_slot, Batch<T>& out_bar,
                     Batch<T>& in_bar) const;

 private:
  /// Rows of a product that are computed together, from the columns on that they depend on; of a
  /// convolution all of them.
  struct Part {
    PackedMatrix<T> matrix;
    Index first_row = 0;
    Index first_col = 0;
    PackedConvolution<T> convolution = {};
  };
  struct Linear {
    Part whole;
    Part whole_transposed;
    std::vector<Part> slices;             ///< [d]: rows of degree d
    std::vector<Part> slices_transposed;  ///< [d]: inputs of degree d
    std::vector<T> bias;                  ///< [units]
    Index multiply_adds = 0;
  };
  struct Norm {
    std::vector<T> scale;
    std::vector<T> shift;
  };
  static constexpr Index kWhole = -1;

  template <typename Finish>
  void product(const Part& part, const Batch<T>& in, Batch<T>& out, Finish finish) const;
  Index units(const Part& part) const;

  void pack(const Blueprint& blueprint);
  Linear pack_convolution(const Blueprint& blueprint, std::size_t k) const;
  void pack_slices(const Blueprint& blueprint, std::size_t k);
  void lay_out();
  bool is_last(const Operation& operation) const { return operation.array + 1 == linears_.size(); }

  const Part& part_of(const Operation& operation, Index slice) const;
  void run_linear(const Part& part, const Operation& operation, const Operation* activation,
                  const Batch<T>& source, Batch<T>& result, Tape<T>& tape,
                  std::size_t first_slot) const;
  void run_forward(Index slice, const Batch<T>& in, Batch<T>& out, Tape<T>& tape,
                   std::size_t first_slot) const;
  void run_tangent(Index slice, const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in,
                   Batch<T>& out) const;
  void run_reverse(Index slice, const Tape<T>& tape, std::size_t first_slot, Batch<T>& out_bar,
                   Batch<T>& in_bar) const;
  void normalise(const Operation& operation, Batch<T>& rows, Tape<T>& tape,
                 std::size_t first_slot) const;
  void normalise_direction(const Operation& operation, const Tape<T>& tape, std::size_t first_slot,
                           Batch<T>& rows) const;

  Index inputs_;
  Index outputs_;
  bool on_image_ = false;
  std::vector<Operation> program_;
  std::vector<Linear> linears_;
  std::vector<Norm> norms_;
  T slope_{};
  T alpha_{};
  T epsilon_{};
  std::vector<std::string> entry_names_;
  std::vector<Index> recorded_;
  std::vector<Index> scratch_;
};

}  // namespace flotilla
