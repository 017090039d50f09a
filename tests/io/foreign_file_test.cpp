// SPDX-License-Identifier: BSD-3-Clause

// Files from elsewhere: what lies outside them is not read, texts of variable length are read
// without HDF5, and any changed bit ends in a sentence.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <random>

#include "flotilla/core/crashes.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/hdf5_errors.hpp"
#include "flotilla/io/numbers.hpp"
#include "flotilla/io/run_reader.hpp"
#include "io/hdf5.hpp"
#include "quality/series.hpp"
#include "support/file_bytes.hpp"
#include "support/scratch_directory.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

/// An attribute of variable length, as h5py writes it.
void write_variable_text(hdf5::Object& object, const std::string& name, const std::string& value) {
  const hdf5::Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "H5Tcopy");
  H5Tset_size(type.id(), H5T_VARIABLE);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  const hdf5::Dataspace space = hdf5::Dataspace::single();
  const hdf5::Handle attribute(
      H5Acreate2(object.id(), name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose, "H5Acreate2");
  const char* text = value.c_str();
  ASSERT_GE(H5Awrite(attribute.id(), type.id(), static_cast<const void*>(&text)), 0);
}

/// Makes the texts of a group and of all below it ones of variable length.
void make_texts_variable(hdf5::Group& group) {
  for (const std::string& name : group.attribute_names()) {
    if (!group.attribute_is_text(name)) continue;
    const std::string value = group.read_text(name);
    group.remove_attribute(name);
    write_variable_text(group, name, value);
  }
  for (const std::string& name : group.names()) {
    if (group.is_dataset(name)) continue;
    hdf5::Group below = group.group(name);
    make_texts_variable(below);
  }
}

class ForeignFile : public testing::Test {
 protected:
  static void SetUpTestSuite() { silence_hdf5_errors(); }

  std::string file(const std::string& name) const { return directory_.file(name); }

  std::string flow(bool variable_texts) const {
    FlowRecord record = test::shear_flow(0.5);
    record.provenance = {{"dataset", "none"}, {"note", "Grüße, 世界"}, {"empty", ""}};
    const std::string path = file("flow.h5");
    write_flow_file(path, record);
    if (variable_texts) {
      hdf5::File h = hdf5::File::open_to_change(path);
      make_texts_variable(h);
    }
    return path;
  }

  template <typename V>
  static void write_variable(hdf5::Group& group, const std::string& name,
                             const hdf5::Sizes& sizes) {
    hdf5::Properties creation = hdf5::Properties::dataset();
    hdf5::Sizes chunk = sizes;
    chunk[0] = 2;
    creation.chunked(chunk);
    const hdf5::Dataspace space(sizes);
    std::vector<double> values(space.count());
    std::iota(values.begin(), values.end(), 0.0);
    group.make_dataset(name, hdf5::Type::of<V>(), space, creation).write(values.data());
  }

  /// What a summary reads of a run file.
  std::string run() const {
    const std::string path = file("run.h5");
    hdf5::File h = hdf5::File::create(path);
    h.write_text("kernel", "mala");
    h.write_number("thin", 1.0);
    h.write_whole_number("superchains", 2);
    const double committed = 6.0;
    h.make_dataset("draws_committed", hdf5::Type::of<std::int64_t>(), hdf5::Dataspace::single())
        .write(&committed);
    hdf5::Group posterior = h.make_group("posterior");
    write_variable<float>(posterior, "x", {4, 6, 2});
    hdf5::Group stats = h.make_group("sample_stats");
    write_variable<double>(stats, "lp", {4, 6});
    write_variable<std::int8_t>(stats, "is_global", {4, 6});
    return path;
  }

  static void read_run(const std::string& path) {
    const RunReader reader(path);
    reader.text("kernel");
    reader.number("thin");
    const RunVariable variables[] = {reader.variable("posterior", "x"),
                                     reader.variable("sample_stats", "lp"),
                                     reader.variable("sample_stats", "is_global")};
    for (const RunVariable& variable : variables) {
      if (variable.draws < 1) continue;
      for (const bool exact : {true, false}) {
        summarise_coordinates(reader, variable, {0, variable.dim}, 0, exact);
      }
    }
  }

  test::ScratchDirectory directory_;
};

void expect_refusal(const std::function<void()>& work, const std::string& phrase) {
  try {
    work();
    ADD_FAILURE() << "read, in place of: " << phrase;
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(phrase), std::string::npos) << error.what();
  }
}

