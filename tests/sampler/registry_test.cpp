// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/registry.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "flotilla/core/error.hpp"
#include "support/choices.hpp"

namespace flotilla::test {
namespace {

TEST(KernelRegistry, HasWholeRows) {
  std::set<std::string> names;
  std::vector<Choice> choices;
  for (const KernelRow& row : kernel_registry()) {
    SCOPED_TRACE(row.choice.name);
    expect_whole(row.choice);
    choices.push_back(row.choice);
    EXPECT_TRUE(names.insert(row.choice.name).second) << "the name of two rows";
    EXPECT_NE(row.in_float, nullptr);
    EXPECT_NE(row.in_double, nullptr);
    EXPECT_GT(row.target_accept, 0.0);
    EXPECT_LT(row.target_accept, 1.0);
    EXPECT_EQ(&kernel_row(row.choice.name), &row);
    expect_ranges_kept(row.choice, expect_kernel);
    for (const Parameter& parameter : row.choice.parameters) {
      EXPECT_TRUE(parameter.otherwise) << parameter.name << ": nothing finds it";
    }
  }
  EXPECT_GE(names.size(), 2U);
  expect_one_meaning(choices);
}

TEST(KernelRegistry, MakesEachKernelFromItsDefaultsAlikeInFloatAndDouble) {
  int made = 0;
  for (const KernelRow& row : kernel_registry()) {
    SCOPED_TRACE(row.choice.name);
    const Specification resolved = resolve_kernel({row.choice.name, {}});
    EXPECT_EQ(resolved.parameters.size(), row.choice.parameters.size());
    EXPECT_EQ(resolve_kernel(resolved), resolved);
    const auto in_float = make_local_move<float>(resolved);
    const auto in_double = make_local_move<double>(resolved);
    ASSERT_NE(in_float, nullptr);
    ASSERT_NE(in_double, nullptr);
    EXPECT_EQ(in_float->needs_inverse(), in_double->needs_inverse());
    EXPECT_EQ(in_float->cost().passes, in_double->cost().passes);
    EXPECT_EQ(in_float->cost().gradients, in_double->cost().gradients);
    EXPECT_GE(in_double->cost().passes, 1.0);
    EXPECT_GE(in_double->cost().gradients, 1.0);
    ++made;
  }
  EXPECT_EQ(made, static_cast<int>(kernel_registry().size()));
}

TEST(KernelRegistry, RefusesWhatItDoesNotKnowAndNamesTheChoices) {
  try {
    expect_kernel({"hmc", {}});
    ADD_FAILURE() << "accepted";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "--kernel should be one of metric-mala, mala, ghmc but is 'hmc'");
  }
  try {
    expect_kernel({"mala", {{"alpha", 0.5}}});
    ADD_FAILURE() << "accepted";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "--alpha is no parameter of 'mala', which has none: leave it out");
  }
}

}  // namespace
}  // namespace flotilla::test
