// SPDX-License-Identifier: BSD-3-Clause

// A stand-in for a library of BridgeStan 2, or with STAND_IN_VERSION one that says its version. Its
// model prints, as models may.
#include <cstring>

#include "model.hpp"

using stand_in::Model;

namespace {

using Print = void(const char* text, std::size_t size);

Print* print = nullptr;
int messages = 0;  // that nobody has freed

/// `print("...")` of the model. Without a callback that is stdout, as in BridgeStan.
void tell(const std::string& text) {
  if (print != nullptr) {
    print(text.data(), text.size());
  } else {
    std::fputs(text.c_str(), stdout);
  }
}

template <typename Work>
int catching(char** error, Work work) {
  try {
    work();
    return 0;
  } catch (const std::exception& problem) {
    if (error != nullptr) {
      *error = strdup(problem.what());
      ++messages;
    }
    return -1;
  }
}

}  // namespace

extern "C" {

#ifdef STAND_IN_VERSION
extern const int bs_major_version;
const int bs_major_version = STAND_IN_VERSION;
#endif

/// For tests: the messages that were not freed.
int stand_in_messages() {
  return messages;
}

int bs_set_print_callback(Print* callback, char** /*error*/) {
  print = callback;
  return 0;
}

Model* bs_model_construct(const char* data, unsigned int /*seed*/, char** error) {
  Model* model = nullptr;
  catching(error, [&] { model = new Model(data); });
  tell("a model is made\n");
  return model;
}

void bs_model_destruct(Model* model) {
  delete model;
}

void bs_free_error_msg(char* message) {
  --messages;
  std::free(message);
}

int bs_param_unc_num(const Model* /*model*/) {
  return stand_in::kDim;
}

int bs_param_num(const Model* /*model*/, bool transformed, bool generated) {
  return Model::count(transformed, generated);
}

const char* bs_param_names(const Model* /*model*/, bool transformed, bool generated) {
  return Model::names(transformed, generated);
}

int bs_log_density_gradient(const Model* model, bool propto, bool jacobian, const double* point,
                            double* value, double* gradient, char** error) {
  return catching(error, [&] { *value = model->log_density(propto, jacobian, point, gradient); });
}

std::mt19937* bs_rng_construct(unsigned int seed, char** /*error*/) {
  return new std::mt19937(seed);
}

void bs_rng_destruct(std::mt19937* generator) {
  delete generator;
}

int bs_param_constrain(const Model* model, bool transformed, bool generated, const double* point,
                       double* outputs, std::mt19937* generator, char** error) {
  return catching(error,
                  [&] { model->constrain(transformed, generated, point, outputs, generator); });
}

}  // extern "C"
