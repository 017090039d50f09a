// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdexcept>
#include <string>

namespace flotilla {

/// What the user gave cannot be used: the message says what was expected, what was found and what
/// to do. Every rank throws the same one.
class InputError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// The machine failed us: MPI, HDF5, memory or the disk.
class EnvironmentError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An MPI call that did not succeed: names the call and MPI's own message.
class MpiError : public EnvironmentError {
 public:
  using EnvironmentError::EnvironmentError;
};

/// An HDF5 call that did not succeed: names the call and carries the library's own error stack.
class Hdf5Error : public EnvironmentError {
 public:
  using EnvironmentError::EnvironmentError;
};

}  // namespace flotilla