// --- What lies outside --------------------------------------------------------------------------

TEST_F(ForeignFile, IsNotLeftThroughALink) {
  // Whoever opens it for reading waits for a writer.
  ASSERT_EQ(mkfifo(file("pipe.h5").c_str(), 0600), 0);
  int tried = 0;
  for (const char* name : {"layers", "layers/0000", "base", "golden", "provenance"}) {
    const std::string path = flow(false);
    {
      hdf5::File h = hdf5::File::open_to_change(path);
      if (h.has(name)) h.remove(name);
      ASSERT_GE(H5Lcreate_external("pipe.h5", "/x", h.id(), name, H5P_DEFAULT, H5P_DEFAULT), 0);
    }
    expect_refusal([&] { read_flow_file(path); }, "is a link into another file, pipe.h5");
    expect_refusal([&] { read_numbers({path, std::string(name) + "/w"}); }, "into another file");
    ++tried;
  }
  EXPECT_EQ(tried, 5);
}

TEST_F(ForeignFile, IsNotLeftForTheValuesOfAnArray) {
  ASSERT_EQ(mkfifo(file("pipe.h5").c_str(), 0600), 0);
  const std::string path = file("points.h5");
  {
    hdf5::File h = hdf5::File::create(path);
    const hdf5::Dataspace space({4, 2});
    const hdf5::Handle outside(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "H5Pcreate");
    ASSERT_GE(H5Pset_external(outside.id(), "pipe.h5", 0, 64), 0);
    const hdf5::Handle one(H5Dcreate2(h.id(), "external", H5T_IEEE_F64LE, space.id(), H5P_DEFAULT,
                                      outside.id(), H5P_DEFAULT),
                           H5Dclose, "H5Dcreate2");
    const hdf5::Handle mapped(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "H5Pcreate");
    ASSERT_GE(H5Pset_virtual(mapped.id(), space.id(), "pipe.h5", "/x", space.id()), 0);
    const hdf5::Handle other(H5Dcreate2(h.id(), "virtual", H5T_IEEE_F64LE, space.id(), H5P_DEFAULT,
                                        mapped.id(), H5P_DEFAULT),
                             H5Dclose, "H5Dcreate2");
  }
  expect_refusal([&] { read_numbers({path, "external"}); }, "lie in other datasets or files");
  expect_refusal([&] { read_numbers({path, "virtual"}); }, "lie in other datasets or files");
}

TEST_F(ForeignFile, MayHaveLinksWithinItself) {
  const std::string path = file("points.h5");
  hdf5::File::create(path)
      .make_dataset("a", hdf5::Type::stored_double(), hdf5::Dataspace({2}))
      .write(std::vector<double>{1.0, 2.0}.data());
  hdf5::File::open_to_change(path).make_link("b", "/a");
  EXPECT_EQ(read_numbers({path, "b"}).values, (std::vector<double>{1.0, 2.0}));
}

// --- Texts of variable length -------------------------------------------------------------------

TEST_F(ForeignFile, HasTextsOfVariableLengthThatReadAsTheyWereWritten) {
  std::mt19937_64 engine(1);
  std::vector<std::string> texts = {"", "a", "Grüße, 世界", std::string(5000, 'x')};
  for (int i = 0; i < 200; ++i) texts.emplace_back(engine() % 100, static_cast<char>('a' + i % 26));
  {
    hdf5::File h = hdf5::File::create(file("texts.h5"));
    hdf5::Group group = h.make_group("g");
    for (std::size_t i = 0; i < texts.size(); ++i) {
      write_variable_text(group, "text" + std::to_string(i), texts[i]);
    }
  }
  const hdf5::Group group = hdf5::File::open(file("texts.h5")).group("g");
  std::size_t compared = 0;
  for (; compared < texts.size(); ++compared) {
    ASSERT_EQ(group.read_text("text" + std::to_string(compared)), texts[compared]);
  }
  EXPECT_EQ(compared, 204U);
}

TEST_F(ForeignFile, OfVariableTextsIsTheSameFlow) {
  const FlowRecord fixed = read_flow_file(flow(false));
  EXPECT_EQ(read_flow_file(flow(true)), fixed);
  EXPECT_EQ(fixed.provenance.at("note"), "Grüße, 世界");
}

