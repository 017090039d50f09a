/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A funnel: x0 ~ N(0, s^2), every other coordinate ~ N(0, exp(x0)). Any dimension from 2 on.
 * Arguments: s, 3 without any.
 * Source: R. Neal, "Slice sampling", Annals of Statistics 31 (2003).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "flotilla/target/log_density.h"

struct flotilla_log_density {
  double s;
};

int flotilla_log_density_abi(void) {
  return FLOTILLA_LOG_DENSITY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  char* rest = NULL;
  const double s = arguments[0] == '\0' ? 3.0 : strtod(arguments, &rest);
  flotilla_log_density* density = NULL;
  if (!(s > 0.0) || (rest != NULL && *rest != '\0')) {
    snprintf(message, message_size, "expected the width of the neck, a number above 0");
    return NULL;
  }
  density = malloc(sizeof *density);
  if (density == NULL) {
    snprintf(message, message_size, "out of memory");
    return NULL;
  }
  density->s = s;
  return density;
}

int64_t flotilla_log_density_dim(const flotilla_log_density* density) {
  (void)density;
  return 0;
}

int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* message, size_t message_size) {
  const double precision = 1.0 / (density->s * density->s);
  if (dim < 2) {
    snprintf(message, message_size, "a funnel has 2 coordinates or more, but there is %lld",
             (long long)dim);
    return 1;
  }
  for (int64_t k = 0; k < points; ++k) {
    const double* point = x + k * dim;
    const double neck = point[0];
    const double narrow = exp(-neck);
    double squares = 0.0;
    for (int64_t i = 1; i < dim; ++i) squares += point[i] * point[i];
    log_density[k] = -0.5 * (precision * neck * neck + narrow * squares + (double)(dim - 1) * neck);
    if (gradient == NULL) continue;
    gradient[k * dim] = -precision * neck + 0.5 * (narrow * squares - (double)(dim - 1));
    for (int64_t i = 1; i < dim; ++i) gradient[k * dim + i] = -narrow * point[i];
  }
  return 0;
}

void flotilla_log_density_close(flotilla_log_density* density) {
  free(density);
}
