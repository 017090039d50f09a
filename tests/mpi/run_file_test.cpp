// SPDX-License-Identifier: BSD-3-Clause
#include "io/run_file.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include "io/draw_checksums.hpp"
#include "mpi/shared_file.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla::test {
namespace {

constexpr Index kDim = 3;
constexpr Index kWidth = 32;
constexpr Index kChains = 3 * kWidth + 5;  // four tiles; further ranks are idle

/// Values that encode their position: chain, draw, coordinate.
float value_at(Index chain, Index draw, Index i) {
  return static_cast<float>(1000 * chain + 10 * draw + i);
}

class RunFileTest : public testing::Test {
 protected:
  RunFileTest() : path_(shared_file(comm_, directory_, "run.h5")) {}

  RunFileLayout layout() const {
    return {.dim = kDim,
            .chains = kChains,
            .draws = 7,
            .warmup_draws = 2,
            .windows = 2,
            .latent = true,
            .derived = {{"mu", {}, {0}}, {"theta", {2, 3}, {1, 2, 3, 4, 5, 6}}},
            .chunk_chains = kWidth,
            .chunk_draws = 4,
            .first_chain = tiling_.first_chain(),
            .local_chains = tiling_.local_chains(),
            .largest_share = kChains};
  }

  std::unique_ptr<RunFile<float>> make(bool force = false) const {
    auto file = std::make_unique<RunFile<float>>(
        comm_, path_, force, layout(), RunFacts{{"created_at", "today"}, {"seed", std::int64_t{4}}},
        std::vector<std::string>{"measured"});
    file->publish();
    return file;
  }

  DrawBlock<float> block_of(Index first_draw, Index draws) const {
    DrawBlock<float> block(kDim, tiling_.local_chains(), draws);
    block.restart(draws);
    std::size_t place = 0;
    for (Index chain = tiling_.first_chain(); chain < tiling_.end_chain(); ++chain) {
      for (Index draw = first_draw; draw < first_draw + draws; ++draw) {
        for (Index i = 0; i < kDim; ++i, ++place) {
          block.x[place] = value_at(chain, draw, i);
          block.z[place] = -value_at(chain, draw, i);
        }
      }
    }
    return block;
  }

  /// Of the two derived variables: value_at() of coordinates behind those of x.
  std::vector<std::vector<double>> derived_of(Index first_draw, Index draws) const {
    std::vector<std::vector<double>> values(2);
    for (Index chain = tiling_.first_chain(); chain < tiling_.end_chain(); ++chain) {
      for (Index draw = first_draw; draw < first_draw + draws; ++draw) {
        values[0].push_back(value_at(chain, draw, kDim));
        for (Index k = 1; k <= 6; ++k) values[1].push_back(value_at(chain, draw, kDim + k));
      }
    }
    return values;
  }

  /// @param first  coordinate of the variable's first value; `size` of them follow
  void expect_derived(const std::string& name, Index draws, Index written, Index first,
                      Index size) const {
    const std::vector<double> found =
        read<double>(name, static_cast<std::size_t>(kChains * draws * size));
    std::size_t place = 0;
    for (Index chain = 0; chain < kChains; ++chain) {
      for (Index draw = 0; draw < draws; ++draw) {
        for (Index k = 0; k < size; ++k, ++place) {
          if (draw < written) {
            ASSERT_EQ(found[place], value_at(chain, draw, first + k)) << name << " " << place;
          } else {
            ASSERT_TRUE(std::isnan(found[place])) << name << " " << place;
          }
        }
      }
    }
    EXPECT_EQ(place, found.size());
  }

  /// One dataset as rank 0 reads it back, without MPI.
  template <typename V>
  std::vector<V> read(const std::string& name, std::size_t count) const {
    const hdf5::Dataset dataset = hdf5::File::open(path_).dataset(name);
    std::vector<V> values(count);
    EXPECT_EQ(dataset.space().count(), count) << name;
    dataset.read(values.data());
    return values;
  }

  void expect_draws(const std::string& name, Index draws, Index written, float sign) const {
    const std::vector<float> found =
        read<float>(name, static_cast<std::size_t>(kChains * draws * kDim));
    std::size_t place = 0;
    for (Index chain = 0; chain < kChains; ++chain) {
      for (Index draw = 0; draw < draws; ++draw) {
        for (Index i = 0; i < kDim; ++i, ++place) {
          if (draw < written) {
            ASSERT_EQ(found[place], sign * value_at(chain, draw, i)) << name << " " << place;
          } else {
            ASSERT_TRUE(std::isnan(found[place])) << name << " " << place;
          }
        }
      }
    }
    EXPECT_EQ(place, found.size());
  }

