// SPDX-License-Identifier: BSD-3-Clause
#include "run/shares.hpp"

#include <gtest/gtest.h>

#include "flotilla/sampler/pool.hpp"

namespace flotilla::test {
namespace {

/// Tiles of the busiest rank as the pool shares them out, and whether all ranks have as many.
struct Shared {
  Index most = 0;
  bool even = true;
};

Shared share_out(const Division& division) {
  Shared shared;
  Index least = division.tiles();
  for (Index rank = 0; rank < division.ranks; ++rank) {
    const Index own =
        Tiling::share(division.chains, division.tile_width, rank, division.ranks).tiles;
    shared.most = std::max(shared.most, own);
    least = std::min(least, own);
  }
  shared.even = least == shared.most;
  return shared;
}

template <typename Visit>
int for_each_division(const Visit& visit) {
  int visited = 0;
  for (const Index chains : {1, 64, 65, 100, 256, 512, 768, 1000, 1088, 4096}) {
    for (const Index width : {32, 64, 96, 160}) {
      for (const Index ranks : {1, 2, 3, 5, 8, 16, 31, 64}) {
        visit(Division{chains, width, ranks});
        ++visited;
      }
    }
  }
  return visited;
}

TEST(Shares, AreThoseOfThePool) {
  const int visited = for_each_division([](const Division& division) {
    const Shared shared = share_out(division);
    EXPECT_EQ(division.most(), shared.most);
    EXPECT_EQ(division.even(), shared.even);
    EXPECT_EQ(division.used() == 1.0, shared.even);
  });
  EXPECT_EQ(visited, 320);
}

TEST(Shares, WhatIsRecommendedIsEven) {
  int widths = 0;
  int fewer = 0;
  for (const Index superchains : {0, 4, 20}) {
    for_each_division([&](const Division& division) {
      for (const Index unit : {1, 24, 64}) {
        const EvenDivisions even = even_divisions(division, superchains, unit);
        const Division more{even.more_chains, division.tile_width, division.ranks};
        EXPECT_TRUE(share_out(more).even);
        EXPECT_GE(more.chains, division.chains);
        if (superchains > 0) {
          EXPECT_EQ(more.chains % superchains, 0);
        }
        if (even.fewer_chains) {
          const Division less{*even.fewer_chains, division.tile_width, division.ranks};
          EXPECT_TRUE(share_out(less).even);
          EXPECT_LE(less.chains, division.chains);
          EXPECT_GT(less.chains, 0);
          ++fewer;
        }
        if (even.tile_width) {
          const Division other{division.chains, *even.tile_width, division.ranks};
          EXPECT_TRUE(share_out(other).even);
          EXPECT_EQ(*even.tile_width % kColumnBlock, 0);
          EXPECT_EQ(*even.tile_width % unit, 0);
          EXPECT_GE(10 * other.chains, 9 * other.tiles() * other.tile_width);
          ++widths;
        }
        const Division on_fewer{division.chains, division.tile_width, even.ranks};
        EXPECT_EQ(share_out(on_fewer).most, share_out(division).most);
      }
    });
  }
  EXPECT_GT(widths, 300);
  EXPECT_GT(fewer, 300);
}

TEST(Shares, SpeakOfWhatWaitingCosts) {
  EXPECT_EQ(uneven_shares({1088, 64, 16}, 0, 1),
            "17 tiles of 64 chains on 16 ranks: all wait for those that have 2, so that 53 % of "
            "the ranks' time is used; all of it with --chains 1024 or 2048; 9 ranks take no "
            "longer");
  EXPECT_EQ(uneven_shares({64, 64, 3}, 0, 1),
            "1 tile of 64 chains on 3 ranks: 2 ranks are without work, so that 33 % of the ranks' "
            "time is used; all of it with --chains 192; 1 rank takes no longer");
  EXPECT_EQ(uneven_shares({768, 64, 8}, 0, 1),
            "12 tiles of 64 chains on 8 ranks: all wait for those that have 2, so that 75 % of the "
            "ranks' time is used; all of it with --chains 512 or 1024, or with --tile-width 96; 6 "
            "ranks take no longer");
}

TEST(Shares, SayNothingWhereLittleIsLost) {
  int silent = 0;
  for_each_division([&](const Division& division) {
    const bool told = !uneven_shares(division, 0, 1).empty();
    EXPECT_EQ(told, division.used() < 0.9);
    silent += told ? 0 : 1;
  });
  EXPECT_GT(silent, 80);
  EXPECT_LT(silent, 320);
}

}  // namespace
}  // namespace flotilla::test
