// SPDX-License-Identifier: BSD-3-Clause

// A stand-in for a library of BridgeStan 1: it writes why it failed to stderr.
#include <iostream>

#include "model.hpp"

using stand_in::Model;

namespace {

template <typename Work>
int returning(int failure, Work work) {
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "exception: " << error.what() << std::endl;
    return failure;
  }
}

}  // namespace

extern "C" {

Model* bs_construct(char* data, unsigned int /*seed*/, unsigned int /*chain*/) {
  Model* model = nullptr;
  returning(-1, [&] { model = new Model(data); });
  return model;
}

int bs_destruct(Model* model) {
  delete model;
  return 0;
}

int bs_param_unc_num(Model* /*model*/) {
  return stand_in::kDim;
}

int bs_param_num(Model* /*model*/, bool transformed, bool generated) {
  return Model::count(transformed, generated);
}

const char* bs_param_names(Model* /*model*/, bool transformed, bool generated) {
  return Model::names(transformed, generated);
}

int bs_log_density_gradient(Model* model, bool propto, bool jacobian, const double* point,
                            double* value, double* gradient) {
  return returning(-1, [&] { *value = model->log_density(propto, jacobian, point, gradient); });
}

int bs_param_constrain(Model* model, bool transformed, bool generated, const double* point,
                       double* outputs) {
  return returning(1, [&] { model->constrain(transformed, generated, point, outputs, nullptr); });
}

}  // extern "C"