  /// Compares a row of a table of checksums with what rank 0 reads of a variable.
  ///
  /// @param draws  [of the variable, of a block, that the row speaks of]
  template <typename V>
  void expect_checksums(const std::string& variable, Index per_draw, std::array<Index, 3> draws,
                        const std::string& table, Index column, Index columns) const {
    const auto [total, in_block, covered] = draws;
    const std::vector<V> values =
        read<V>(variable, static_cast<std::size_t>(kChains * total * per_draw));
    const Index blocks = (total + in_block - 1) / in_block;
    const std::vector<std::int64_t> entries =
        read<std::int64_t>(table, static_cast<std::size_t>(blocks * 4 * columns));
    for (Index block = 0; block < blocks; ++block) {
      const Index first = block * in_block;
      const Index count = std::clamp<Index>(covered - first, 0, std::min(in_block, total - first));
      DrawChecksums sums(kChains, kWidth, 1);
      std::vector<V> part;
      for (Index c = 0; c < kChains; ++c) {
        const auto begin = values.begin() + (c * total + first) * per_draw;
        part.insert(part.end(), begin, begin + count * per_draw);
      }
      sums.add(0, part.data(), count * per_draw);
      for (Index tile = 0; tile < 4; ++tile) {
        const std::int64_t expected = sums.entries(count)[static_cast<std::size_t>(tile)];
        const Index place = (block * 4 + tile) * columns + column;
        ASSERT_EQ(entries[static_cast<std::size_t>(place)], expected)
            << variable << ", block " << block << ", tile " << tile;
      }
    }
  }

