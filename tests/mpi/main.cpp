// SPDX-License-Identifier: BSD-3-Clause

// One test program on many ranks. Rank 0 reports; failures of every rank count.

#include <gtest/gtest.h>
#include <mpi.h>

#include <iostream>

#include "flotilla/io/hdf5_errors.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/parallel/environment.hpp"

namespace {

/// Tells which rank failed where. Rank 0's own printer does not report the others.
class RankReporter final : public testing::EmptyTestEventListener {
 public:
  explicit RankReporter(int rank) : rank_(rank) {}

 private:
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::cerr << "rank " << rank_ << ": " << result.file_name() << ":" << result.line_number()
              << ": " << result.summary() << "\n";
  }
  int rank_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const flotilla::MpiEnvironment environment(argc, argv);
  flotilla::silence_hdf5_errors();
  const flotilla::Communicator world(MPI_COMM_WORLD);
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (!world.is_root()) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankReporter(world.rank()));
  const int failed = RUN_ALL_TESTS();
  const bool ran = testing::UnitTest::GetInstance()->test_to_run_count() > 0;
  return world.all_agree(failed == 0 && ran) ? 0 : 1;
}
