// SPDX-License-Identifier: BSD-3-Clause

// Compares a run of all ranks together with runs of each rank alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/quality/diagnosis.hpp"
#include "flotilla/run/ensemble.hpp"
#include "flotilla/run/recorded.hpp"
#include "flotilla/run/stopping.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"
#include "io/hdf5.hpp"
#include "mpi/shared_file.hpp"
#include "run/calibration.hpp"
#include "support/quadratic_target.hpp"
#include "support/scratch_directory.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

FlowRecord flow_record() {
  FlowRecord record = random_real_nvp(3, 4, {.widths = {16}, .activation = "tanh"}, 21);
  record.checksum = checksum(record);
  return record;
}

/// Ten coordinates, as the density of eight schools has.
FlowRecord school_flow() {
  FlowRecord record = random_real_nvp(10, 4, {.widths = {16}, .activation = "tanh"}, 21);
  record.checksum = checksum(record);
  return record;
}

/// A number of chains that neither a tile nor any number of ranks divides.
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

/// Names and bytes of every dataset of a group and of the groups in it, whatever their type.
std::string all_datasets(const hdf5::Group& group) {
  std::string all;
  for (const std::string& name : group.names()) {
    all += name + ":" +
           (group.is_dataset(name) ? group.dataset(name).read_bytes()
                                   : all_datasets(group.group(name))) +
           "\n";
  }
  return all;
}

std::string all_datasets(const std::string& path) {
  return all_datasets(hdf5::File::open(path));
}

/// The text of the report file beside a run, without what depends on the clock.
std::string reports_beside(const std::string& output) {
  std::ifstream file(output.substr(0, output.size() - 3) + ".jsonl");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  for (std::size_t at = 0; (at = text.find("\"seconds\":", at)) != std::string::npos;) {
    text.erase(at, text.find(',', at) - at);
  }
  return text;
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
  const std::string shared = shared_file(world, directory, "together.h5");

  RunConfig config = config_for(shared);
  config.kernel.name = GetParam().kernel;
  config.global_fraction = GetParam().global_fraction;
  config.target.name = GetParam().target;
  config.precision = GetParam().precision;
  const bool density = target_row(config.target.name).needs_density;
  if (density) config.density = FLOTILLA_DENSITIES "/eight_schools.so";
  const FlowRecord flow = density ? school_flow() : flow_record();
  const RunSummary together = run_ensemble(config, flow, world, nullptr);
  config.output = directory.file("alone.h5");
  const RunSummary alone = run_ensemble(config, flow, self, nullptr);

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
                    Variant{"ghmc", "ghmc", 0.0, "tempered", "float"},
                    Variant{"ghmc_mixture", "ghmc", 0.3, "clipped", "double"},
                    Variant{"independence", "metric-mala", 1.0, "tempered", "float"},
                    Variant{"metric_mixture", "metric-mala", 0.3, "clipped", "float"},
                    Variant{"mala_mixture", "mala", 0.3, "clipped", "double"},
                    Variant{"explicit_target", "ghmc", 0.3, "explicit", "float"},
                    Variant{"posterior_target", "metric-mala", 0.3, "posterior", "double"}),
    [](const testing::TestParamInfo<Variant>& tested) { return tested.param.name; });

/// Asks its own process to stop, once, when a phase has come so far.
class Stopper : public ProgressObserver {
 public:
  Stopper(Phase phase, Index steps) : phase_(phase), steps_(steps) {}

  void noted(const std::string& /*sentence*/) noexcept override {}
  void reported(const ConvergenceReport& /*report*/) noexcept override {}
  void advanced(const Progress& progress) noexcept override {
    if (asked_ || progress.phase != phase_ || progress.steps < steps_) return;
    asked_ = true;
    std::raise(SIGUSR1);
  }

 private:
  Phase phase_;
  Index steps_;
  bool asked_ = false;
};

