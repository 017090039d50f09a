// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/batch.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <type_traits>

#include "flotilla/core/matrix_view.hpp"
#include "support/allocation_counter.hpp"
#include "support/batches.hpp"

namespace flotilla {
namespace {

template <typename T>
class BatchOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(BatchOf, Scalars);

bool starts_on_64_bytes(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 64 == 0;
}

template <typename T>
Batch<T> counting(Index dim, Index chains, T first) {
  Batch<T> batch(dim, chains);
  for (Index i = 0; i < dim; ++i) {
    for (Index c = 0; c < chains; ++c) batch(i, c) = first + static_cast<T>(100 * i + c);
  }
  return batch;
}

TYPED_TEST(BatchOf, PadsRowsToWholeBlocksAndAlignsEachOfThem) {
  int rows = 0;
  for (const Index chains : {1, 3, 17, 31, 32, 33, 64, 65, 1000}) {
    const Batch<TypeParam> batch(5, chains);
    EXPECT_EQ(batch.chains(), chains);
    EXPECT_GE(batch.stride(), chains);
    EXPECT_LT(batch.stride() - chains, kColumnBlock);
    EXPECT_EQ(batch.stride() % kColumnBlock, 0);
    for (Index i = 0; i < batch.dim(); ++i, ++rows) {
      EXPECT_TRUE(starts_on_64_bytes(batch.row(i))) << "row " << i << " of " << chains;
    }
  }
  EXPECT_EQ(rows, 9 * 5);
}

TYPED_TEST(BatchOf, BeginsAsZeroPaddingIncluded) {
  const Batch<TypeParam> batch(3, 17);
  Index zeros = 0;
  for (Index i = 0; i < 3; ++i) {
    for (Index c = 0; c < batch.stride(); ++c) zeros += batch.row(i)[c] == TypeParam{0} ? 1 : 0;
  }
  EXPECT_EQ(zeros, 3 * 32);
}

TYPED_TEST(BatchOf, KeepsTheChainsOfOneCoordinateTogether) {
  Batch<TypeParam> batch = counting<TypeParam>(4, 19, 0);
  EXPECT_EQ(&batch(2, 7), batch.row(2) + 7);
  EXPECT_EQ(batch.row(1) - batch.row(0), batch.stride());
}

TYPED_TEST(BatchOf, IsAnEigenMatrixWithoutItsPadding) {
  Batch<TypeParam> batch = counting<TypeParam>(4, 19, 1);
  ASSERT_EQ(matrix_of(batch).rows(), 4);
  ASSERT_EQ(matrix_of(batch).cols(), 19);
  EXPECT_EQ(matrix_of(batch)(3, 18), batch(3, 18));
  matrix_of(batch)(2, 5) = TypeParam{-1};
  EXPECT_EQ(batch(2, 5), TypeParam{-1});
}

TYPED_TEST(BatchOf, CopiesDeeply) {
  Batch<TypeParam> original = counting<TypeParam>(3, 40, 0);
  const Batch<TypeParam> copy = original;
  original.fill(TypeParam{-7});
  EXPECT_EQ(matrix_of(copy), (matrix_of(counting<TypeParam>(3, 40, 0))));
}

TYPED_TEST(BatchOf, CopiesInPlaceWhereTheShapesAgree) {
  const Batch<TypeParam> source = counting<TypeParam>(3, 40, 5);
  Batch<TypeParam> target(3, 40);
  const TypeParam* const memory = target.row(0);
  const std::uint64_t before = test::allocations();
  target = source;
  EXPECT_EQ(test::allocations(), before);
  EXPECT_EQ(target.row(0), memory);
  EXPECT_EQ(matrix_of(target), matrix_of(source));
}

TYPED_TEST(BatchOf, TakesANewShapeByCopying) {
  const Batch<TypeParam> source = counting<TypeParam>(3, 40, 5);
  Batch<TypeParam> target(2, 7);
  target = source;
  EXPECT_EQ(target.dim(), 3);
  EXPECT_EQ(target.chains(), 40);
  EXPECT_EQ(matrix_of(target), matrix_of(source));
}

TYPED_TEST(BatchOf, SurvivesAssignmentToItself) {
  Batch<TypeParam> batch = counting<TypeParam>(3, 40, 5);
  const Batch<TypeParam>& same = batch;
  batch = same;
  EXPECT_EQ(matrix_of(batch), (matrix_of(counting<TypeParam>(3, 40, 5))));
}

TYPED_TEST(BatchOf, MovesItsMemoryWithoutAllocating) {
  static_assert(std::is_nothrow_move_constructible_v<Batch<TypeParam>>);
  static_assert(std::is_nothrow_move_assignable_v<Batch<TypeParam>>);
  Batch<TypeParam> source = counting<TypeParam>(3, 40, 5);
  const TypeParam* const memory = source.row(0);
  const std::uint64_t before = test::allocations();
  Batch<TypeParam> constructed = std::move(source);
  Batch<TypeParam> assigned;
  assigned = std::move(constructed);
  EXPECT_EQ(test::allocations(), before);
  EXPECT_EQ(assigned.row(0), memory);
  EXPECT_EQ(matrix_of(assigned), (matrix_of(counting<TypeParam>(3, 40, 5))));
}

TYPED_TEST(BatchOf, IsEmptyAfterAMoveAndMayBeUsedAgain) {
  Batch<TypeParam> source = counting<TypeParam>(3, 40, 5);
  Batch<TypeParam> target = std::move(source);
  EXPECT_EQ(source.dim(), 0);  // NOLINT(bugprone-use-after-move): the subject of this test
  EXPECT_EQ(source.chains(), 0);
  const Batch<TypeParam> copy_of_nothing = source;
  EXPECT_EQ(matrix_of(copy_of_nothing).size(), 0);
  source = target;
  EXPECT_EQ(matrix_of(source), matrix_of(target));
  Batch<TypeParam>& same = target;
  target = std::move(same);
  EXPECT_EQ(matrix_of(target), matrix_of(source));
}

TYPED_TEST(BatchOf, MayHoldNothing) {
  const Batch<TypeParam> none;
  EXPECT_EQ(none.dim(), 0);
  EXPECT_EQ(none.chains(), 0);
  const Batch<TypeParam> copy = none;
  EXPECT_EQ(matrix_of(copy).size(), 0);
  const Batch<TypeParam> no_rows(0, 5);
  EXPECT_EQ(no_rows.chains(), 5);
  const Batch<TypeParam> no_chains(5, 0);
  EXPECT_EQ(no_chains.stride(), 0);
}

TYPED_TEST(BatchOf, SelectsTheMaskedColumnsAndLeavesTheOthers) {
  int compared = 0;
  for (const Index chains : {1, 3, 17, 64}) {
    const Batch<TypeParam> from = counting<TypeParam>(3, chains, 1000);
    Batch<TypeParam> into = counting<TypeParam>(3, chains, 0);
    ColumnMask mask(chains);
    for (Index c = 0; c < chains; ++c) mask.set(c, c % 3 == 0);
    mask.set(0, false);
    mask.set(0, true);  // the last call wins
    select_columns(mask, from, into);
    for (Index c = 0; c < chains; ++c, ++compared) {
      const TypeParam first = c % 3 == 0 ? 1000 : 0;
      EXPECT_EQ(mask[c], c % 3 == 0);
      EXPECT_EQ(matrix_of(into).col(c), (matrix_of(counting<TypeParam>(3, chains, first)).col(c)));
    }
  }
  EXPECT_EQ(compared, 1 + 3 + 17 + 64);
}

TYPED_TEST(BatchOf, DoesNotLetNaNOfARejectedColumnThrough) {
  Batch<TypeParam> from(1, 2);
  from.fill(std::numeric_limits<TypeParam>::quiet_NaN());
  Batch<TypeParam> into(1, 2);
  into.fill(TypeParam{3});
  ColumnMask mask(2);
  mask.set(1, true);
  select_columns(mask, from, into);
  EXPECT_EQ(into(0, 0), TypeParam{3});
  EXPECT_TRUE(std::isnan(into(0, 1)));
}

TEST(AllocationCounter, SeesEveryFormOfNew) {
  // Call the operators as functions: a compiler may remove a new-expression whose memory is unused.
  constexpr std::align_val_t kAlignment{128};
  const std::uint64_t before = test::allocations();
  void* const plain = ::operator new(10);
  void* const array = ::operator new[](10);
  void* const aligned = ::operator new(10, kAlignment);
  void* const aligned_array = ::operator new[](10, kAlignment);
  void* const quiet = ::operator new(10, std::nothrow);
  EXPECT_EQ(test::allocations(), before + 5);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned) % 128, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned_array) % 128, 0U);
  ::operator delete(plain);
  ::operator delete[](array);
  ::operator delete(aligned, kAlignment);
  ::operator delete[](aligned_array, kAlignment);
  ::operator delete(quiet, std::nothrow);
  EXPECT_EQ(test::allocations(), before + 5);
}

TEST(AllocationCounter, SeesABatch) {
  const std::uint64_t before = test::allocations();
  const Batch<float> batch(2, 3);
  EXPECT_EQ(batch(1, 2), 0.0F);
  EXPECT_EQ(test::allocations(), before + 1);
}

}  // namespace
}  // namespace flotilla
