/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A chain of phi^4 theory, closed to a ring: log p = -S with
 *
 *     S = sum_i (x[i+1] - x[i])^2 / 2 + m2 x[i]^2 / 2 + lambda x[i]^4
 *
 * Any number of sites from 2 on. Arguments: "m2,lambda"; m2 may be negative, lambda is above 0.
 * Outputs: magnetisation, the mean of x over the ring; square, that of x^2; susceptibility,
 * (sum_i x[i])^2 / sites. scripts/phi4_truth.py computes their means.
 */
#include <stdio.h>
#include <stdlib.h>

#include "flotilla/target/log_density.h"

struct flotilla_log_density {
  double m2;
  double lambda;
};

int flotilla_log_density_abi(void) {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  double m2 = 0.0;
  double lambda = 0.0;
  char rest = '\0';
  flotilla_log_density* density = NULL;
  if (sscanf(arguments, "%lf,%lf%c", &m2, &lambda, &rest) != 2 || !(lambda > 0.0)) {
    snprintf(message, message_size, "expected two numbers, m2,lambda with lambda above 0");
    return NULL;
  }
  density = malloc(sizeof *density);
  if (density == NULL) {
    snprintf(message, message_size, "out of memory");
    return NULL;
  }
  density->m2 = m2;
  density->lambda = lambda;
  return density;
}

int64_t flotilla_log_density_dim(const flotilla_log_density* density) {
  (void)density;
  return 0;
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* message, size_t message_size) {
  const double m2 = density->m2;
  const double lambda = density->lambda;
  if (dim < 2) {
    snprintf(message, message_size, "a ring has 2 sites or more, but there is %lld",
             (long long)dim);
    return 1;
  }
  for (int64_t k = 0; k < points; ++k) {
    const double* phi = x + k * dim;
    double action = 0.0;
    for (int64_t i = 0; i < dim; ++i) {
      const double here = phi[i];
      const double to_next = phi[i + 1 < dim ? i + 1 : 0] - here;
      const double to_last = phi[i > 0 ? i - 1 : dim - 1] - here;
      const double square = here * here;
      action += 0.5 * to_next * to_next + (0.5 * m2 + lambda * square) * square;
      if (gradient == NULL) continue;
      gradient[k * dim + i] = to_next + to_last - (m2 + 4.0 * lambda * square) * here;
    }
    log_density[k] = -action;
  }
  return 0;
}

void flotilla_log_density_close(flotilla_log_density* density) {
  free(density);
}

enum { kOutputs = 3 };

int64_t flotilla_log_density_outputs(const flotilla_log_density* density) {
  (void)density;
  return kOutputs;
}

const char* flotilla_log_density_output_names(const flotilla_log_density* density) {
  (void)density;
  return "magnetisation,square,susceptibility";
}

int flotilla_log_density_derive(flotilla_log_density* density, int64_t points, int64_t dim,
                                const double* x, double* outputs, char* message,
                                size_t message_size) {
  (void)density;
  (void)message;
  (void)message_size;
  for (int64_t k = 0; k < points; ++k) {
    const double* phi = x + k * dim;
    double sum = 0.0;
    double squares = 0.0;
    for (int64_t i = 0; i < dim; ++i) {
      sum += phi[i];
      squares += phi[i] * phi[i];
    }
    outputs[k * kOutputs] = sum / (double)dim;
    outputs[k * kOutputs + 1] = squares / (double)dim;
    outputs[k * kOutputs + 2] = sum * sum / (double)dim;
  }
  return 0;
}
