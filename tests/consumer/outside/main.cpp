// SPDX-License-Identifier: BSD-3-Clause

// A shear of the plane, x = (z_0, z_1 + z_0 / 2), built in memory and applied to three points.

#include <cstdio>

#include <flotilla/core/batch.hpp>
#include <flotilla/core/matrix_view.hpp>
#include <flotilla/flow/flow.hpp>
#include <flotilla/flow/record.hpp>
#include <flotilla/flow/tape.hpp>

int main() {
  flotilla::LayerRecord shear;
  shear.type = "affine_coupling";
  shear.texts["activation"] = "tanh";
  shear.arrays["mask"] = {{2}, {1, 0}};
  shear.arrays["weight_0"] = {{2, 1}, {0, 0.5}};  // (s, t) = (0, z_0 / 2)
  shear.arrays["bias_0"] = {{2}, {0, 0}};

  flotilla::FlowRecord record;
  record.dim = 2;
  record.layers = {shear};
  const flotilla::Flow<double> flow(record);

  flotilla::Batch<double> point(2, 3);
  matrix_of(point) << 1, -2, 4,  //
      3, 3, 3;
  flotilla::PerChain log_det(1, 3);
  flotilla::Tape<double> tape(flow.tape_shape(), 3);
  flow.forward(point, log_det, tape);

  for (flotilla::Index chain = 0; chain < point.chains(); ++chain) {
    std::printf("x = (%g, %g), log|det J| = %g\n", point(0, chain), point(1, chain),
                log_det(0, chain));
  }
}
