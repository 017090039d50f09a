#pragma once

// A conditioner as its flow file describes it: a program of operations and its arrays, read,
// checked and rewired in double precision, before any of it is packed for the processor.

#include <string>
#include <vector>

#include "flow/conditioner/network.hpp"
#include "flow/coordinates/image.hpp"

namespace flotilla {

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

/// Reads `activation` or `network` and the arrays that they call for, and rewires them.
/// @throws InputError where they do not fit each other or the wiring
Blueprint read_blueprint(const LayerReader& reader, const Wiring& wiring);

}  // namespace flotilla