TEST_P(RunEnsemble, GoesOnWithTheSameBitsWhereverItWasStopped) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const ScratchDirectory directory;
  RunConfig config = config_for(directory.file("alone.h5"));
  config.kernel.name = GetParam().kernel;
  config.global_fraction = GetParam().global_fraction;
  config.target.name = GetParam().target;
  config.precision = GetParam().precision;
  config.draws = 61;
  config.report_every = 9;
  const bool density = target_row(config.target.name).needs_density;
  if (density) config.density = FLOTILLA_DENSITIES "/eight_schools.so";
  const FlowRecord flow = density ? school_flow() : flow_record();
  run_ensemble(config, flow, self, nullptr);
  const std::string whole = all_datasets(config.output);
  const std::string reports = reports_beside(config.output);

  config.output = shared_file(world, directory, "together.h5");
  config.resume = true;
  int stops = 0;
  for (const auto& [phase, steps] :
       {std::pair(Phase::kWarmUp, 1), std::pair(Phase::kWarmUp, 12), std::pair(Phase::kSampling, 1),
        std::pair(Phase::kSampling, 20)}) {
    const StopSignals signals;
    Stopper stopper(phase, steps);
    const RunSummary part = run_ensemble(config, flow, world, &stopper);
    if (part.stopped_by.empty()) break;  // too late: it is done
    EXPECT_EQ(part.stopped_by, "SIGUSR1");
    EXPECT_TRUE(part.may_go_on);
    EXPECT_LT(part.draws, config.draws);
    ++stops;
  }
  EXPECT_GT(stops, 2);
  const RunSummary last = run_ensemble(config, flow, world, nullptr);
  EXPECT_EQ(last.draws, config.draws);
  world.barrier();
  EXPECT_TRUE(whole == all_datasets(config.output));
  if (world.is_root()) {
    EXPECT_EQ(reports, reports_beside(config.output));
  }
  world.barrier();
}

TEST(RunEnsemble, RecordsEveryTargetAndKernelAndGivesThemBack) {
  const Communicator world(MPI_COMM_WORLD);
  const ScratchDirectory directory;
  std::size_t runs = 0;
  for (const TargetRow& target : target_registry()) {
    for (const KernelRow& kernel : kernel_registry()) {
      SCOPED_TRACE(std::string(target.choice.name) + ", " + kernel.choice.name);
      const std::string shared =
          shared_file(world, directory, "run" + std::to_string(runs++) + ".h5");
      RunConfig config = config_for(shared);
      config.target = {target.choice.name, {}};
      config.kernel = {kernel.choice.name, {}};
      config.precision = "float";  // as it is recorded
      if (target.needs_density) config.density = FLOTILLA_DENSITIES "/funnel.so";
      const RunSummary summary = run_ensemble(config, flow_record(), world, nullptr);
      world.barrier();
      const RunReader reader(shared);
      EXPECT_EQ(reader.text("config"), config.text());
      EXPECT_EQ(recorded_target(reader), summary.target);
      EXPECT_EQ(recorded_kernel(reader), resolve_kernel(config.kernel));
      const Flow<double> flow(flow_record());
      const DensitySource source = recorded_density(reader);
      EXPECT_EQ(source.path.empty(), !target.needs_density);
      const auto density = source.path.empty() ? nullptr : open_density(source, flow.dim());
      EXPECT_NE(make_target(recorded_target(reader), flow, density.get()), nullptr);
      // The recorded configuration makes the same run.
      config.output += ".again";
      config.target = recorded_target(reader);
      config.kernel = recorded_kernel(reader);
      world.barrier();
      run_ensemble(config, flow_record(), world, nullptr);
      world.barrier();
      EXPECT_TRUE(all_datasets(shared) == all_datasets(config.output));
      world.barrier();
    }
  }
  EXPECT_EQ(runs, target_registry().size() * kernel_registry().size());
}

/// x ~ N(0.3, 4 I) for any flow.
std::unique_ptr<Target<double>> own_target(const Flow<double>& /*flow*/) {
  return std::make_unique<QuadraticTarget<double>>(0.3, 2.0);
}

RunConfig own_config(const std::string& output) {
  RunConfig config = config_for(output);
  config.target = {"wide-normal", {{"mean", 0.3}, {"standard-deviation", 2.0}}};
  config.precision = "double";
  config.draws = 400;
  config.superchains = 0;
  return config;
}

TEST(RunEnsemble, SamplesATargetOfTheProgramsOwnOnAnyNumberOfRanks) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const ScratchDirectory directory;
  const std::string shared = shared_file(world, directory, "own.h5");
  RunConfig config = own_config(shared);
  const RunSummary together =
      run_ensemble<double>(config, flow_record(), own_target, world, nullptr);
  config.output = directory.file("alone.h5");
  run_ensemble<double>(config, flow_record(), own_target, self, nullptr);
  world.barrier();
  EXPECT_TRUE(all_datasets(shared) == all_datasets(config.output));
  EXPECT_EQ(together.target, config.target);

  const RunReader reader(shared);
  EXPECT_EQ(reader.text("target"), "wide-normal");
  EXPECT_EQ(reader.number("standard_deviation"), 2.0);
  EXPECT_THROW(recorded_target(reader), InputError);
  const Diagnosis diagnosis = diagnose(shared, {}, world);
  int coordinates = 0;
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    if (quantity.name.front() != 'x') continue;
    EXPECT_LT(quantity.summary.rhat, 1.05) << quantity.name;
    // Five standard errors. The error of a standard deviation is about that of the mean over sqrt
    // 2.
    EXPECT_NEAR(quantity.summary.mean, 0.3, 5.0 * quantity.summary.mcse_mean) << quantity.name;
    EXPECT_NEAR(quantity.summary.sd, 2.0, 5.0 * quantity.summary.mcse_mean) << quantity.name;
    EXPECT_LT(quantity.summary.mcse_mean, 0.05) << quantity.name;
    ++coordinates;
  }
  EXPECT_EQ(coordinates, 3);
  world.barrier();
}

