/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A banana: x0 ~ N(0, s^2), x1 + b (x0^2 - s^2) ~ N(0, 1), all others N(0, 1). Then every mean is 0
 * and Var x1 = 1 + 2 b^2 s^4. Any dimension from 2 on. Arguments: "s,b"; "3,0.2" without any.
 * Source: H. Haario, E. Saksman, J. Tamminen, "Adaptive proposal distribution for random walk
 * Metropolis algorithm", Computational Statistics 14 (1999).
 */
#include <stdio.h>
#include <stdlib.h>

#include "flotilla/target/log_density.h"

struct flotilla_log_density {
  double s;
  double b;
};

int flotilla_log_density_abi(void) {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  flotilla_log_density shape = {3.0, 0.2};
  char rest = '\0';
  flotilla_log_density* density = NULL;
  const int read = sscanf(arguments, "%lf,%lf%c", &shape.s, &shape.b, &rest);
  if ((arguments[0] != '\0' && read != 2) || !(shape.s > 0.0)) {
    snprintf(message, message_size, "expected two numbers, s,b with s above 0");
    return NULL;
  }
  density = malloc(sizeof *density);
  if (density == NULL) {
    snprintf(message, message_size, "out of memory");
    return NULL;
  }
  *density = shape;
  return density;
}

int64_t flotilla_log_density_dim(const flotilla_log_density* density) {
  (void)density;
  return 0;
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* message, size_t message_size) {
  const double b = density->b;
  const double variance = density->s * density->s;
  if (dim < 2) {
    snprintf(message, message_size, "a banana has 2 coordinates or more, but there is %lld",
             (long long)dim);
    return 1;
  }
  for (int64_t k = 0; k < points; ++k) {
    const double* point = x + k * dim;
    const double along = point[0];
    const double across = point[1] + b * (along * along - variance);
    double squares = along * along / variance + across * across;
    for (int64_t i = 2; i < dim; ++i) squares += point[i] * point[i];
    log_density[k] = -0.5 * squares;
    if (gradient == NULL) continue;
    gradient[k * dim] = -along / variance - 2.0 * b * along * across;
    gradient[k * dim + 1] = -across;
    for (int64_t i = 2; i < dim; ++i) gradient[k * dim + i] = -point[i];
  }
  return 0;
}

void flotilla_log_density_close(flotilla_log_density* density) {
  free(density);
}
