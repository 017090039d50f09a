// SPDX-License-Identifier: BSD-3-Clause
#include "io/toml.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string_view>

#include "flotilla/core/error.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla::test {
namespace {

TomlValue read_back(const TomlValue& value) {
  const std::vector<TomlEntry> entries = parse_toml("a = " + to_toml(value), "t");
  EXPECT_EQ(entries.size(), 1U) << to_toml(value);
  return entries.at(0).value;
}

TEST(Toml, HasEntriesInTheirOrderWithTheirLines) {
  const std::vector<TomlEntry> entries = parse_toml(
      "\xef\xbb\xbfz = 1\n# a comment\n[b]\ny = [\n 1,\n 2,\n]\nx = 'a' # another\n", "t");
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].key, "z");
  EXPECT_EQ(entries[0].section, "");
  EXPECT_EQ(entries[0].line, 1U);
  EXPECT_EQ(entries[1].key, "y");
  EXPECT_EQ(entries[1].section, "b");
  EXPECT_EQ(entries[1].line, 4U);
  EXPECT_EQ(to_toml(entries[1].value), "[1, 2]");
  EXPECT_EQ(entries[2].key, "x");
  EXPECT_EQ(entries[2].line, 8U);
}

TEST(Toml, WritesNumbersThatReadBackToTheSameBits) {
  std::mt19937_64 engine(7);
  int read = 0;
  const auto expect_same = [&](double value) {
    const double found = std::get<double>(read_back({value}).value);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(found), std::bit_cast<std::uint64_t>(value)) << value;
    ++read;
  };
  for (const double value :
       {0.0, -0.0, 1.0, 0.1, 1e22, 1e300, std::numeric_limits<double>::denorm_min(),
        std::numeric_limits<double>::max(), std::numeric_limits<double>::epsilon()}) {
    expect_same(value);
  }
  while (read < 2000) {
    const auto value = std::bit_cast<double>(engine());
    if (std::isfinite(value)) expect_same(value);
  }
  for (const std::int64_t whole : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                   std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(std::get<std::int64_t>(read_back({whole}).value), whole);
  }
}

TEST(Toml, WritesTextsThatReadBack) {
  int read = 0;
  for (const char* text : {"", "plain", "a#b", "a\"b", "a'b", "'''", "\"\"\"", "a\\b", "tab\t",
                           "line\nbreak", "\r", "\x01", "ü ∂", " = [x]"}) {
    EXPECT_EQ(std::get<std::string>(read_back({std::string(text)}).value), text);
    ++read;
  }
  EXPECT_EQ(read, 14);
}

TEST(Toml, NamesFileAndLineOfWhatIsNone) {
  struct Case {
    std::string_view text;
    const char* begin;
  };
  const Case cases[] = {
      {"beta = 1,5\n", "f.toml:1: "},
      {"a = 1\nb = 2\na = 3\n", "f.toml:3: "},
      {"\n\na = many\n", "f.toml:3: "},
      {"a = 010\n", "f.toml:1: "},
      {"a = 1e999\n", "f.toml:1: "},
      {"a = 99999999999999999999\n", "f.toml:1: "},
      {"a = \n", "f.toml:1: "},
      {"a = 'open\n", "f.toml:1: "},
      {"a = [1,\n2\n", "f.toml:"},
      {"[a]\nb = 1\n[a]\n", "f.toml:3: "},
      {"a = \"\xff\"\n", "f.toml:1: "},
      {"a = 1979-05-27\n", "f.toml:1: 'a' should be"},
      {"a = [{b = 1}]\n", "f.toml:1: 'a' should be"},
      {"[[a]]\nb = 1\n", "f.toml:1: 'a' should be"},
      {"[b]\n", "f.toml:1: 'b' has nothing in it"},
      {"a = {}\n", "f.toml:1: 'a' has nothing in it"},
      {"b = 1\na = mala\r\n",
       "f.toml:2: this is no TOML: a value should be a number, true, false, "
       "a text in quotes or an array of these; the line is 'a = mala'"},
      {std::string_view("a\0 \0=\0", 6),
       "f.toml:1: this is no TOML: it should be text in UTF-8; "
       "the line is 'a   = '"},
      {"a 1\n", "f.toml:1: "},
      {"= 1\n", "f.toml:1: "},
  };
  int refused = 0;
  for (const Case& one : cases) {
    try {
      parse_toml(std::string(one.text), "f.toml");
      ADD_FAILURE() << one.text << " was read";
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()).rfind(one.begin, 0), 0U) << error.what();
      EXPECT_EQ(std::string(error.what()).find("Error while"), std::string::npos) << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(refused, 20);
}

TEST(Toml, IsReadFromFilesAlone) {
  const ScratchDirectory directory;
  ASSERT_EQ(mkfifo(directory.file("pipe").c_str(), 0600), 0);
  int refused = 0;
  for (const std::string& path : {directory.file("pipe"), directory.file("none"),
                                  directory.file("."), std::string("/dev/null")}) {
    EXPECT_THROW(read_text_file(path), InputError) << path;
    ++refused;
  }
  EXPECT_EQ(refused, 4);
}

}  // namespace
}  // namespace flotilla::test
