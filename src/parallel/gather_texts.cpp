// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/gather_texts.hpp"

#include <mpi.h>

#include <numeric>

#include "parallel/mpi_check.hpp"

namespace flotilla {

std::vector<std::string> gather_texts(const Communicator& comm, const std::string& text) {
  const auto ranks = static_cast<std::size_t>(comm.is_root() ? comm.size() : 0);
  const int length = static_cast<int>(text.size());
  std::vector<int> lengths(ranks);
  check(MPI_Gather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, comm.handle()),
        "MPI_Gather");
  std::vector<int> starts(ranks);
  std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), 0);
  std::string all(static_cast<std::size_t>(std::accumulate(lengths.begin(), lengths.end(), 0)),
                  '\0');
  check(MPI_Gatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), starts.data(),
                    MPI_CHAR, 0, comm.handle()),
        "MPI_Gatherv");
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < ranks; ++r) {
    texts.push_back(
        all.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r])));
  }
  return texts;
}

}  // namespace flotilla
