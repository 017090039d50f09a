// SPDX-License-Identifier: BSD-3-Clause

// A standard normal density with a fault, which --density-args names. Built again with another ABI
// and without one of its functions.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "flotilla/target/log_density.h"

#ifndef FAULTY_ABI
#define FAULTY_ABI FLOTILLA_LOG_DENSITY_ABI
#endif

struct flotilla_log_density {
  std::string fault;
  long calls = 0;
};

namespace {

[[noreturn]] void crash() {
  volatile int* nowhere = nullptr;
  *nowhere = 1;
  std::abort();
}

std::atomic<bool> running{true};

}  // namespace

int flotilla_log_density_abi() {
  return FAULTY_ABI;
}

flotilla_log_density* flotilla_log_density_open(const char* arguments, char* message,
                                                size_t message_size) {
  const std::string fault(arguments);
  if (fault == "crash-open") crash();
  if (fault == "throw-open") throw std::runtime_error("thrown on purpose");
  if (fault == "refuse") {
    std::snprintf(message, message_size, "no such\ndata");
    return nullptr;
  }
  if (fault == "refuse-silently") return nullptr;
  if (fault == "thread")
    std::thread([] {
      while (running) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }).detach();
  return new flotilla_log_density{fault};
}

int64_t flotilla_log_density_dim(const flotilla_log_density* density) {
  if (density->fault == "dim") return 3;
  return density->fault == "negative-dim" ? -1 : 0;
}

#ifndef FAULTY_WITHOUT_EVALUATE
int flotilla_log_density_evaluate(flotilla_log_density* density, int64_t points, int64_t dim,
                                  const double* x, double* log_density, double* gradient,
                                  char* message, size_t message_size) {
  const std::string& fault = density->fault;
  ++density->calls;
  if (fault == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(200));
  if (fault == "print") std::printf("hello\n");
  if (fault == "crash" && density->calls > 20) crash();
  if (fault == "throw" && density->calls > 20) throw std::runtime_error("thrown on purpose");
  if (fault == "fail" && density->calls > 20) {
    std::snprintf(message, message_size, "out of luck");
    return 7;
  }
  if (fault == "overlong") {
    for (size_t k = 0; k < message_size; ++k) message[k] = 'a';
    return 1;
  }
  for (int64_t k = 0; k < points; ++k) {
    log_density[k] = fault == "nan" ? std::nan("") : 0.0;
    if (fault == "count") log_density[k] = static_cast<double>(density->calls);
    if (fault == "batch") log_density[k] = 1e-9 * static_cast<double>(points);
    for (int64_t i = 0; i < dim; ++i) {
      const double value = x[k * dim + i];
      log_density[k] -= 0.5 * value * value;
      if (gradient == nullptr) continue;
      gradient[k * dim + i] = -value;
      if (fault == "gradient" && i == 1) gradient[k * dim + i] *= 1.001;
    }
  }
  return 0;
}
#endif

void flotilla_log_density_close(flotilla_log_density* density) {
  delete density;
}
