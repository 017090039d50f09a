// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla::test {
namespace {

using Shape = std::vector<Index>;

TEST(DerivedVariables, GatherNamesThatDifferInTheirIndices) {
  // Matrices come column by column from Stan.
  const auto found = derived_variables(
      {"mu", "theta.1", "theta.2", "theta.3", "L.1.1", "L.2.1", "L.1.2", "L.2.2", "one.1"});
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].name, "mu");
  EXPECT_EQ(found[0].shape, Shape());
  EXPECT_EQ(found[0].columns, Shape({0}));
  EXPECT_EQ(found[1].name, "theta");
  EXPECT_EQ(found[1].shape, Shape({3}));
  EXPECT_EQ(found[1].columns, Shape({1, 2, 3}));
  EXPECT_EQ(found[2].name, "L");
  EXPECT_EQ(found[2].shape, Shape({2, 2}));
  EXPECT_EQ(found[2].columns, Shape({4, 6, 5, 7}));
  EXPECT_EQ(found[3].shape, Shape({1}));
}

TEST(DerivedVariables, LeaveNamesAloneWhoseIndicesHaveGaps) {
  for (const std::vector<std::string>& names : {std::vector<std::string>{"a.1", "a.3"},
                                                {"a", "a.1"},
                                                {"a.1", "a.1.2"},
                                                {"a.2"},
                                                {"a.0", "a.2"},
                                                {"a.01", "a.02"},
                                                {"a.real", "a.imag"},
                                                {"a.1", "a.99999999999999999999"}}) {
    const auto found = derived_variables(names);
    Index columns = 0;
    for (const DerivedVariable& variable : found) columns += variable.size();
    EXPECT_EQ(columns, static_cast<Index>(names.size())) << names[0] << ", " << names.back();
    EXPECT_GE(found.size(), names.size() > 1 ? 2U : 1U) << names[0] << ", " << names.back();
    EXPECT_EQ(found.back().name, names.back());
    EXPECT_EQ(found.back().columns, Shape({static_cast<Index>(names.size()) - 1}));
  }
}

TEST(DerivedVariables, GiveWayToTheVariablesOfEveryRunFile) {
  const auto found = derived_variables({"x.1", "x.2", "draw", "y", "x_"});
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].name, "x__");
  EXPECT_EQ(found[3].name, "x_");
  EXPECT_EQ(found[1].name, "draw_");
  EXPECT_EQ(found[2].name, "y");
}

TEST(DerivedVariables, RefuseWhatAFileCannotHold) {
  int refused = 0;
  for (const std::string name : {"", ".", "a/b", "1a", "a b", "..", "\x1b[0m"}) {
    EXPECT_THROW(derived_variables({name}), InputError) << name;
    ++refused;
  }
  EXPECT_EQ(refused, 7);
  EXPECT_THROW(derived_variables({"a", "b", "a"}), InputError);
}

}  // namespace
}  // namespace flotilla::test
