// SPDX-License-Identifier: BSD-3-Clause

// Logistic regression: y_j = 1 with probability 1 / (1 + exp(-(x[0] + a_j . x[1..]))), every
// coefficient ~ N(0, 2.5^2). Argument: an HDF5 file with the predictors `a` [n x p] and the
// outcomes `y` [n], 0 or 1. x has p + 1 coordinates: the intercept, then a coefficient for each
// predictor.
#include <hdf5.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "flotilla/target/log_density.h"

struct flotilla_log_density {
  std::vector<double> predictors;  // [n x p]
  std::vector<double> outcomes;    // [n]
  int64_t p = 0;
};

namespace {

constexpr double kPrecision = 1.0 / (2.5 * 2.5);  // of the prior

/// Reads a dataset in double and its sizes; false if that fails.
bool read(hid_t file, const char* name, std::vector<double>& values, std::vector<hsize_t>& sizes) {
  if (H5Lexists(file, name, H5P_DEFAULT) <= 0) return false;
  const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  if (dataset < 0) return false;
  const hid_t space = H5Dget_space(dataset);
  const int rank = H5Sget_simple_extent_ndims(space);
  sizes.assign(rank < 0 ? 0 : static_cast<size_t>(rank), 0);
  bool good = rank > 0 && H5Sget_simple_extent_dims(space, sizes.data(), nullptr) == rank;
  if (good) {
    values.resize(static_cast<size_t>(H5Sget_simple_extent_npoints(space)));
    good = H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0;
  }
  H5Sclose(space);
  H5Dclose(dataset);
  return good;
}

bool read_data(const char* path, flotilla_log_density& density) {
  const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) return false;
  std::vector<hsize_t> of_predictors;
  std::vector<hsize_t> of_outcomes;
  const bool good = read(file, "a", density.predictors, of_predictors) &&
                    read(file, "y", density.outcomes, of_outcomes);
  H5Fclose(file);
  if (!good || of_predictors.size() != 2 || of_outcomes.size() != 1) return false;
  density.p = static_cast<int64_t>(of_predictors[1]);
  return of_predictors[0] == of_outcomes[0];
}

/// Adds the log likelihood of one point to the log prior. @param gradient  null if not needed
double log_density_at(const flotilla_log_density& density, const double* x, double* gradient) {
  double value = 0.0;
  for (int64_t i = 0; i <= density.p; ++i) {
    value -= 0.5 * kPrecision * x[i] * x[i];
    if (gradient != nullptr) gradient[i] = -kPrecision * x[i];
  }
  const double* a = density.predictors.data();
  for (const double y : density.outcomes) {
    double logit = x[0];
    for (int64_t i = 0; i < density.p; ++i) logit += a[i] * x[i + 1];
    const double tail = std::exp(-std::abs(logit));  // cannot overflow on either side
    value += y * logit - std::fmax(logit, 0.0) - std::log1p(tail);
    const double chance = logit > 0.0 ? 1.0 / (1.0 + tail) : tail / (1.0 + tail);
    if (gradient != nullptr) {
      gradient[0] += y - chance;
      for (int64_t i = 0; i < density.p; ++i) gradient[i + 1] += (y - chance) * a[i];
    }
    a += density.p;
  }
  return value;
}

}  // namespace

int flotilla_log_density_abi() {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  auto* const density = new flotilla_log_density;
  if (read_data(arguments, *density)) return density;
  delete density;
  std::snprintf(message, message_size, "expected an HDF5 file with arrays a [n x p] and y [n]");
  return nullptr;
}

int64_t flotilla_log_density_dim(const flotilla_log_density* density) {
  return density->p + 1;
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* /*message*/, size_t /*message_size*/) {
  for (int64_t k = 0; k < points; ++k) {
    double* const own = gradient == nullptr ? nullptr : gradient + k * dim;
    log_density[k] = log_density_at(*density, x + k * dim, own);
  }
  return 0;
}

void flotilla_log_density_close(flotilla_log_density* density) {
  delete density;
}
