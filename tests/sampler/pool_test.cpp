// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/pool.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/sampler/registry.hpp"
#include "support/allocation_counter.hpp"
#include "support/choices.hpp"
#include "support/normal_density.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr Index kPoolChains = 150;  // not a multiple of a tile
constexpr Index kSteps = 24;

struct Scene {
  explicit Scene(const std::string& name = "metric-mala")
      : flow(random_real_nvp(3, 4, {.widths = {16}, .activation = "silu"}, 8)),
        target(flow.base(), 1.0),
        kernel(flow, target, make_local_move<float>({name, {}}), 0.2) {}
  Flow<float> flow;
  TemperedTarget<float> target;
  Kernel<float> kernel;
};

/// The latent draws of all chains, chain by chain. Each of `ranks` shares has its own pool.
std::vector<float> sample(const Scene& scene, Index tile_width, Index ranks, Index block_steps) {
  std::vector<float> all;
  for (Index rank = 0; rank < ranks; ++rank) {
    const Tiling tiling = Tiling::share(kPoolChains, tile_width, rank, ranks);
    Pool<float> pool(scene.kernel, Random(17), tiling);
    pool.start_from_base();
    DrawBlock<float> draws(3, tiling.local_chains(), block_steps);
    std::vector<float> own(static_cast<std::size_t>(tiling.local_chains() * kSteps * 3));
    for (Index first = 0; first < kSteps; first += block_steps) {
      pool.advance({static_cast<std::uint64_t>(first), block_steps, 0, 1}, {StepSize(0.4)}, draws);
      for (Index chain = 0; chain < tiling.local_chains(); ++chain) {
        std::copy_n(draws.z.begin() + chain * block_steps * 3, block_steps * 3,
                    own.begin() + (chain * kSteps + first) * 3);
      }
    }
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

bool same_bits(const std::vector<float>& one, const std::vector<float>& other) {
  return one.size() == other.size() &&
         std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
}

/// The starting points of all chains, [chain x 3] in data space. Each of `ranks` shares has its own
/// pool.
std::vector<float> starts(const Scene& scene, Index ranks, Index width, const Tensor* points) {
  std::vector<float> all;
  for (Index rank = 0; rank < ranks; ++rank) {
    const Tiling tiling = Tiling::share(kPoolChains, 32, rank, ranks);
    Pool<float> pool(scene.kernel, Random(17), tiling);
    if (points == nullptr) {
      pool.start_from_base(width);
    } else {
      pool.start_from(*points, width);
    }
    DrawBlock<float> draws(3, tiling.local_chains(), 1);
    pool.look(draws);
    all.insert(all.end(), draws.x.begin(), draws.x.begin() + tiling.local_chains() * 3);
  }
  return all;
}

TEST(Pool, StartsSuperchainsFromOnePoint) {
  const Scene scene;
  const Tensor points = {{4, 3}, {0.1, 0.2, 0.3, -1, 0, 1, 0.5, 0.5, 0.5, 1, 1, 0}};
  int pairs = 0;
  for (const Tensor* from : {static_cast<const Tensor*>(nullptr), &points}) {
    for (const Index width : {1, 15, 50}) {
      const std::vector<float> x = starts(scene, 1, width, from);
      EXPECT_TRUE(same_bits(x, starts(scene, 3, width, from)));
      for (Index chain = 1; chain < kPoolChains; ++chain) {
        const bool same = std::equal(x.begin() + chain * 3, x.begin() + chain * 3 + 3,
                                     x.begin() + (chain - 1) * 3);
        EXPECT_EQ(same, chain % width != 0) << width << " " << chain;
        ++pairs;
      }
    }
  }
  EXPECT_EQ(pairs, 2 * 3 * (kPoolChains - 1));
}

TEST(Tiling, CoversEveryChainOnceWhateverTheRanks) {
  int tried = 0;
  for (const Index chains : {1, 63, 64, 65, 1000}) {
    for (const Index ranks : {1, 2, 3, 5, 64}) {
      Index next = 0;
      for (Index rank = 0; rank < ranks; ++rank) {
        const Tiling tiling = Tiling::share(chains, 64, rank, ranks);
        EXPECT_EQ(tiling.first_chain(), next);
        next = tiling.end_chain();
        EXPECT_LE(tiling.tiles, (chains + 63) / 64 / ranks + 1);
      }
      EXPECT_EQ(next, chains);
      ++tried;
    }
  }
  EXPECT_EQ(tried, 25);
}

TEST(Block, CountsTheDrawsThatItKeeps) {
  int tried = 0;
  for (const Index thin : {0, 1, 3, 7}) {
    for (std::uint64_t first = 100; first < 121; ++first) {
      const Block block{first, 10, 100, thin};
      Index kept = 0;
      for (std::uint64_t step = first; step < first + 10; ++step) kept += block.keeps(step) ? 1 : 0;
      EXPECT_EQ(block.draws(), kept) << thin << " " << first;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 84);
}

class PoolOfEveryKernel : public testing::TestWithParam<std::string> {
 protected:
  Scene scene_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Kernels, PoolOfEveryKernel, testing::ValuesIn(kernel_names()),
                         [](const auto& tested) { return test_name(tested.param); });

TEST_P(PoolOfEveryKernel, DrawsTheSameBitsHoweverTilesAreShared) {
  const std::vector<float> alone = sample(scene_, 64, 1, kSteps);
  ASSERT_EQ(alone.size(), static_cast<std::size_t>(kPoolChains * kSteps * 3));
  for (const Index ranks : {2, 3, 5}) {
    EXPECT_TRUE(same_bits(alone, sample(scene_, 64, ranks, kSteps))) << ranks;
  }
}

TEST_P(PoolOfEveryKernel, DrawsTheSameBitsWhereverBlocksEnd) {
  const std::vector<float> whole = sample(scene_, 64, 1, kSteps);
  for (const Index block_steps : {1, 4, 12}) {
    EXPECT_TRUE(same_bits(whole, sample(scene_, 64, 1, block_steps))) << block_steps;
  }
}

// This is more than is promised, but a sharp test of the padding: no column sees its neighbours.
TEST_P(PoolOfEveryKernel, DrawsTheSameBitsWhateverTheTileWidth) {
  EXPECT_TRUE(same_bits(sample(scene_, 64, 1, kSteps), sample(scene_, 32, 1, kSteps)));
  EXPECT_TRUE(same_bits(sample(scene_, 64, 1, kSteps), sample(scene_, 256, 1, kSteps)));
}

TEST_P(PoolOfEveryKernel, AdvancesWithoutAllocating) {
  const Tiling tiling = Tiling::share(kPoolChains, 64, 0, 1);
  Pool<float> pool(scene_.kernel, Random(17), tiling);
  pool.start_from_base();
  DrawBlock<float> draws(3, kPoolChains, kSteps);
  const std::uint64_t before = allocations();
  pool.advance({0, kSteps, 0, 1}, {StepSize(0.4)}, draws);
  EXPECT_EQ(allocations(), before);
}

TEST(Pool, CountsTheMovesOfItsChainsAndNotOfThePadding) {
  const Scene scene;
  Pool<float> pool(scene.kernel, Random(17), Tiling::share(kPoolChains, 64, 0, 1));
  pool.start_from_base();
  DrawBlock<float> draws(3, kPoolChains, kSteps);
  const MoveTotals moved(pool.advance({0, kSteps, 0, 0}, {StepSize(0.4)}, draws));
  EXPECT_EQ(moved.moves(), static_cast<double>(kPoolChains * kSteps));
}

TEST_P(PoolOfEveryKernel, ShowsADensityItsChainsAndNotThePadding) {
  const NormalDensity density(0.3, 1.2);
  const DensityTarget<float> target(scene_.flow.base(), density, DensityRole::kExplicit, 1.0);
  const Kernel<float> kernel(scene_.flow, target, make_local_move<float>({GetParam(), {}}), 0.0);
  const Tensor points{{1, 3}, {0.1, 0.2, 0.3}};
  std::vector<std::vector<float>> found;
  for (const Index tile_width : {32, 64, 256}) {
    Pool<float> pool(kernel, Random(17), Tiling::share(kPoolChains, tile_width, 0, 1));
    DrawBlock<float> draws(3, kPoolChains, kSteps);
    density.seen = 0;
    if (tile_width == 32) {
      pool.start_from_base();
    } else {
      pool.start_from(points);
    }
    EXPECT_EQ(density.seen, kPoolChains) << "start";
    pool.start_from_base();
    density.seen = 0;
    const MoveTotals moved(pool.advance({0, kSteps, 0, 1}, {StepSize(0.1)}, draws));
    // The current points first, where they are not known.
    EXPECT_EQ(density.seen, kPoolChains * (kernel.may_know() ? kSteps : 1 + kSteps));
    EXPECT_GT(moved.local_acceptance_rate(), 0.1);
    found.push_back(draws.z);
  }
  EXPECT_TRUE(same_bits(found[0], found[1]));
  EXPECT_TRUE(same_bits(found[0], found[2]));
}

TEST(Pool, StartsChainsFromPointsOfTheDataSpace) {
  const Scene scene;
  const Tensor points{{4, 3}, {0.1, 0.2, 0.3, -0.1, 0.5, 0.2, 0.7, -0.3, 0.1, 0.0, 0.0, 0.4}};
  DrawBlock<float> draws(3, kPoolChains, 1);
  // The step is so small that no chain moves: the draws are the starting points. Global moves would
  // move them, so there are none.
  const Kernel<float> local(scene.flow, scene.target, std::make_unique<MetricMala<float>>(), 0.0);
  Pool<float> still(local, Random(17), Tiling::share(kPoolChains, 64, 0, 1));
  still.start_from(points);
  still.advance({0, 1, 0, 1}, {StepSize(1e-12)}, draws);
  int compared = 0;
  for (std::size_t chain = 0; chain < kPoolChains; ++chain) {
    for (std::size_t i = 0; i < 3; ++i, ++compared) {
      EXPECT_NEAR(draws.x[chain * 3 + i], points.values[chain % 4 * 3 + i], 1e-5) << chain;
    }
  }
  EXPECT_EQ(compared, kPoolChains * 3);
}

TEST(Pool, RefusesPointsThatDoNotFit) {
  const Scene scene;
  Pool<float> pool(scene.kernel, Random(17), Tiling::share(kPoolChains, 64, 0, 1));
  EXPECT_THROW(pool.start_from({{2, 2}, {1, 2, 3, 4}}), InputError);
  EXPECT_THROW(pool.start_from({{3}, {1, 2, 3}}), InputError);
  EXPECT_THROW(pool.start_from({{0, 3}, {}}), InputError);
  EXPECT_THROW(pool.start_from({{1, 3}, {1, 2, std::nan("")}}), InputError);
}

}  // namespace
}  // namespace flotilla::test
