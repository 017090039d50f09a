// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/parallel/last_words.hpp"

#include "flotilla/core/crashes.hpp"
#include "parallel/mpi_check.hpp"

namespace flotilla {

LastWords::LastWords(const Communicator& comm) {
  if (comm.size() == 1) return;
  check(MPI_Comm_split_type(comm.handle(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL,
                            &machine_),
        "MPI_Comm_split_type");
  int rank = 0;
  check(MPI_Comm_rank(machine_, &rank), "MPI_Comm_rank");
  void* memory = nullptr;
  const MPI_Aint bytes = rank == 0 ? sizeof(int) : 0;
  check(MPI_Win_allocate_shared(bytes, sizeof(int), MPI_INFO_NULL, machine_, &memory, &window_),
        "MPI_Win_allocate_shared");
  MPI_Aint size = 0;
  int unit = 0;
  check(MPI_Win_shared_query(window_, 0, &size, &unit, &memory), "MPI_Win_shared_query");
  int* const flag = static_cast<int*>(memory);
  if (rank == 0) *flag = 0;
  check(MPI_Barrier(machine_), "MPI_Barrier");
  share_last_words(flag);
}

LastWords::~LastWords() {
  share_last_words(nullptr);
  if (window_ != MPI_WIN_NULL) MPI_Win_free(&window_);
  if (machine_ != MPI_COMM_NULL) MPI_Comm_free(&machine_);
}

}  // namespace flotilla
