// SPDX-License-Identifier: BSD-3-Clause
#include "io/replace_file.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
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
  std::string name;
  {
    FileReplacement replacement(path_);
    name = replacement.unfinished();
    write(name, "new");
    replacement.finish();
    write(name, "of somebody else");
  }
  EXPECT_EQ(text_of(path_), "new");
  EXPECT_EQ(text_of(name), "of somebody else");
}

TEST_F(ReplaceFile, GivesUnfinishedFilesNamesOfTheirOwn) {
  const std::string name =
      std::filesystem::path(FileReplacement(path_).unfinished()).filename().string();
  EXPECT_TRUE(is_unfinished_name(name, "out.txt"));
  EXPECT_TRUE(is_unfinished_name(name, ""));
  EXPECT_FALSE(is_unfinished_name(name, "out"));
  EXPECT_FALSE(is_unfinished_name("out.txt", "out.txt"));
  EXPECT_NE(name.find(host_name()), std::string::npos) << name;
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
}

// Nothing is written here whatever becomes of it: the function only looks.
TEST_F(ReplaceFile, ReplacesRegularFilesAlone) {
  const std::string link = directory_.file("link.txt");
  const std::string nowhere = directory_.file("nowhere.txt");
  const std::string pipe = directory_.file("pipe");
  write(path_, "old");
  std::filesystem::create_symlink(path_, link);
  std::filesystem::create_symlink(directory_.file("missing"), nowhere);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const bool force : {false, true}) {
    expect_failure<InputError>([&] { expect_replaceable(link, force); }, "is a link");
    expect_failure<InputError>([&] { expect_replaceable(nowhere, force); }, "is a link");
    expect_failure<InputError>([&] { expect_replaceable(pipe, force); }, "a device or a pipe");
    expect_failure<InputError>([&] { expect_replaceable("/dev/null", force); }, "a device");
  }
}

TEST_F(ReplaceFile, NoticesAFileThatIsGoneReplacedOrCut) {
  write(path_, "written");
  const std::optional<FileIdentity> written = FileIdentity::of(path_);
  ASSERT_TRUE(written.has_value());
  EXPECT_EQ(written->size, 7U);
  EXPECT_NO_THROW(expect_still_there(path_, *written, "lost"));
  std::filesystem::resize_file(path_, 6);
  expect_failure<EnvironmentError>([&] { expect_still_there(path_, *written, "lost"); },
                                   "was cut: lost");
  const std::string other = directory_.file("other.txt");
  write(other, "as long");
  std::filesystem::rename(other, path_);
  expect_failure<EnvironmentError>([&] { expect_still_there(path_, *written, "lost"); },
                                   "is another file");
  std::filesystem::remove(path_);
  expect_failure<EnvironmentError>([&] { expect_still_there(path_, *written, "lost"); }, "is gone");
}

TEST_F(ReplaceFile, SetsSpaceAsideThatIsNoPartOfTheFile) {
  write(path_, "new");
  reserve_space("out.txt", path_, 1e6, "wait");
  EXPECT_EQ(text_of(path_), "new");
  release_space(path_);
  EXPECT_EQ(text_of(path_), "new");
  expect_failure<EnvironmentError>([&] { reserve_space("out.txt", path_, 1e15, "wait"); },
                                   "MB left: wait");
}

TEST_F(ReplaceFile, RefusesMoreThanTheDiskHolds) {
  EXPECT_NO_THROW(expect_space(path_, 1.0, "wait"));
  expect_failure<EnvironmentError>([&] { expect_space(path_, 1e24, "wait"); }, "MB left: wait");
}

}  // namespace
}  // namespace flotilla
