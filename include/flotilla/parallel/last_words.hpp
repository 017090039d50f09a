// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <mpi.h>

#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// Lets one process of each machine alone say why a program ends, while this object lives: see
/// claim_last_words(). Without it, what fails on every rank by itself is said once a rank.
class LastWords {
 public:
  /// Collective, as the destructor is. @throws MpiError
  explicit LastWords(const Communicator& comm);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

 private:
  MPI_Comm machine_ = MPI_COMM_NULL;
  MPI_Win window_ = MPI_WIN_NULL;
};

}  // namespace flotilla
