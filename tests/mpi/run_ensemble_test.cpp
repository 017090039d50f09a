// The whole ensemble on all ranks against the whole ensemble on each rank alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/hdf5.hpp"
#include "flotilla/run/calibration.hpp"
#include "flotilla/run/ensemble.hpp"
#include "support/scratch_directory.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

FlowRecord flow_record() {
  FlowRecord record = random_real_nvp(3, 4, {.widths = {16}, .activation = "tanh"}, 21);
  record.checksum = checksum(record);
  return record;
}

/// Chains that neither a tile nor any number of ranks divides.
RunConfig config_for(const std::string& output) {
  RunConfig config;
  config.output = output;
  config.chains = 157;
  config.warmup = 45;
  config.draws = 23;
  config.thin = 2;
  config.tile_width = 32;
  config.save_warmup = true;
  return config;
}

herr_t collect_bytes(hid_t object, const char* name, const H5O_info_t* info, void* data) {
  if (info->type != H5O_TYPE_DATASET) return 0;
  const hdf5::Handle dataset(H5Dopen2(object, name, H5P_DEFAULT), H5Dclose, name);
  const hdf5::Handle type(H5Dget_type(dataset.id()), H5Tclose, name);
  const hdf5::Handle space(H5Dget_space(dataset.id()), H5Sclose, name);
  const auto count = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.id()));
  std::vector<char> bytes(count * H5Tget_size(type.id()));
  hdf5::check(H5Dread(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), name);
  *static_cast<std::string*>(data) +=
      std::string(name) + ":" + std::string(bytes.begin(), bytes.end()) + "\n";
  return 0;
}

/// Names and bytes of every dataset of a file, whatever their type.
std::string all_datasets(const std::string& path) {
  const hdf5::Handle file = hdf5::open_file(path);
  std::string all;
  hdf5::check(H5Ovisit(file.id(), H5_INDEX_NAME, H5_ITER_INC, collect_bytes, &all), "H5Ovisit");
  return all;
}

struct Variant {
  const char* name;
  const char* kernel;
  double global_fraction;
  const char* target;
  const char* precision;
};

class RunEnsemble : public testing::TestWithParam<Variant> {};

TEST_P(RunEnsemble, WritesTheSameBitsOnAnyNumberOfRanks) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const ScratchDirectory directory;
  std::string shared = directory.file("together.h5");
  world.broadcast(shared);

  RunConfig config = config_for(shared);
  config.kernel = GetParam().kernel;
  config.global_fraction = GetParam().global_fraction;
  config.target = GetParam().target;
  config.precision = GetParam().precision;
  const RunSummary together = run_ensemble(config, flow_record(), world, nullptr);
  config.output = directory.file("alone.h5");
  const RunSummary alone = run_ensemble(config, flow_record(), self, nullptr);

  EXPECT_EQ(together.step_size, alone.step_size);
  EXPECT_EQ(together.moves.moves(), 157.0 * 46.0);
  world.barrier();
  const std::string bytes = all_datasets(shared);
  EXPECT_GT(bytes.size(), std::size_t{157 * 23 * (3 * 4 * 2 + 4 * 8)});
  EXPECT_TRUE(bytes == all_datasets(config.output));
  world.barrier();
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, RunEnsemble,
    testing::Values(Variant{"metric_mala", "metric-mala", 0.0, "tempered", "float"},
                    Variant{"mala", "mala", 0.0, "tempered", "float"},
                    Variant{"independence", "metric-mala", 1.0, "tempered", "float"},
                    Variant{"metric_mixture", "metric-mala", 0.3, "clipped", "float"},
                    Variant{"mala_mixture", "mala", 0.3, "clipped", "double"}),
    [](const testing::TestParamInfo<Variant>& tested) { return tested.param.name; });

TEST(RunEnsemble, WorksWithMoreRanksThanTiles) {
  const Communicator world(MPI_COMM_WORLD);
  const ScratchDirectory directory;
  std::string shared = directory.file("one_tile.h5");
  world.broadcast(shared);
  RunConfig config = config_for(shared);
  config.chains = 3;
  EXPECT_EQ(run_ensemble(config, flow_record(), world, nullptr).moves.moves(), 3.0 * 46.0);
}

TEST(ClipLevel, DoesNotDependOnTheRanks) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const Flow<float> flow(flow_record());
  const double together = clip_level(flow, Random(3), 32, 0.7, world);
  EXPECT_EQ(together, clip_level(flow, Random(3), 32, 0.7, self));
  EXPECT_LT(clip_level(flow, Random(3), 32, 0.2, world), together);
}

}  // namespace
}  // namespace flotilla::test
