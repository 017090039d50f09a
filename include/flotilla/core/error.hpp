// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdexcept>
#include <string>

namespace flotilla {

/// The user's input cannot be used. The message says what was expected, what was found and what to
/// do. Every rank throws the same error.
class InputError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// The environment failed: MPI, HDF5, memory or the disk.
class EnvironmentError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An MPI call failed. The message names the call and quotes MPI.
class MpiError : public EnvironmentError {
 public:
  using EnvironmentError::EnvironmentError;
};

/// An HDF5 call failed. The message names the call and quotes the library's error stack.
class Hdf5Error : public EnvironmentError {
 public:
  using EnvironmentError::EnvironmentError;
};

}  // namespace flotilla
