/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Densities in two dimensions whose integrals are known in closed form. Arguments: a name.
 *
 *     normal     exp(3 - (x0 - 1)^2 / (2 0.25) - x1^2 / (2 4))     2 pi exp(3)
 *     banana     exp(-x0^2 / 2 - (x1 - x0^2)^2 / 2)                2 pi
 *     mixture    exp(-5) (0.3 N((-2, 0), I) + 0.7 N((2, 0), I))    exp(-5)
 *     quartic    exp(-x0^4 - x1^2)                                 2 Gamma(5/4) sqrt(pi)
 *     halfplane  exp(-x0 - x1^2 / 2) where x0 > 0, else none       sqrt(2 pi)
 *     far        exp(-|x - (9, 9)|^2 / (2 0.01))                   2 pi 0.01
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flotilla/target/log_density.h"

typedef double (*point_density)(const double* x, double* gradient);

struct flotilla_log_density {
  point_density at;
};

static double normal(const double* x, double* gradient) {
  gradient[0] = -(x[0] - 1.0) / 0.25;
  gradient[1] = -x[1] / 4.0;
  return 3.0 + 0.5 * (x[0] - 1.0) * gradient[0] + 0.5 * x[1] * gradient[1];
}

static double banana(const double* x, double* gradient) {
  const double bend = x[1] - x[0] * x[0];
  gradient[0] = -x[0] + 2.0 * x[0] * bend;
  gradient[1] = -bend;
  return -0.5 * x[0] * x[0] - 0.5 * bend * bend;
}

static double mixture(const double* x, double* gradient) {
  const double left = log(0.3) - 0.5 * (x[0] + 2.0) * (x[0] + 2.0);
  const double right = log(0.7) - 0.5 * (x[0] - 2.0) * (x[0] - 2.0);
  const double share = 1.0 / (1.0 + exp(left - right)); /* of the right mode */
  const double most = left > right ? left : right;
  gradient[0] = -x[0] - 2.0 + 4.0 * share;
  gradient[1] = -x[1];
  return -5.0 - log(2.0 * acos(-1.0)) + most + log(exp(left - most) + exp(right - most)) -
         0.5 * x[1] * x[1];
}

static double quartic(const double* x, double* gradient) {
  gradient[0] = -4.0 * x[0] * x[0] * x[0];
  gradient[1] = -2.0 * x[1];
  return -x[0] * x[0] * x[0] * x[0] - x[1] * x[1];
}

static double halfplane(const double* x, double* gradient) {
  gradient[0] = -1.0;
  gradient[1] = -x[1];
  return x[0] > 0.0 ? -x[0] - 0.5 * x[1] * x[1] : -INFINITY;
}

static double far_away(const double* x, double* gradient) {
  gradient[0] = -(x[0] - 9.0) / 0.01;
  gradient[1] = -(x[1] - 9.0) / 0.01;
  return 0.5 * (x[0] - 9.0) * gradient[0] + 0.5 * (x[1] - 9.0) * gradient[1];
}

static const struct {
  const char* name;
  point_density at;
} densities[] = {{"normal", normal},   {"banana", banana},       {"mixture", mixture},
                 {"quartic", quartic}, {"halfplane", halfplane}, {"far", far_away}};

int flotilla_log_density_abi(void) {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  flotilla_log_density* density = malloc(sizeof *density);
  size_t k = 0;
  if (density == NULL) {
    snprintf(message, message_size, "out of memory");
    return NULL;
  }
  for (k = 0; k < sizeof densities / sizeof densities[0]; ++k) {
    if (strcmp(arguments, densities[k].name) != 0) continue;
    density->at = densities[k].at;
    return density;
  }
  free(density);
  snprintf(message, message_size, "expected the name of a density");
  return NULL;
}

int64_t flotilla_log_density_dim(const flotilla_log_density* density) {
  (void)density;
  return 2;
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* message, size_t message_size) {
  double unused[2];
  int64_t p = 0;
  (void)message;
  (void)message_size;
  for (p = 0; p < points; ++p) {
    log_density[p] = density->at(x + p * dim, gradient == NULL ? unused : gradient + p * dim);
  }
  return 0;
}

void flotilla_log_density_close(flotilla_log_density* density) {
  free(density);
}
