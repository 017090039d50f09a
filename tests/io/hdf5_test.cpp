// SPDX-License-Identifier: BSD-3-Clause
#include "io/hdf5.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <numeric>

#include "flotilla/io/hdf5_errors.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla::hdf5 {
namespace {

class Hdf5 : public testing::Test {
 protected:
  static void SetUpTestSuite() { silence_hdf5_errors(); }

  /// Expects an Hdf5Error whose message holds every phrase.
  static void expect_refusal(const std::function<void()>& work,
                             const std::vector<std::string>& phrases) {
    try {
      work();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Hdf5Error& error) {
      ASSERT_FALSE(phrases.empty());
      for (const std::string& phrase : phrases) {
        EXPECT_NE(std::string(error.what()).find(phrase), std::string::npos) << error.what();
      }
    }
  }

  test::ScratchDirectory directory_;
  File file_ = File::create(directory_.file("file.h5"));
};

TEST_F(Hdf5, ReadsBackEveryKindOfAttribute) {
  file_.write_text("text", "\u00b1 1");
  file_.write_text("empty", "");
  file_.write_number("number", 0.1);
  file_.write_whole_number("whole", -3);
  EXPECT_EQ(file_.attribute_names(),
            (std::vector<std::string>{"empty", "number", "text", "whole"}));
  EXPECT_EQ(file_.read_text("text"), "\u00b1 1");
  EXPECT_EQ(file_.read_text("empty"), "");
  EXPECT_EQ(file_.read_number("number"), 0.1);
  EXPECT_EQ(file_.read_number("whole"), -3.0);
  file_.overwrite_number("number", 7.0);
  EXPECT_EQ(file_.read_number("number"), 7.0);
  file_.remove_attribute("number");
  EXPECT_FALSE(file_.has_attribute("number"));
  EXPECT_THROW(file_.read_number("text"), InputError);
  EXPECT_THROW(file_.read_text("whole"), InputError);
  expect_refusal([&] { file_.read_number("number"); }, {"H5Aopen number"});
}

TEST_F(Hdf5, ReadsAnySlabOfAnArray) {
  constexpr hsize_t kRows = 4;
  constexpr hsize_t kColumns = 3;
  std::vector<double> values(kRows * kColumns);
  std::iota(values.begin(), values.end(), 0.0);
  Dataset dataset = file_.make_dataset("a", Type::of<double>(), Dataspace({kRows, kColumns}));
  dataset.write(values.data());
  int tested = 0;
  for (hsize_t row = 0; row < kRows; ++row) {
    for (hsize_t column = 0; column < kColumns; ++column) {
      for (hsize_t rows = 1; row + rows <= kRows; ++rows) {
        const hsize_t columns = kColumns - column;
        std::vector<float> found(rows * columns);
        dataset.read({{row, column}, {rows, columns}}, found.data());
        for (std::size_t i = 0; i < found.size(); ++i, ++tested) {
          const std::size_t place = (row + i / columns) * kColumns + column + i % columns;
          ASSERT_EQ(found[i], static_cast<float>(values[place]));
        }
      }
    }
  }
  EXPECT_EQ(tested, 120);
  float untouched = -1.0F;
  dataset.read({{1, 1}, {0, 2}}, &untouched);
  EXPECT_EQ(untouched, -1.0F);
  expect_refusal([&] { dataset.read({{3, 0}, {2, 3}}, values.data()); }, {"H5Dread /a", "extent"});
}

TEST_F(Hdf5, TellsValuesThatAreStoredFromThoseThatAreNot) {
  Properties chunked = Properties::dataset();
  chunked.chunked({2});
  Dataset claim = file_.make_dataset("claim", Type::of<double>(), Dataspace({1000}), chunked);
  EXPECT_FALSE(claim.is_stored());
  EXPECT_EQ(claim.chunk(), Sizes{2});
  Properties filled = Properties::dataset();
  filled.allocated_early().filled_with(2.5);
  Dataset early = file_.make_dataset("early", Type::of<double>(), Dataspace({1000}), filled);
  EXPECT_TRUE(early.is_stored());
  std::vector<double> values(1000);
  early.read(values.data());
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0.0), 2500.0);
  EXPECT_TRUE(file_.make_dataset("none", Type::of<double>(), Dataspace({0})).is_stored());
}

TEST_F(Hdf5, KnowsItsTypes) {
  EXPECT_TRUE(Type::of<float>().is_real());
  EXPECT_TRUE(Type::of<std::int8_t>().is_whole());
  EXPECT_TRUE(Type::text(3).is_text());
  EXPECT_FALSE(Type::text(3).is_number());
  EXPECT_EQ(Type::of<std::int64_t>().size(), 8U);
  EXPECT_EQ(Type::stored_float().size(), 4U);
}

TEST_F(Hdf5, NamesAreInByteOrderWhateverTheyWereMadeIn) {
  Group group = file_.make_group("g");
  group.make_group("b");
  group.make_dataset("a", Type::of<double>(), Dataspace::single());
  group.make_link("c", "/g/a");
  EXPECT_EQ(group.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(file_.has("g/a"));
  EXPECT_TRUE(group.is_dataset("c"));
  EXPECT_FALSE(group.is_dataset("b"));
  group.remove("c");
  EXPECT_FALSE(group.has("c"));
  expect_refusal([&] { file_.dataset("g/z"); }, {"H5Dopen g/z", "doesn't exist"});
  expect_refusal([&] { File::open(directory_.file("no.h5")); }, {"H5Fopen", "no.h5"});
}

TEST_F(Hdf5, ADatasetKeepsItsFileOpen) {
  file_.make_dataset("n", Type::of<double>(), Dataspace::single()).write(std::vector{4.0}.data());
  file_.close();
  const Dataset dataset = File::open(directory_.file("file.h5")).dataset("n");
  double value = 0.0;
  dataset.read(&value);
  EXPECT_EQ(value, 4.0);
}

}  // namespace
}  // namespace flotilla::hdf5
