// SPDX-License-Identifier: BSD-3-Clause
#include "io/checkpoint.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "io/archive.hpp"
#include "io/sha256.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMutations = 2000;

enum class Colour { kRed, kBlue };

struct Entry {
  double value = 0.0;
  std::int64_t count = 0;

  template <typename Archive>
  void archive(Archive& with) {
    with(value, count);
  }
};

/// A value of every kind that archives have.
struct Contents {
  Colour colour = Colour::kRed;
  bool flag = false;
  double number = 0.0;
  std::string text;
  std::vector<double> numbers;
  std::vector<Entry> entries;
  std::optional<std::vector<std::int64_t>> sums;
  std::array<Entry, 2> pair;
  Batch<float> points{3, 4};

  template <typename Archive>
  void archive(Archive& with) {
    with(colour, flag, number, text, numbers, entries, sums, pair, points);
  }
};

Contents example() {
  Contents contents;
  contents.colour = Colour::kBlue;
  contents.flag = true;
  contents.number = -0.0;
  contents.text = "one\ntwo";
  contents.numbers = {1.5, std::numeric_limits<double>::quiet_NaN(), -1e300};
  contents.entries = {{0.25, 3}, {0.5, -1}, {1e-310, 7}};
  contents.sums = std::vector<std::int64_t>{1, -2, 3};
  contents.pair = {Entry{2.0, 2}, Entry{3.0, 3}};
  for (Index i = 0; i < 3; ++i) {
    for (Index c = 0; c < 4; ++c) contents.points.row(i)[c] = static_cast<float>(10 * i + c);
  }
  return contents;
}

std::string bytes_of(Contents contents) {
  ArchiveWriter archive;
  archive(contents);
  return std::move(archive).bytes();
}

Contents contents_of(const std::string& bytes) {
  Contents contents;
  ArchiveReader archive(bytes, "a file");
  archive(contents);
  return contents;
}

std::string digest(const std::string& bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

/// The fields of a checkpoint's preface, as they lie in the file.
struct Preface {
  std::array<char, 32> name{};
  std::array<std::uint64_t, 5> numbers{};  ///< version, byte order, sizes of parts, tiles
};

/// A checkpoint as its format is documented, with right checksums whatever its preface says.
struct Sealed {
  Preface preface;
  std::string shared;
  std::vector<std::string> records;

  explicit Sealed(std::size_t tiles = 3) : shared("number of a run" + bytes_of(example())) {
    for (std::size_t t = 0; t < tiles; ++t) records.push_back(bytes_of(example()));
    std::strncpy(preface.name.data(), "flotilla checkpoint", preface.name.size());
    preface.numbers = {1, 0x0102030405060708U, shared.size(), records.at(0).size(), tiles};
  }

  std::string bytes() const {
    const auto padded = [](std::string part) {
      part.resize((part.size() + kPage - 1) / kPage * kPage, '\0');
      return part;
    };
    const std::string front(reinterpret_cast<const char*>(&preface),  // NOLINT: its bytes
                            sizeof(Preface));
    std::string all = padded(front + shared + digest(front + shared));
    for (const std::string& record : records) all += padded(record + digest(record));
    return all;
  }
};

class Checkpoint : public testing::Test {
 protected:
  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  /// All that a checkpoint holds, one after the other.
  std::string read() const {
    const CheckpointReader checkpoint(path_);
    std::string all = checkpoint.shared();
    for (Index t = 0; t < checkpoint.tiles(); ++t) all += checkpoint.tile(t);
    return all;
  }

  /// The one sentence that a checkpoint is refused with; empty if it is not.
  std::string refusal() const {
    try {
      read();
      return "";
    } catch (const InputError& error) {
      std::string sentence = error.what();
      EXPECT_EQ(sentence.find('\n'), std::string::npos) << sentence;
      EXPECT_NE(sentence.find(path_), std::string::npos) << sentence;
      return sentence;
    }
  }

  void expect_refusal(const std::string& bytes, const std::string& phrase) const {
    write(bytes);
    EXPECT_NE(refusal().find(phrase), std::string::npos) << refusal();
  }

  test::ScratchDirectory directory_;
  std::string path_ = directory_.file("run.checkpoint");
};

TEST_F(Checkpoint, HoldsWhatWasWritten) {
  const Sealed sealed;
  write(sealed.bytes());
  EXPECT_TRUE(CheckpointReader::is_checkpoint(path_));
  EXPECT_EQ(read(), sealed.shared + sealed.records[0] + sealed.records[1] + sealed.records[2]);
  EXPECT_EQ(bytes_of(contents_of(sealed.records[1])), sealed.records[1]);
}

TEST_F(Checkpoint, ShowsNoChangedBit) {
  const Sealed sealed(2);
  const std::string whole = sealed.bytes();
  write(whole);
  const std::string held = read();
  std::mt19937_64 random(7);
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t place, char byte) {
    file.seekp(static_cast<std::streamoff>(place));
    file.put(byte).flush();
  };
  std::size_t refused = 0;
  for (std::size_t flip = 0; flip < kMutations; ++flip) {
    const std::size_t bit = random() % (8 * whole.size());
    const char byte = whole[bit / 8];
    put(bit / 8, static_cast<char>(byte ^ (1 << (bit % 8))));
    if (refusal().empty()) {
      EXPECT_EQ(read(), held) << bit;  // between two parts
    } else {
      ++refused;
    }
    put(bit / 8, byte);
  }
  EXPECT_EQ(read(), held);
  // Parts fill about a tenth of their pages.
  EXPECT_GT(refused, kMutations / 20);
}