TEST(RunEnsemble, RefusesATargetOfTheProgramsOwnThatReadsAsAnother) {
  const Communicator world(MPI_COMM_WORLD);
  const ScratchDirectory directory;
  const auto refuses = [&](const RunConfig& config, const char* reason) {
    try {
      run_ensemble<double>(config, flow_record(), own_target, world, nullptr);
      ADD_FAILURE() << reason;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  };
  RunConfig config = own_config(directory.file("own.h5"));
  config.target.name = "tempered";
  refuses(config, "a name of its own");
  config.target.name = "";
  refuses(config, "has no name");
  config = own_config(config.output);
  config.target.parameters["seed"] = 3.0;
  refuses(config, "records 'seed'");
  config = own_config(config.output);
  config.precision = "float";
  refuses(config, "computes in double");
  config = own_config(config.output);
  config.chains = 0;
  refuses(config, "--chains");
  const RunConfig right = own_config(config.output);
  EXPECT_THROW(
      run_ensemble<double>(
          right, flow_record(), [](const Flow<double>&) { return nullptr; }, world, nullptr),
      InputError);
}

TEST(RunEnsemble, StopsAtTheSameBlockOnAnyNumberOfRanks) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const ScratchDirectory directory;
  const std::string shared = shared_file(world, directory, "together.h5");

  RunConfig config = config_for(shared);
  config.chains = 159;
  config.superchains = 53;
  config.draws = 400;
  config.report_every = 7;
  config.global_fraction = 0.5;
  config.until_rhat = 1.1;
  config.until_ess = 500.0;
  const RunSummary together = run_ensemble(config, flow_record(), world, nullptr);
  config.output = directory.file("alone.h5");
  const RunSummary alone = run_ensemble(config, flow_record(), self, nullptr);
  EXPECT_EQ(together.draws, alone.draws);
  EXPECT_LT(together.draws, 400);
  EXPECT_EQ(together.draws % 7, 0);
  world.barrier();
  EXPECT_TRUE(all_datasets(shared) == all_datasets(config.output));
  if (world.is_root()) {
    const std::string reports = reports_beside(shared);
    EXPECT_EQ(std::count(reports.begin(), reports.end(), '\n'), together.draws / 7);
    EXPECT_EQ(reports, reports_beside(config.output));
  }
  const RunReader reader(shared);
  EXPECT_EQ(reader.variable("posterior", "x").draws, together.draws);
  EXPECT_EQ(reader.number("superchains"), 53.0);
  world.barrier();
}

TEST(Diagnosis, IsTheSameOnAnyNumberOfRanksExactAndInStreams) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const ScratchDirectory directory;
  const std::string shared = shared_file(world, directory, "run.h5");
  RunConfig config = config_for(shared);
  config.chains = 96;
  config.superchains = 8;
  config.draws = 700;
  run_ensemble(config, flow_record(), world, nullptr);
  world.barrier();

  DiagnosisConfig what;
  const Diagnosis exact = diagnose(shared, what, self);
  EXPECT_TRUE(exact.exact);
  what.exact_values = 0;
  const Diagnosis streamed = diagnose(shared, what, self);
  EXPECT_FALSE(streamed.exact);
  const Diagnosis shared_streams = diagnose(shared, what, world);
  what.exact_values = kExactValues;
  const Diagnosis shared_exact = diagnose(shared, what, world);
  ASSERT_EQ(exact.quantities.size(), 5U);
  EXPECT_EQ(exact.quantities[4].name, "log_det_jacobian");
  for (std::size_t i = 0; i < 5; ++i) {
    const QuantitySummary& truth = exact.quantities[i].summary;
    const QuantitySummary& close = streamed.quantities[i].summary;
    EXPECT_NEAR(close.mean, truth.mean, 1e-5 * truth.sd);
    EXPECT_NEAR(close.median, truth.median, 5e-3 * truth.sd);
    EXPECT_NEAR(close.rhat, truth.rhat, 1e-3);
    EXPECT_NEAR(close.nested_rhat, truth.nested_rhat, 1e-4);
    EXPECT_NEAR(close.ess_bulk, truth.ess_bulk, 2e-2 * truth.ess_bulk);
    for (const auto figure : {&QuantitySummary::mean, &QuantitySummary::ess_tail,
                              &QuantitySummary::rhat, &QuantitySummary::q95}) {
      EXPECT_EQ(shared_exact.quantities[i].summary.*figure, truth.*figure);
      EXPECT_EQ(shared_streams.quantities[i].summary.*figure, close.*figure);
    }
  }
  EXPECT_EQ(exact.superchains, 8);
  EXPECT_EQ(exact.gradients, 96.0 * 700.0 * 2.0);
  EXPECT_GT(exact.acceptance_rate, 0.1);
  world.barrier();
}