TEST_F(ForeignFile, MayNotLieAboutItsTexts) {
  const std::string path = flow(true);
  const std::string whole = test::read_bytes(path);
  const std::size_t heap = whole.find("GCOL");
  ASSERT_NE(heap, std::string::npos);
  int refused = 0;
  // Its signature, and the size of its first object.
  for (const std::size_t place : {heap, heap + 16 + 8, heap + 16 + 15}) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(0xFF);
    test::write_bytes(path, damaged);
    expect_refusal([&] { read_flow_file(path); }, "a text of variable length is damaged");
    ++refused;
  }
  EXPECT_EQ(refused, 3);
}

// --- Run files that claim what they do not have -------------------------------------------------

TEST_F(ForeignFile, OfARunMustSayInOneNumberHowManyDrawsItHas) {
  int refused = 0;
  for (const hdf5::Sizes& sizes : std::vector<hdf5::Sizes>{{1000}, {0}, {2, 2}}) {
    const std::string path = run();
    {
      hdf5::File h = hdf5::File::open_to_change(path);
      h.remove("draws_committed");
      h.make_dataset("draws_committed", hdf5::Type::of<std::int64_t>(), hdf5::Dataspace(sizes));
    }
    expect_refusal([&] { read_run(path); },
                   "'draws_committed': it should be a single whole number");
    ++refused;
  }
  EXPECT_EQ(refused, 3);
}

TEST_F(ForeignFile, OfARunHasVariablesOfARunsShape) {
  int refused = 0;
  for (const hdf5::Sizes& sizes : std::vector<hdf5::Sizes>{
           {0, 0}, {0, 6}, {4}, {4, 6, 0}, {4, 6, hsize_t{1} << 40U}, {1'000'000, 1'000'000, 2}}) {
    const std::string path = run();
    {
      hdf5::File h = hdf5::File::open_to_change(path);
      h.remove("posterior/x");
      hdf5::Properties creation = hdf5::Properties::dataset();
      creation.chunked(hdf5::Sizes(sizes.size(), 1));
      h.make_dataset("posterior/x", hdf5::Type::of<float>(), hdf5::Dataspace(sizes), creation);
    }
    expect_refusal([&] { read_run(path); }, "'posterior/x': it");
    ++refused;
  }
  EXPECT_EQ(refused, 6);
}

// --- Any changed bit ----------------------------------------------------------------------------

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

constexpr int kRefused = 3;
constexpr int kCrashTold = 2;

/// Does the work in a process of its own, as the program does. @return its exit code, or minus the
/// signal that ended it
int code_of(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    constexpr unsigned kHanging = 60;  // seconds, on a busy machine
    alarm(kHanging);
    tell_crashes();
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    try {
      work();
    } catch (const InputError&) {
      _exit(kRefused);
    } catch (...) {
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Changes one bit after another, at random places. Each time the work has to end in its way.
void expect_told(const std::string& path, int flips, const std::function<void()>& work) {
  if (kSanitized) GTEST_SKIP() << "sanitizers end at faults of HDF5's own";
  const std::string whole = test::read_bytes(path);
  std::mt19937_64 engine(20);
  std::map<int, int> ends;
  for (int flip = 0; flip < flips; ++flip) {
    std::string damaged = whole;
    const std::size_t place = engine() % damaged.size();
    damaged[place] = static_cast<char>(damaged[place] ^ (1 << engine() % 8));
    test::write_bytes(path, damaged);
    const int code = code_of(work);
    ++ends[code];
    EXPECT_TRUE(code == 0 || code == kRefused || code == kCrashTold)
        << "exit code " << code << ", byte " << place;
  }
  EXPECT_GT(ends[kRefused], flips / 40);
  testing::Test::RecordProperty("refused", ends[kRefused]);
  testing::Test::RecordProperty("crashes_told", ends[kCrashTold]);
}

TEST_F(ForeignFile, WithAnyBitOfAFlowChangedIsReadOrRefused) {
  const std::string path = flow(false);
  expect_told(path, 800, [&] { read_flow_file(path); });
}

TEST_F(ForeignFile, WithAnyBitOfVariableTextsChangedIsReadOrRefused) {
  const std::string path = flow(true);
  expect_told(path, 600, [&] { read_flow_file(path); });
}

TEST_F(ForeignFile, WithAnyBitOfARunChangedIsReadOrRefused) {
  const std::string path = run();
  expect_told(path, 600, [&] { read_run(path); });
}

}  // namespace
}  // namespace flotilla
