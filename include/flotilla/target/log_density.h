/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FLOTILLA_TARGET_LOG_DENSITY_H
#define FLOTILLA_TARGET_LOG_DENSITY_H

/*
 * The C interface of a log density: what a shared library defines so that
 *
 *     flotilla sample FLOW.h5 --target explicit --density ./library.so --density-args TEXT
 *
 * draws from it. C99 and C++; nothing else is needed to compile a library against it.
 *
 * Units.      Log densities are natural logarithms, in nats, up to a constant that is the same at
 *             every point. The gradient is with respect to x, in nats per unit of x.
 * Shapes.     Arrays are in C order, point by point: coordinate i of point k is x[k * dim + i].
 * Threads.    Each process (MPI rank) loads the library and opens the density once. It calls it
 * from one thread, one call at a time. A library may use threads of its own inside a call.
 * Ownership.  All arrays and texts that are passed belong to the caller and may not be kept beyond
 *             the call. What is returned belongs to the library, and is valid until close.
 * Failure.    A function that fails writes one sentence, ended by a zero byte, into `message`
 *             (message_size bytes, at least 256) and returns NULL or a number that is not 0. The
 * run then ends with that sentence. A point where the density is zero or cannot be computed is no
 * failure: its value is -INFINITY or NAN, and the proposal there is rejected. Functions.  The
 * values are a function of x alone: the same bits in every call, whatever the number of points and
 * whatever the process. Otherwise draws cannot be repeated. `flotilla density check` looks for
 * violations.
 *
 * A library has all the rights of the program that loads it: load only what you trust.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. It changes when a library must be compiled again. */
#define FLOTILLA_LOG_DENSITY_ABI 1

/* Makes a symbol visible where a library is compiled with hidden symbols. */
#if defined(__GNUC__)
#define FLOTILLA_LOG_DENSITY_EXPORT __attribute__((visibility("default")))
#else
#define FLOTILLA_LOG_DENSITY_EXPORT
#endif

/* A density that is open: the library's own type. */
typedef struct flotilla_log_density flotilla_log_density;

/* Returns FLOTILLA_LOG_DENSITY_ABI. */
FLOTILLA_LOG_DENSITY_EXPORT int flotilla_log_density_abi(void);

/*
 * Opens a density.
 *
 * arguments  the text of --density-args, never NULL; empty if there is none. Often the path of a
 *            file of data; what it means is for the library to say
 *
 * Returns NULL if that fails.
 */
FLOTILLA_LOG_DENSITY_EXPORT flotilla_log_density* flotilla_log_density_open(const char* arguments,
                                                                            char* message,
                                                                            size_t message_size);

/* The number of coordinates of x; 0 if any number will do. */
FLOTILLA_LOG_DENSITY_EXPORT int64_t flotilla_log_density_dim(const flotilla_log_density* density);

/*
 * Evaluates the log density, and its gradient unless `gradient` is NULL.
 *
 * points       at least 1
 * dim          flotilla_log_density_dim(), or the flow's number of coordinates if that is 0
 * x            [points x dim], finite
 * log_density  [points], to be filled
 * gradient     [points x dim], to be filled; NULL if it is not needed
 *
 * Returns 0, or another number to end the run.
 */
FLOTILLA_LOG_DENSITY_EXPORT int flotilla_log_density_evaluate(flotilla_log_density* density,
                                                              int64_t points, int64_t dim,
                                                              const double* x, double* log_density,
                                                              double* gradient, char* message,
                                                              size_t message_size);

/* Closes a density that was opened. */
FLOTILLA_LOG_DENSITY_EXPORT void flotilla_log_density_close(flotilla_log_density* density);

/*
 * Optional, all three or none: quantities derived from x, which the run file stores beside it.
 */

/* The number of quantities, at least 1. */
FLOTILLA_LOG_DENSITY_EXPORT int64_t
flotilla_log_density_outputs(const flotilla_log_density* density);

/*
 * Their names between commas, "mu,theta.1,theta.2": letters, digits, '_', and '.' before an index,
 * which counts from 1. Names that differ in their indices alone make one variable of that shape.
 */
FLOTILLA_LOG_DENSITY_EXPORT const char* flotilla_log_density_output_names(
    const flotilla_log_density* density);

/*
 * Computes the quantities at points of a run.
 *
 * x        [points x dim], finite
 * outputs  [points x flotilla_log_density_outputs()], to be filled, in the order of the names
 *
 * Returns 0, or another number to end the run.
 */
FLOTILLA_LOG_DENSITY_EXPORT int flotilla_log_density_derive(flotilla_log_density* density,
                                                            int64_t points, int64_t dim,
                                                            const double* x, double* outputs,
                                                            char* message, size_t message_size);

#ifdef __cplusplus
}
#endif

#endif
