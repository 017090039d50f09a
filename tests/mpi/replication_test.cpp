// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/replication.hpp"

#include <gtest/gtest.h>

#include "flotilla/io/flow_file.hpp"
#include "support/scratch_directory.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

FlowRecord sealed(FlowRecord record) {
  record.checksum = checksum(record);
  return record;
}

TEST(Replication, BringsEveryRankTheFlowThatRankZeroRead) {
  const Communicator comm(MPI_COMM_WORLD);
  const FlowRecord expected = sealed(rich_flow(5, 3));
  const ScratchDirectory directory;
  std::string path = "a file that only rank 0 is ever to open";
  if (comm.is_root()) {
    path = directory.file("flow.h5");
    write_flow_file(path, expected);
  }
  const FlowRecord found = replicate_flow(comm, path);
  EXPECT_EQ(found.checksum, expected.checksum);
  EXPECT_EQ(found.layers, expected.layers);
  EXPECT_EQ(found.dim, expected.dim);
}

TEST(Replication, FailsOnEveryRankWhereRankZeroCannotRead) {
  const Communicator comm(MPI_COMM_WORLD);
  EXPECT_THROW(replicate_flow(comm, "no such file.h5"), InputError);
  const Location nowhere{"no such file.h5", ""};
  EXPECT_THROW(replicate_numbers(comm, nowhere), InputError);
}

TEST(Replication, KeepsEveryBitOnTheWay) {
  FlowRecord record = sealed(random_real_nvp(4, 3, {.widths = {7}, .activation = "elu"}, 2));
  record.provenance["trained_by"] = "a test";
  record.golden.z = {{1, 4}, {-0.0, 5e-324, 1e300, 0.1}};
  EXPECT_EQ(flow_from_bytes(to_bytes(record)), record);
}

}  // namespace
}  // namespace flotilla::test
