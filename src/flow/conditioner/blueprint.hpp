// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A conditioner as its flow file describes it: a program of operations and its arrays, read,
// checked and rewired in double precision, before any of it is packed for the processor.

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flow/coordinates/image.hpp"

namespace flotilla {

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

/// x W^T + b: weight [rows x cols] in C order; of a convolution rows and cols are channels, and the
/// weight is [rows x cols x kernel_rows x kernel_columns].
struct LinearArrays {
  Index rows = 0;
  Index cols = 0;
  Index kernel_rows = 1;
  Index kernel_columns = 1;
  std::vector<double> weight;
  std::vector<double> bias;
};

/// Scale and shift of each unit.
struct NormArrays {
  std::vector<double> scale;
  std::vector<double> shift;
};

struct Blueprint {
  std::vector<Operation> program;
  std::vector<LinearArrays> linears;
  std::vector<NormArrays> norms;
  double slope = 0.0;    ///< of leaky_relu
  double alpha = 1.0;    ///< of elu
  double epsilon = 0.0;  ///< of layer_norm
  std::vector<std::string> entry_names;

  /// Of convolutions: the image, and where its values stand among inputs and outputs.
  Image image;
  PixelRows image_inputs;
  PixelRows image_outputs;

  /// For a wiring with slices, one entry a linear map: the first row whose degree is d or more, for
  /// d = 0 .. slices + 1; row 0 stands for the inputs, row k + 1 for linear map k.
  std::vector<std::vector<Index>> first_of_degree;
};

/// Calls visit(operation, k) with the linear map k whose outputs the operation works on.
template <typename Visit>
void for_each_operation(const Blueprint& blueprint, Visit visit) {
  std::size_t current = 0;
  for (const Operation& operation : blueprint.program) {
    if (operation.kind == Operation::Kind::kLinear) current = operation.array;
    visit(operation, current);
  }
}

/// Reads `activation` or `network` and the arrays that they call for, and rewires them.
/// @throws InputError where they do not fit each other or the wiring
Blueprint read_blueprint(const LayerReader& reader, const Wiring& wiring);

}  // namespace flotilla
