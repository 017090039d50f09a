// SPDX-License-Identifier: BSD-3-Clause
#include "run/schedule.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "flotilla/core/error.hpp"

namespace flotilla::test {
namespace {

struct Covered {
  std::uint64_t end = 0;
  Index draws = 0;
};

/// Expects blocks to follow one another without a gap; collects where they end and what they keep.
Covered walk(const Blocks& blocks, std::uint64_t begin) {
  Covered covered{begin, 0};
  for (const Block block : blocks) {
    EXPECT_LE(block.draws(), blocks.largest_draws());
    EXPECT_EQ(block.first_step, covered.end);
    EXPECT_GT(block.steps, 0);
    covered.end += static_cast<std::uint64_t>(block.steps);
    covered.draws += block.draws();
  }
  return covered;
}

TEST(Schedule, CoversEveryStepAndEveryDrawOnce) {
  int tried = 0;
  for (const Index warmup : {0, 1, 10, 45}) {
    for (const Index thin : {1, 3, 1000}) {
      for (const Index share : {64, 1000000}) {
        RunConfig config;
        config.warmup = warmup;
        config.thin = thin;
        config.draws = 257;
        config.save_warmup = true;
        const Schedule schedule = make_schedule(config, 8, share);
        const Covered before = walk(schedule.warmup, 0);
        EXPECT_EQ(before.end, static_cast<std::uint64_t>(warmup));
        EXPECT_EQ(before.draws, warmup / thin);
        const Covered after = walk(schedule.sampling, before.end);
        EXPECT_EQ(after.end, static_cast<std::uint64_t>(warmup + 257 * thin));
        EXPECT_EQ(after.draws, 257);
        ++tried;
      }
    }
  }
  EXPECT_EQ(tried, 24);
}

/// Walks a phase in parts of these lengths, again and again.
Covered walk_parts(const Blocks& blocks, const std::vector<Index>& lengths) {
  Covered covered{blocks.steps() == 0 ? 0 : blocks[0].phase_start, 0};
  Index ends = 0;
  std::size_t part = 0;
  for (Index done = 0; done < blocks.steps(); ++part) {
    const Index most = lengths[part % lengths.size()];
    const Block block = blocks.after(done, most);
    EXPECT_EQ(block.first_step, covered.end);
    EXPECT_GT(block.steps, 0);
    EXPECT_LE(block.steps, most);
    done += block.steps;
    covered.end += static_cast<std::uint64_t>(block.steps);
    covered.draws += block.draws();
    ends += blocks.ends_with(block) ? 1 : 0;
  }
  EXPECT_EQ(ends, blocks.size());
  return covered;
}

TEST(Schedule, PartsOfBlocksCoverEveryStepOnceAndEndWhereBlocksDo) {
  int tried = 0;
  for (const std::vector<Index>& lengths :
       {std::vector<Index>{1}, {4}, {1, 7, 1000}, {Index{1} << 40U}}) {
    for (const Index report_every : {0, 7, 100}) {
      RunConfig config;
      config.warmup = 245;
      config.draws = 257;
      config.thin = 3;
      config.report_every = report_every;
      config.save_warmup = true;
      const Schedule schedule = make_schedule(config, 8, 64);
      const Covered before = walk_parts(schedule.warmup, lengths);
      EXPECT_EQ(before.end, 245U);
      EXPECT_EQ(before.draws, 245 / 3);
      const Covered after = walk_parts(schedule.sampling, lengths);
      EXPECT_EQ(after.end, 245U + 257U * 3U);
      EXPECT_EQ(after.draws, 257);
      ++tried;
    }
  }
  EXPECT_EQ(tried, 12);
}

TEST(Schedule, EndsWarmUpBlocksWhereStatisticsAreExchanged) {
  RunConfig config;
  config.warmup = 245;
  config.exchange_every = 10;
  const Schedule schedule = make_schedule(config, 8, 64);
  ASSERT_EQ(schedule.warmup.size(), 25);
  EXPECT_EQ(schedule.warmup[3].steps, 10);
  EXPECT_EQ(schedule.warmup[24].steps, 5);
  EXPECT_EQ(schedule.largest_draws(), 100);
}

TEST(Schedule, ExchangesOftenEnoughInAShortWarmUp) {
  RunConfig config;
  config.exchange_every = 50;
  int tried = 0;
  for (const Index warmup : {0, 1, 5, 20, 100, 1000, 5000}) {
    config.warmup = warmup;
    const Schedule schedule = make_schedule(config, 8, 64);
    EXPECT_GE(schedule.warmup.size(), std::min<Index>(warmup, 20));
    EXPECT_LE(schedule.warmup[0].steps, 50);
    ++tried;
  }
  EXPECT_EQ(tried, 7);
}

TEST(Schedule, MakesChunksOfAboutAMebibyteWhateverTheRanks) {
  RunConfig config;
  EXPECT_EQ(make_schedule(config, 8, 64).chunk_draws, 100);
  EXPECT_EQ(make_schedule(config, 784 * 4, 64).chunk_draws, 5);
  EXPECT_EQ(make_schedule(config, 784 * 4, 6400000).chunk_draws, 5);
  EXPECT_EQ(make_schedule(config, 1 << 24, 64).chunk_draws, 1);
}

TEST(Schedule, EndsABlockAtEveryReport) {
  int tried = 0;
  for (const Index report_every : {1, 7, 100, 1000}) {
    for (const Index thin : {1, 3, 300}) {
      for (const Index share : {64, 1000000}) {
        RunConfig config;
        config.draws = 257;
        config.thin = thin;
        config.report_every = report_every;
        const Schedule schedule = make_schedule(config, 8, share);
        Index reports = 0;
        for (const Block block : schedule.sampling) {
          const auto end = static_cast<Index>(block.first_step - block.phase_start) + block.steps;
          reports += end % (report_every * thin) == 0 ? 1 : 0;
        }
        EXPECT_EQ(reports, 257 / report_every);
        EXPECT_EQ(walk(schedule.sampling, static_cast<std::uint64_t>(config.warmup)).draws, 257);
        ++tried;
      }
    }
  }
  EXPECT_EQ(tried, 24);
}

TEST(Schedule, TakesNoMemoryForALongRun) {
  RunConfig config;
  config.draws = Index{1} << 40U;
  EXPECT_EQ(make_schedule(config, 8, 64).sampling.size(), ((Index{1} << 40U) + 99) / 100);
}

TEST(Schedule, ReportsInTimeHoweverMuchItThins) {
  RunConfig config;
  config.thin = 100000;
  EXPECT_EQ(make_schedule(config, 8, 64).sampling[0].steps, 256);
  config.chains = Index{1} << 24U;
  EXPECT_EQ(make_schedule(config, 8, 64).sampling[0].steps, 8);
}

TEST(Schedule, BoundsTheMemoryOfABlock) {
  RunConfig config;
  config.save_warmup = true;
  config.warmup = 1000;
  config.exchange_every = 1000;
  EXPECT_THROW(make_schedule(config, 784 * 4, 65536), InputError);
  config.save_warmup = false;
  config.draws = 100000;
  const Index share = 65536;
  const Schedule schedule = make_schedule(config, 784 * 4, share);
  EXPECT_LE(schedule.largest_draws() * share * 784 * 4, Index{1} << 28U);
}

}  // namespace
}  // namespace flotilla::test
