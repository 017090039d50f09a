// SPDX-License-Identifier: BSD-3-Clause
#include "io/replace_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <utility>

#include "flotilla/core/error.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla {
namespace {

void write(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

std::string text_of(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class ReplaceFile : public testing::Test {
 protected:
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder()), {}));
  }
  std::filesystem::path folder() const { return std::filesystem::path(path_).parent_path(); }

  template <typename Error>
  static void expect_failure(const std::function<void()>& work, const std::string& phrase) {
    try {
      work();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(phrase), std::string::npos) << error.what();
    }
  }

  test::ScratchDirectory directory_;
  std::string path_ = directory_.file("out.txt");
};

TEST_F(ReplaceFile, ShowsTheOldFileUntilTheNewOneIsWhole) {
  write(path_, "old");
  FileReplacement replacement(path_);
  write(replacement.unfinished(), "new");
  EXPECT_EQ(text_of(path_), "old");
  replacement.finish();
  EXPECT_EQ(text_of(path_), "new");
  EXPECT_EQ(files(), 1U);
}

TEST_F(ReplaceFile, LeavesNothingWhereTheNewFileIsNeverFinished) {
  write(path_, "old");
  {
    const FileReplacement replacement(path_);
    write(replacement.unfinished(), "new");
    EXPECT_EQ(files(), 2U);
  }
  EXPECT_EQ(text_of(path_), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(ReplaceFile, RemovesNothingOnceItHasItsName) {
  {
    FileReplacement replacement(path_);
    write(replacement.unfinished(), "new");
    replacement.finish();
    write(unfinished_name(path_), "of somebody else");
  }
  EXPECT_EQ(text_of(path_), "new");
  EXPECT_EQ(text_of(unfinished_name(path_)), "of somebody else");
}

TEST_F(ReplaceFile, PassesItsFileOnWhereItIsMoved) {
  FileReplacement one(path_);
  write(one.unfinished(), "new");
  {
    FileReplacement other(std::move(one));
    other.finish();
  }
  EXPECT_EQ(text_of(path_), "new");
  EXPECT_EQ(files(), 1U);
}

TEST_F(ReplaceFile, SaysWhyANameCannotBeTaken) {
  std::filesystem::create_directory(path_);
  FileReplacement replacement(path_);
  expect_failure<EnvironmentError>([&] { replacement.finish(); }, "No such file");
  write(replacement.unfinished(), "new");
  expect_failure<EnvironmentError>([&] { replacement.finish(); }, "directory");
}

TEST_F(ReplaceFile, RefusesWhatMayNotBeReplaced) {
  write(path_, "old");
  expect_failure<InputError>([&] { expect_replaceable(path_, false); }, "--force");
  EXPECT_EQ(files(), 1U);
  EXPECT_NO_THROW(expect_replaceable(path_, true));
  EXPECT_EQ(text_of(path_), "old");
  expect_failure<InputError>([&] { expect_replaceable(folder().string(), true); }, "a directory");
  const std::string below = directory_.file("no/such/out.txt");
  expect_failure<InputError>([&] { expect_replaceable(below, false); }, "No such file");
}

TEST_F(ReplaceFile, RefusesMoreThanTheDiskHolds) {
  EXPECT_NO_THROW(expect_space(path_, 1.0, "wait"));
  expect_failure<EnvironmentError>([&] { expect_space(path_, 1e24, "wait"); }, "MB left: wait");
}

}  // namespace
}  // namespace flotilla
