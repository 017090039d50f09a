// SPDX-License-Identifier: BSD-3-Clause
#include "io/output_owner.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>

#include "flotilla/core/error.hpp"
#include "io/replace_file.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla {
namespace {

class OutputOwnerTest : public testing::Test {
 protected:
  static std::string refusal_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const InputError& error) {
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }
  std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(directory_of(path_)), {});
  }
  void expect_refused(const std::string& output, const std::string& phrase) const {
    const std::string message = refusal_of([&] { const OutputOwner owner(output); });
    EXPECT_NE(message.find(phrase), std::string::npos) << message;
  }

  test::ScratchDirectory directory_;
  std::string path_ = directory_.file("run.h5");
};

TEST_F(OutputOwnerTest, IsOneAtATimeAndSaysWhoSinceWhen) {
  {
    const OutputOwner owner(path_);
    expect_refused(path_, "is being written by process ");
    expect_refused(path_, " on " + host_name() + ", since 20");
    expect_refused(directory_.file("run"), "is being written");  // its reports have the same name
    EXPECT_NO_THROW(const OutputOwner other(directory_.file("other.h5")));
  }
  EXPECT_EQ(files(), 0);
  EXPECT_NO_THROW(const OutputOwner next(path_));
}

TEST_F(OutputOwnerTest, TakesOverFromOneThatDiedAndRemovesWhatItLeft) {
  std::ofstream(directory_.file("run.lock")) << "flotilla: process 7 on the moon, since ever\n";
  std::ofstream(directory_.file("run.h5.unfinished.moon-7")) << "half";
  std::ofstream(directory_.file("run.h5.unfinished")) << "of somebody else";
  std::ofstream(directory_.file("run.2.h5.unfinished.moon-8")) << "of another run";
  {
    const OutputOwner owner(path_);
    EXPECT_EQ(owner.remove_leftovers(),
              "removed what process 7 on the moon, since ever left unfinished: "
              "run.h5.unfinished.moon-7");
    EXPECT_EQ(owner.remove_leftovers(), "");
  }
  EXPECT_EQ(files(), 2);
}

TEST_F(OutputOwnerTest, LeavesAFileThatIsNoLockOfItsOwn) {
  std::ofstream(directory_.file("run.lock")) << "precious";
  expect_refused(path_, "is no lock of flotilla");
  std::string text;
  std::getline(std::ifstream(directory_.file("run.lock")) >> std::ws, text);
  EXPECT_EQ(text, "precious");
  std::filesystem::remove(directory_.file("run.lock"));
  std::filesystem::create_symlink(directory_.file("elsewhere"), directory_.file("run.lock"));
  expect_refused(path_, "cannot write");
  EXPECT_FALSE(std::filesystem::exists(directory_.file("elsewhere")));
}

TEST_F(OutputOwnerTest, SaysWhyNothingCanBeWritten) {
  expect_refused(directory_.file("no/such/run.h5"), "No such file");
  expect_refused("/proc/run.h5", "cannot write");
}

}  // namespace
}  // namespace flotilla