/// Number of writes that all ranks have asked the system for.
double writes_so_far(const Communicator& comm) {
  std::ifstream file("/proc/self/io");
  std::string name;
  double count = -1.0;
  while (file >> name >> count && name != "syscw:") continue;
  EXPECT_EQ(name, "syscw:");
  const std::vector<double> all = comm.gather({count});
  return std::accumulate(all.begin(), all.end(), 0.0);
}

/// A flow of any dimension that costs little.
FlowRecord stretching_flow(Index dim) {
  FlowRecord record;
  record.dim = dim;
  record.layers = {constant_diagonal_affine(dim, 2.0, 1.0)};
  record.checksum = checksum(record);
  return record;
}

/// Number of chunks of the draws of a run, with those of warm-up, and of their checksums.
Index chunks_of(const RunReader& reader, Index& checksums) {
  Index chunks = 0;
  checksums = 0;
  for (const char* phase : {"", "warmup_"}) {
    for (const auto& [group, name, alike] :
         {std::tuple("posterior", "x", 2), std::tuple("sample_stats", "lp", 7)}) {
      const RunVariable found = reader.variable(std::string(phase) + group, name);
      EXPECT_EQ(found.draws % found.chunk_draws, 0);
      EXPECT_EQ(found.chains % found.chunk_chains, 0);
      const Index of_one = found.draws / found.chunk_draws * (found.chains / found.chunk_chains);
      chunks += alike * of_one;
      checksums += of_one;
    }
  }
  return chunks;
}

// A chunk takes two writes: of its missing values when the file is made, and of its draws. One that
// is cut takes a write for every chain: 64 in place of one. The checksums of a block of draws take
// a write for each rank that has some of its tiles.
TEST(RunEnsemble, WritesWholeChunksWhateverItThinsAndReportsAndHowWideItIs) {
  const Communicator world(MPI_COMM_WORLD);
  const ScratchDirectory directory;
  struct Case {
    Index dim;  // decides the chunks: 100, 10 or 5 draws
    Index width;
    Index thin;
    Index report_every;
  };
  int tried = 0;
  for (const Case& tested : {Case{2, 64, 1, 3}, Case{2, 64, 5, 30}, Case{2, 128, 9, 100},
                             Case{409, 64, 5, 7}, Case{409, 128, 3, 30}}) {
    RunConfig config;
    config.output = shared_file(world, directory, "run" + std::to_string(tried++) + ".h5");
    config.chains = 128;
    config.draws = 100;
    config.warmup = 100 * tested.thin;
    config.exchange_every = 35;
    config.save_warmup = true;
    config.thin = tested.thin;
    config.tile_width = tested.width;
    config.global_fraction = 1.0;
    config.report_every = tested.report_every;
    const double before = writes_so_far(world);
    run_ensemble(config, stretching_flow(tested.dim), world, nullptr);
    const double made = writes_so_far(world) - before;
    Index checksums = 0;
    const Index chunks = chunks_of(RunReader(config.output), checksums);
    const Index reports = config.draws / tested.report_every;
    EXPECT_LE(made, static_cast<double>(2 * chunks + checksums + reports + 240))
        << tested.dim << " " << tested.thin;
  }
  EXPECT_EQ(tried, 5);
}

TEST(RunEnsemble, WorksWithMoreRanksThanTiles) {
  const Communicator world(MPI_COMM_WORLD);
  const ScratchDirectory directory;
  const std::string shared = shared_file(world, directory, "one_tile.h5");
  RunConfig config = config_for(shared);
  config.chains = 3;
  EXPECT_EQ(run_ensemble(config, flow_record(), world, nullptr).moves.moves(), 3.0 * 46.0);
}

TEST(LogDetQuantile, DoesNotDependOnTheRanks) {
  const Communicator world(MPI_COMM_WORLD);
  const Communicator self(MPI_COMM_SELF);
  const Flow<float> flow(flow_record());
  const double together = log_det_quantile(flow, Random(3), 32, 0.7, world);
  EXPECT_EQ(together, log_det_quantile(flow, Random(3), 32, 0.7, self));
  EXPECT_LT(log_det_quantile(flow, Random(3), 32, 0.2, world), together);
}

}  // namespace
}  // namespace flotilla::test
