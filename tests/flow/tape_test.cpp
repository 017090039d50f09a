// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/tape.hpp"

#include <gtest/gtest.h>

#include "support/allocation_counter.hpp"

namespace flotilla {
namespace {

const TapeShape kTree = {{2, 0}, {3}, {{{1}, {5, 4}, {}}, {{}, {}, {{{7}, {}, {}}}}}};

TEST(Tape, HasTheSlotsThatItsShapeAsksFor) {
  Tape<float> tape(kTree, 17);
  EXPECT_EQ(tape.chains(), 17);
  EXPECT_EQ(tape.recorded(0).dim(), 2);
  EXPECT_EQ(tape.recorded(1).dim(), 0);
  EXPECT_EQ(tape.child(0).recorded(0).dim(), 1);
  EXPECT_EQ(tape.child(1).child(0).recorded(0).dim(), 7);
  EXPECT_EQ(tape.child(1).child(0).recorded(0).chains(), 17);
}

TEST(Tape, SharesOneSetOfScratchAsWideAsTheWidestLayerAsks) {
  const Tape<double> tape(kTree, 3);
  EXPECT_EQ(tape.scratch(0).dim(), 5);
  EXPECT_EQ(tape.scratch(1).dim(), 4);
  EXPECT_EQ(&tape.scratch(0), &tape.child(0).scratch(0));
  EXPECT_EQ(&tape.scratch(1), &tape.child(1).child(0).scratch(1));
}

TEST(Tape, SelectsColumnsInTheWholeTreeWithoutAllocating) {
  Tape<double> into(kTree, 17);
  Tape<double> from(kTree, 17);
  from.recorded(0).fill(1.0);
  from.child(0).recorded(0).fill(2.0);
  from.child(1).child(0).recorded(0).fill(3.0);
  ColumnMask mask(17);
  mask.set(4, true);
  mask.set(16, true);
  const std::uint64_t before = test::allocations();
  into.select(mask, from);
  EXPECT_EQ(test::allocations(), before);
  int compared = 0;
  for (Index c = 0; c < 17; ++c, ++compared) {
    const double taken = c == 4 || c == 16 ? 1.0 : 0.0;
    EXPECT_EQ(into.recorded(0)(1, c), taken);
    EXPECT_EQ(into.child(0).recorded(0)(0, c), 2.0 * taken);
    EXPECT_EQ(into.child(1).child(0).recorded(0)(6, c), 3.0 * taken);
  }
  EXPECT_EQ(compared, 17);
}

}  // namespace
}  // namespace flotilla