TEST_F(Checkpoint, IsRefusedIfItWasCutOrIsLonger) {
  const std::string whole = Sealed(2).bytes();
  std::size_t cuts = 0;
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 64) {
    write(whole.substr(0, size));
    EXPECT_NE(refusal(), "") << size;
    ++cuts;
  }
  EXPECT_GT(cuts, 200U);
  expect_refusal(whole + "x", "its size");
}

// A size that were believed would end in another exception, of memory that there is not.
TEST_F(Checkpoint, AllocatesNoSizeThatItDoesNotHave) {
  const std::size_t size = Sealed().bytes().size();
  constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();
  std::size_t tried = 0;
  for (const std::size_t field : {2U, 3U, 4U}) {
    for (const std::uint64_t absurd :
         {std::uint64_t{0}, std::uint64_t{size - kPage}, std::uint64_t{size},
          std::uint64_t{size + 1}, std::uint64_t{1} << 32U, std::uint64_t{1} << 40U,
          std::uint64_t{1} << 52U, std::uint64_t{1} << 63U, kLargest / 4096, kLargest - 4096,
          kLargest - 63, kLargest}) {
      Sealed sealed;
      sealed.preface.numbers.at(field) = absurd;
      write(sealed.bytes());
      EXPECT_NE(refusal(), "") << "field " << field << ": " << absurd;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 36U);
}

TEST_F(Checkpoint, OfTheFutureOrOfAnotherMachineIsToldApart) {
  Sealed sealed;
  sealed.preface.numbers[0] = 2;
  expect_refusal(sealed.bytes(), "its version is 2, but this program reads version 1");
  sealed = Sealed();
  sealed.preface.numbers[1] = 0x0807060504030201U;
  expect_refusal(sealed.bytes(), "a machine of another kind");
  sealed = Sealed();
  sealed.preface.name[0] = 'F';
  expect_refusal(sealed.bytes(), "it is no checkpoint");
  EXPECT_FALSE(CheckpointReader::is_checkpoint(path_));
}

TEST_F(Checkpoint, IsAFile) {
  EXPECT_NE(refusal(), "");  // there is none
  expect_refusal("", "it is no checkpoint");
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_NE(refusal(), "");
  EXPECT_FALSE(CheckpointReader::is_checkpoint(path_));
  EXPECT_THROW(expect_checkpoint_free(directory_.file("run.h5")), InputError);
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_NE(refusal(), "");  // and nobody waits for a writer
  EXPECT_FALSE(CheckpointReader::is_checkpoint(path_));
  EXPECT_THROW(expect_checkpoint_free(directory_.file("run.h5")), InputError);
}

TEST_F(Checkpoint, TakesThePlaceOfNoLink) {
  const std::string other = directory_.file("other");
  std::ofstream(other, std::ios::binary) << Sealed().bytes();
  std::filesystem::create_symlink(other, path_);
  EXPECT_THROW(expect_checkpoint_free(directory_.file("run.h5")), InputError);
}

/// Reads contents that may be anything. Returns whether they were refused.
bool is_refused(const std::string& bytes) {
  try {
    contents_of(bytes);
    return false;
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_TRUE(std::string(error.what()).starts_with("a file: ")) << error.what();
    return true;
  }
}

TEST(Archive, RefusesWhatItCannotRead) {
  const std::string whole = bytes_of(example());
  std::mt19937_64 random(11);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < kMutations; ++i) {
    std::string bytes = whole;
    const std::size_t bit = random() % (8 * bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    refused += is_refused(bytes) ? 1U : 0U;
  }
  EXPECT_GT(refused, kMutations / 20);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(is_refused(whole.substr(0, size))) << size;
  }
}

TEST(Archive, BelievesNoLengthBeyondItsEnd) {
  const std::string whole = bytes_of(example());
  std::size_t refused = 0;
  for (std::size_t place = 0; place + sizeof(std::uint64_t) <= whole.size(); ++place) {
    for (const std::uint64_t absurd : {std::uint64_t{1} << 36U, std::uint64_t{1} << 60U,
                                       std::numeric_limits<std::uint64_t>::max()}) {
      std::string bytes = whole;
      std::memcpy(bytes.data() + place, &absurd, sizeof absurd);
      refused += is_refused(bytes) ? 1U : 0U;
    }
  }
  EXPECT_GT(refused, 20U);
}

TEST(Archive, AllocatesAsItReads) {
  // Entries that are announced and not there: as many as there are bytes left.
  std::vector<Entry> none;
  ArchiveWriter writer;
  std::vector<char> padding(std::size_t{1} << 20U);
  writer(none, padding);
  std::string bytes = std::move(writer).bytes();
  const std::uint64_t absurd = bytes.size();
  const std::size_t place = bytes.size() - padding.size() - 2 * sizeof absurd;
  std::memcpy(bytes.data() + place, &absurd, sizeof absurd);
  ArchiveReader reader(bytes, "a file");
  std::vector<Entry> entries;
  EXPECT_THROW(reader(entries), InputError);
  EXPECT_LE(entries.capacity() * sizeof(Entry), 4 * bytes.size());
}

}  // namespace
}  // namespace flotilla
