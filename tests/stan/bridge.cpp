// SPDX-License-Identifier: BSD-3-Clause

// BridgeStan's interface around a model of rstan's compiler, whose C++ is included before this
// file. Data is in R's dump format, because that Stan reads no JSON.
#include <boost/random/additive_combine.hpp>
#include <cstring>
#include <fstream>
#include <memory>
#include <stan/io/dump.hpp>
#include <stan/model/log_prob_grad.hpp>

using Generator = boost::ecuyer1988;

namespace {

struct Model {
  std::unique_ptr<stan::model::model_base> stan;
  std::string names;  // what bs_param_names returned last

  std::vector<std::string> list(bool transformed, bool generated) const {
    std::vector<std::string> found;
    stan->constrained_param_names(found, transformed, generated);
    return found;
  }
};

template <typename Work>
int catching(char** error, Work work) {
  try {
    work();
    return 0;
  } catch (const std::exception& problem) {
    if (error != nullptr) *error = strdup(problem.what());
    return -1;
  }
}

}  // namespace

extern "C" {

Model* bs_model_construct(const char* data, unsigned int seed, char** error) {
  Model* model = nullptr;
  catching(error, [&] {
    std::ifstream file(data);
    if (!file) throw std::runtime_error(std::string("cannot read ") + data);
    stan::io::dump dump(file);
    model =
        new Model{std::unique_ptr<stan::model::model_base>(&new_model(dump, seed, &std::cout)), {}};
  });
  return model;
}

void bs_model_destruct(Model* model) {
  delete model;
}

void bs_free_error_msg(char* message) {
  std::free(message);
}

int bs_param_unc_num(const Model* model) {
  return static_cast<int>(model->stan->num_params_r());
}

int bs_param_num(const Model* model, bool transformed, bool generated) {
  return static_cast<int>(model->list(transformed, generated).size());
}

const char* bs_param_names(Model* model, bool transformed, bool generated) {
  model->names.clear();
  for (const std::string& name : model->list(transformed, generated)) {
    model->names += (model->names.empty() ? "" : ",") + name;
  }
  return model->names.c_str();
}

int bs_log_density_gradient(const Model* model, bool propto, bool jacobian, const double* point,
                            double* value, double* gradient, char** error) {
  return catching(error, [&] {
    if (propto || !jacobian) throw std::invalid_argument("expected constants and the Jacobian");
    Eigen::VectorXd theta = Eigen::Map<const Eigen::VectorXd>(
        point, static_cast<Eigen::Index>(bs_param_unc_num(model)));
    Eigen::VectorXd slope;
    *value = stan::model::log_prob_grad<false, true>(*model->stan, theta, slope, &std::cout);
    stan::math::recover_memory();  // which Stan does after exceptions alone
    Eigen::Map<Eigen::VectorXd>(gradient, slope.size()) = slope;
  });
}

Generator* bs_rng_construct(unsigned int seed, char** /*error*/) {
  return new Generator(seed);
}

void bs_rng_destruct(Generator* generator) {
  delete generator;
}

int bs_param_constrain(const Model* model, bool transformed, bool generated, const double* point,
                       double* outputs, Generator* generator, char** error) {
  return catching(error, [&] {
    Generator unused(0);
    Eigen::VectorXd theta = Eigen::Map<const Eigen::VectorXd>(
        point, static_cast<Eigen::Index>(bs_param_unc_num(model)));
    Eigen::VectorXd values;
    model->stan->write_array(generator != nullptr ? *generator : unused, theta, values, transformed,
                             generated, &std::cout);
    Eigen::Map<Eigen::VectorXd>(outputs, values.size()) = values;
  });
}

}  // extern "C"