  Communicator comm_{MPI_COMM_WORLD};
  ScratchDirectory directory_;
  std::string path_;
  Tiling tiling_ = Tiling::share(kChains, kWidth, comm_.rank(), comm_.size());
};

TEST_F(RunFileTest, HoldsWhatEveryRankWroteAndNaNWhereNobodyDid) {
  auto file = make();
  file->append(Phase::kWarmUp, block_of(0, 2), derived_of(0, 2), StepSize(0.5));
  file->write_adaptation({{0.5, 0.6, 0.7}, {0.25, 0.61, 0.71}});
  file->append(Phase::kSampling, block_of(0, 4), derived_of(0, 4), StepSize(0.25));
  file->append(Phase::kSampling, block_of(4, 1), derived_of(4, 1), StepSize(0.25));
  file->finish({{"measured", 42.0}});
  comm_.barrier();
  if (comm_.is_root()) {
    expect_draws("warmup_posterior/x", 2, 2, 1.0F);
    expect_draws("posterior/x", 7, 5, 1.0F);
    expect_draws("unconstrained_posterior/z", 7, 5, -1.0F);
    expect_derived("warmup_posterior/mu", 2, 2, kDim, 1);
    expect_derived("posterior/mu", 7, 5, kDim, 1);
    expect_derived("posterior/theta", 7, 5, kDim + 1, 6);
    EXPECT_EQ(hdf5::File::open(path_).dataset("posterior/theta").sizes(),
              (hdf5::Sizes{kChains, 7, 2, 3}));
    EXPECT_EQ(read<std::int64_t>("posterior/theta_dim_1", 3).back(), 2);
    EXPECT_EQ(read<std::int64_t>("draws_committed", 1).front(), 5);
    EXPECT_EQ(read<std::int64_t>("warmup_draws_committed", 1).front(), 2);
    EXPECT_EQ(read<double>("adaptation/step_size", 2), (std::vector<double>{0.5, 0.25}));
    EXPECT_EQ(read<double>("warmup_sample_stats/step_size", kChains * 2).back(), 0.5);
    EXPECT_EQ(hdf5::File::open(path_).read_number("measured"), 42.0);
    EXPECT_EQ(hdf5::File::open(path_).read_text("created_at"), "today");
  }
  comm_.barrier();
}

TEST_F(RunFileTest, HoldsChecksumsOfWhatItHoldsOnAnyNumberOfRanks) {
  auto file = make();
  file->append(Phase::kWarmUp, block_of(0, 2), derived_of(0, 2), StepSize(0.5));
  file->append(Phase::kSampling, block_of(0, 3), derived_of(0, 3), StepSize(0.25));
  file->append(Phase::kSampling, block_of(3, 3), derived_of(3, 3), StepSize(0.25));
  file->finish({});
  comm_.barrier();
  if (comm_.is_root()) {
    expect_checksums<float>("warmup_posterior/x", kDim, {2, 2, 2}, "warmup_checksums/points", 0, 4);
    expect_checksums<float>("posterior/x", kDim, {7, 4, 6}, "checksums/points", 0, 4);
    expect_checksums<double>("posterior/mu", 1, {7, 4, 6}, "checksums/points", 1, 4);
    expect_checksums<double>("posterior/theta", 6, {7, 4, 6}, "checksums/points", 2, 4);
    expect_checksums<float>("unconstrained_posterior/z", kDim, {7, 4, 6}, "checksums/points", 3, 4);
    expect_checksums<double>("sample_stats/lp", 1, {7, 7, 6}, "checksums/statistics", 0, 7);
    expect_checksums<double>("sample_stats/step_size", 1, {7, 7, 6}, "checksums/statistics", 2, 7);
    expect_checksums<std::int8_t>("sample_stats/accepted", 1, {7, 7, 6}, "checksums/statistics", 6,
                                  7);
    const hdf5::Dataset table = hdf5::File::open(path_).dataset("checksums/points");
    EXPECT_EQ(table.sizes(), (hdf5::Sizes{2, 4, 4}));
    EXPECT_EQ(table.read_text("posterior"), "x mu theta");
    EXPECT_EQ(table.read_text("unconstrained_posterior"), "z");
    EXPECT_EQ(table.read_number("draws"), 4);
    EXPECT_EQ(table.read_number("chains"), kWidth);
  }
  comm_.barrier();
}

TEST_F(RunFileTest, CanBeOpenedBeforeItIsFinished) {
  auto file = make();
  file->append(Phase::kSampling, block_of(0, 3), derived_of(0, 3), StepSize(0.25));
  file->append(Phase::kSampling, block_of(3, 2), derived_of(3, 2), StepSize(0.25));
  file->append(Phase::kSampling, block_of(5, 1), derived_of(5, 1), StepSize(0.25));
  const std::string path = path_;
  comm_.barrier();
  if (comm_.is_root()) {
    const std::string copy = directory_.file("copy.h5");  // the file as a kill would leave it
    std::filesystem::copy_file(path_, copy);
    path_ = copy;
    // A chunk of points is full, but not one of statistics: no draw is whole.
    expect_draws("posterior/x", 7, 4, 1.0F);
    expect_derived("posterior/theta", 7, 4, kDim + 1, 6);
    EXPECT_EQ(read<std::int64_t>("draws_committed", 1).front(), 0);
    EXPECT_TRUE(std::isnan(hdf5::File::open(copy).read_number("measured")));
  }
  comm_.barrier();
  file->append(Phase::kSampling, block_of(6, 1), derived_of(6, 1), StepSize(0.25));
  comm_.barrier();
  if (comm_.is_root()) {
    const std::string copy = directory_.file("later.h5");
    std::filesystem::copy_file(path, copy);
    path_ = copy;
    expect_draws("posterior/x", 7, 7, 1.0F);
    EXPECT_EQ(read<std::int64_t>("draws_committed", 1).front(), 7);
  }
  comm_.barrier();
  file->finish({});
}

TEST_F(RunFileTest, RefusesToReplaceAFileUnlessForced) {
  make()->finish({});
  EXPECT_THROW(make(), InputError);
  EXPECT_NO_THROW(make(true)->finish({}));
}

TEST_F(RunFileTest, RefusesAPathThatCannotBeWrittenAndLeavesNothing) {
  path_ += "/below/a/file.h5";
  EXPECT_THROW(make(), EnvironmentError);
  comm_.barrier();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(RunFileTest, KnowsHowMuchSpaceItTakes) {
  int tried = 0;
  for (const Index draws : {1, 7, 303}) {
    for (const Index warmup : {0, 2}) {
      RunFileLayout other = layout();
      other.draws = draws;
      other.warmup_draws = warmup;
      other.superchains = kChains;
      RunFile<float> file(comm_, path_, true, other, {}, {});
      file.publish();
      file.finish({});
      const double size = static_cast<double>(std::filesystem::file_size(path_));
      EXPECT_GE(other.bytes(sizeof(float)), size) << draws << " " << warmup;
      EXPECT_LE(other.bytes(sizeof(float)), 1.1 * size + 262144.0) << draws << " " << warmup;
      comm_.barrier();
      ++tried;
    }
  }
  EXPECT_EQ(tried, 6);
}

TEST_F(RunFileTest, NoticesThatItIsGone) {
  auto file = make();
  file->append(Phase::kSampling, block_of(0, 3), derived_of(0, 3), StepSize(0.25));
  comm_.barrier();
  if (comm_.is_root()) std::filesystem::remove(path_);
  EXPECT_THROW(file->finish({}), EnvironmentError);
}

}  // namespace
}  // namespace flotilla::test
