// SPDX-License-Identifier: BSD-3-Clause
// The C interface of the posteriors: one library, whose arguments are "NAME DATA.json".
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "flotilla/target/log_density.h"
#include "posterior.hpp"

struct flotilla_log_density {
  std::unique_ptr<Posterior> posterior;
};

namespace {

struct Row {
  const char* name;  // as posteriordb names the model
  std::unique_ptr<Posterior> (*make)(const Data& data);
};

constexpr Row kPosteriors[] = {
    {"arK", ar5},
    {"arma11", arma11},
    {"eight_schools_noncentered", eight_schools_noncentered},
    {"garch11", garch11},
    {"gp_pois_regr", gp_pois_regr},
    {"gp_regr", gp_regr},
    {"hmm_example", hmm_example},
    {"kidscore_interaction", kidscore_interaction},
    {"lotka_volterra", lotka_volterra},
    {"low_dim_gauss_mix", low_dim_gauss_mix},
};

const Row& row(const std::string& name) {
  std::string names;
  for (const Row& row : kPosteriors) {
    if (name == row.name) return row;
    names += std::string(names.empty() ? "" : ", ") + row.name;
  }
  throw std::invalid_argument("there is no posterior '" + name + "': choose one of " + names);
}

std::unique_ptr<Posterior> opened(const std::string& arguments) {
  std::istringstream words(arguments);
  std::string name;
  std::string path;
  if (!(words >> name >> path)) {
    throw std::invalid_argument("the arguments should be \"NAME DATA.json\" but are \"" +
                                arguments + "\"");
  }
  const Row& posterior = row(name);
  std::ifstream file(path);
  if (!file) throw std::invalid_argument("cannot open " + path);
  return posterior.make(Data::parse(file));
}

/// Runs `work`; an exception becomes the message and `failed`.
template <typename Result, typename Work>
Result told(char* message, size_t message_size, Result failed, Work work) noexcept {
  try {
    return work();
  } catch (const std::exception& problem) {
    std::snprintf(message, message_size, "%s", problem.what());
    return failed;
  }
}

}  // namespace

extern "C" {

int flotilla_log_density_abi(void) {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  return told<flotilla_log_density*>(message, message_size, nullptr,
                                     [&] { return new flotilla_log_density{opened(arguments)}; });
}

int64_t flotilla_log_density_dim(const flotilla_log_density* density) {
  return density->posterior->dim();
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* message, size_t message_size) {
  return told(message, message_size, 1, [&] {
    for (int64_t i = 0; i < points; ++i) {
      double* const slope = gradient == nullptr ? nullptr : gradient + i * dim;
      log_density[i] = density->posterior->log_density(x + i * dim, slope);
    }
    return 0;
  });
}

void flotilla_log_density_close(flotilla_log_density* density) {
  delete density;
}

int64_t flotilla_log_density_outputs(const flotilla_log_density* density) {
  const std::string& names = density->posterior->names();
  return 1 + std::count(names.begin(), names.end(), ',');
}

const char* flotilla_log_density_output_names(const flotilla_log_density* density) {
  return density->posterior->names().c_str();
}

int flotilla_log_density_derive(flotilla_log_density* density, int64_t points, int64_t dim,
                                const double* x, double* outputs, char* message,
                                size_t message_size) {
  return told(message, message_size, 1, [&] {
    const int64_t count = flotilla_log_density_outputs(density);
    for (int64_t i = 0; i < points; ++i) {
      density->posterior->parameters(x + i * dim, outputs + i * count);
    }
    return 0;
  });
}

}  // extern "C"
