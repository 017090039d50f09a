// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A conditioner as its flow file describes it: a program of operations, and its arrays. Here it is
// read, checked and rewired in double precision. Later it is packed for the processor.

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flow/coordinates/image.hpp"

namespace flotilla {

enum class Activation { kTanh, kRelu, kLeakyRelu, kSilu, kElu, kSigmoid, kSoftplus, kGelu };

/// One step of a conditioner's program.
struct Operation {
  enum class Kind {
    kLinear,      ///< applies the next linear map
    kActivation,  ///< applies the activation to every unit
    kAffine,      ///< scales and shifts every unit: batch normalisation in evaluation mode
    kSine,        ///< takes the sine of chosen units: periodic features
    kLayerNorm,   ///< makes mean 0 and variance 1 over the units, then scales and shifts
    kRemember,    ///< saves the value: a residual connection begins
    kAdd          ///< adds the saved value
  };
  Kind kind = Kind::kLinear;
  Activation activation = Activation::kTanh;
  std::size_t array = 0;  ///< number of the linear map, of the scale and shift, or of the sine
  std::size_t slot = 0;   ///< its first recorded slot, from 0 at the network's first slot
};

/// How the inputs and outputs of a layer's conditioner map to those of the network in its file.
struct Wiring {
  std::vector<Index> inputs;   ///< input j of the conditioner is input inputs[j] in the file
  std::vector<Index> outputs;  ///< output j of the conditioner is output outputs[j] in the file
  /// Number of coordinates of an autoregressive network; 0 otherwise. Coordinate i, in order, has
  /// outputs.size() / slices outputs. They see only inputs 0 .. i - 1.
  Index slices = 0;
  /// For convolutions, which read `image` from the file. `kept` are the coordinates that the inputs
  /// are. `moved` are the coordinates that the outputs belong to, outputs.size() / moved.size() for
  /// each and together. Both ascend.
  bool on_image = false;
  std::vector<Index> kept = {};
  std::vector<Index> moved = {};

  /// The wiring of the file itself.
  static Wiring plain(Index inputs, Index outputs);
};

/// x W^T + b. The weight is [rows x cols] in C order. In a convolution rows and cols are channels,
/// and the weight is [rows x cols x kernel_rows x kernel_columns].
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
  std::vector<std::vector<double>> sines;  ///< of each unit: 1 where it takes its sine, else 0
  double slope = 0.0;                      ///< of leaky_relu
  double alpha = 1.0;                      ///< of elu
  double epsilon = 0.0;                    ///< of layer_norm
  std::vector<std::string> entry_names;

  /// For convolutions: the image, and where its values stand among inputs and outputs.
  Image image;
  PixelRows image_inputs;
  PixelRows image_outputs;

  /// For a wiring with slices. [k + 1][d] is the first row of linear map k whose degree is d or
  /// more, for d = 0 .. slices + 1. [0] holds the same for the inputs.
  std::vector<std::vector<Index>> first_of_degree;
};

/// Calls visit(operation, k) for every operation, in order. k is the linear map whose outputs it
/// works on.
template <typename Visit>
void for_each_operation(const Blueprint& blueprint, Visit visit) {
  std::size_t current = 0;
  for (const Operation& operation : blueprint.program) {
    if (operation.kind == Operation::Kind::kLinear) current = operation.array;
    visit(operation, current);
  }
}

/// Reads `activation` or `network` and the arrays that it needs, and rewires them.
/// @throws InputError if they do not fit each other or the wiring
Blueprint read_blueprint(const LayerReader& reader, const Wiring& wiring);

}  // namespace flotilla
