// SPDX-License-Identifier: BSD-3-Clause

// Runs from a file of what was observed: one reader, the same bits and the same refusals on every
// rank, and what the run file records.

#include <gtest/gtest.h>

#include <string>

#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/observation_file.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/run/ensemble.hpp"
#include "flotilla/run/recorded.hpp"
#include "io/hdf5.hpp"
#include "io/sha256.hpp"
#include "mpi/shared_file.hpp"
#include "support/observations.hpp"
#include "support/scratch_directory.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr Index kDim = 3;

FlowRecord flow_record() {
  FlowRecord record = random_real_nvp(kDim, 4, {.widths = {16}, .activation = "tanh"}, 21);
  record.checksum = checksum(record);
  return record;
}

void write(const Observation& observation, const std::string& path) {
  hdf5::File file = hdf5::File::create(path);
  for (const auto& [name, array] : observation.arrays) {
    hdf5::Sizes sizes;
    for (const Index size : array.shape) sizes.push_back(hdf5::size_of(size));
    const hdf5::Dataspace space =
        sizes.empty() ? hdf5::Dataspace::single() : hdf5::Dataspace(sizes);
    file.make_dataset(name, hdf5::Type::of<double>(), space).write(array.values.data());
  }
  file.close();
}

/// Rank 0 alone writes; every rank gets the path. Collective.
std::string written(const Communicator& world, const ScratchDirectory& directory,
                    const Observation& observation) {
  const std::string path = shared_file(world, directory, "observation.h5");
  if (world.is_root()) write(observation, path);
  world.barrier();
  return path;
}

RunConfig config_for(const std::string& observation, const std::string& output) {
  RunConfig config;
  config.output = output;
  config.observe = observation;
  config.target = {"posterior", {}};
  config.chains = 157;
  config.warmup = 45;
  config.draws = 23;
  config.tile_width = 32;
  return config;
}

std::string draws_of(const std::string& path) {
  const hdf5::File file = hdf5::File::open(path);
  return file.dataset("posterior/x").read_bytes() + file.dataset("sample_stats/lp").read_bytes();
}

TEST(ObservationOfARun, IsReadByRankZeroAlone) {
  const Communicator world(MPI_COMM_WORLD);
  const ScratchDirectory directory;
  Observation expected = random_observation(ObservedBy::kOperator, 2, kDim, 3);
  expected.arrays["noise"] = {{}, {0.5}};
  std::string path = "a file that only rank 0 is ever to open";
  if (world.is_root()) {
    path = directory.file("observation.h5");
    write(expected, path);
  }
  EXPECT_EQ(replicate_observation(world, path).arrays, expected.arrays);
}

struct Variant {
  const char* name;
  ObservedBy way;
  const char* precision;
};

class ObservedRun : public testing::TestWithParam<Variant> {};

TEST_P(ObservedRun, HasTheSameBitsOnAnyNumberOfRanksAndRecordsTheFile) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const ScratchDirectory directory;
  const std::string observation =
      written(world, directory, random_observation(GetParam().way, 2, kDim, 3));
  const std::string shared = shared_file(world, directory, "together.h5");
  RunConfig config = config_for(observation, shared);
  config.precision = GetParam().precision;
  config.global_fraction = 0.2;
  run_ensemble(config, flow_record(), world, nullptr);
  config.output = directory.file("alone.h5");
  run_ensemble(config, flow_record(), self, nullptr);

  const std::string bytes = draws_of(shared);
  EXPECT_GE(bytes.size(), std::size_t{157 * 23 * (kDim * 4 + 8)});
  EXPECT_TRUE(bytes == draws_of(config.output));
  const RunReader reader(shared);
  EXPECT_EQ(recorded_density(reader).observation, observation);
  EXPECT_EQ(reader.text("observation_checksum"), file_checksum(observation));
  world.barrier();
}

INSTANTIATE_TEST_SUITE_P(
    Ways, ObservedRun,
    testing::Values(Variant{"indices", ObservedBy::kIndices, "float"},
                    Variant{"operator_in_float", ObservedBy::kOperator, "float"},
                    Variant{"operator_in_double", ObservedBy::kOperator, "double"}),
    [](const testing::TestParamInfo<Variant>& tested) { return tested.param.name; });

TEST(ObservationOfARun, IsRefusedOnEveryRank) {
  const Communicator world(MPI_COMM_WORLD);
  const ScratchDirectory directory;
  Observation wide = random_observation(ObservedBy::kOperator, 2, kDim + 1, 3);
  const std::string observation = written(world, directory, wide);
  const std::string output = shared_file(world, directory, "run.h5");
  int refused = 0;
  for (const std::string& path : {observation, std::string("no such file.h5")}) {
    try {
      run_ensemble(config_for(path, output), flow_record(), world, nullptr);
      ADD_FAILURE() << path;
    } catch (const InputError& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path)) << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(refused, 2);
  world.barrier();
}

}  // namespace
}  // namespace flotilla::test
