// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>
#include <mpi.h>

#include <array>
#include <cstddef>
#include <string>

#include "flotilla/core/error.hpp"

namespace flotilla {

/// Turns an error code of MPI into an exception that names the call. @throws MpiError
inline void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw MpiError(fmt::format("{} failed: {}", call,
                             std::string(text.data(), static_cast<std::size_t>(length))));
}

}  // namespace flotilla
