// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/flow_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/io/hdf5_errors.hpp"
#include "flotilla/io/numbers.hpp"
#include "io/hdf5.hpp"
#include "support/file_bytes.hpp"
#include "support/scratch_directory.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

constexpr const char* kTwoMoons = FLOTILLA_SOURCE_DIR "/apps/flows/two_moons.h5";

class FlowFile : public testing::Test {
 protected:
  static void SetUpTestSuite() { silence_hdf5_errors(); }

  std::string file(const std::string& name) const { return directory_.file(name); }

  /// A valid file under this name.
  std::string sound(const std::string& name) const {
    std::string path = file(name);
    std::filesystem::copy_file(kTwoMoons, path, std::filesystem::copy_options::overwrite_existing);
    return path;
  }

  /// A valid file, changed by `change`.
  std::string changed(const std::function<void(hdf5::File& file)>& change) const {
    std::string path = sound("changed.h5");
    hdf5::File file = hdf5::File::open_to_change(path);
    change(file);
    return path;
  }

  test::ScratchDirectory directory_;
};

/// Every message contains the path and every phrase.
void expect_refusal(const std::string& path, const std::vector<std::string>& phrases) {
  try {
    read_flow_file(path);
    ADD_FAILURE() << path << " was read";
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(path), std::string::npos) << message;
    for (const std::string& phrase : phrases) {
      EXPECT_NE(message.find(phrase), std::string::npos) << phrase << " in: " << message;
    }
    EXPECT_FALSE(phrases.empty());
  }
}

/// A record with every kind of entry, including golden values and provenance.
FlowRecord full_record() {
  FlowRecord record = test::rich_flow(4, 7);
  record.layers.push_back(test::random_coupling({1, 0, 1, 0}, {{5}, "leaky_relu"}, 8));
  record.layers.push_back(test::random_coupling({0, 1, 0, 1}, {{5, 6}, "elu"}, 9));
  record.golden.z = {{2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}};
  record.golden.x = {{2, 4}, {8, 7, 6, 5, 4, 3, 2, 1}};
  record.golden.log_det = {{2}, {0.1, -1e-300}};
  record.golden.log_det_gradient = {{2, 4}, {1, 0, 1, 0, 1, 0, 1, 0}};
  record.golden.tangent = {{2, 4}, {0, 0, 0, 0, 1, 1, 1, 1}};
  record.golden.jvp = {{2, 4}, {0.5, 0.25, 3, 4, -5, 6, 7, -0.0}};
  record.provenance = {{"dataset", "none"}, {"note", "Grüße, 世界"}, {"empty", ""}};
  return record;
}

TEST_F(FlowFile, ReadsBackWhatWasWritten) {
  FlowRecord record = full_record();
  write_flow_file(file("flow.h5"), record);
  record.checksum = checksum(record);  // computed by the writer
  const FlowRecord found = read_flow_file(file("flow.h5"));
  EXPECT_EQ(found.layers, record.layers);
  EXPECT_EQ(found.golden, record.golden);
  EXPECT_EQ(found.provenance, record.provenance);
  EXPECT_EQ(found, record);
}

TEST_F(FlowFile, ReadsBackAFlowWithoutGoldenValues) {
  FlowRecord record = test::shear_flow(0.5);
  write_flow_file(file("flow.h5"), record);
  record.checksum = checksum(record);
  EXPECT_EQ(read_flow_file(file("flow.h5")), record);
}

TEST_F(FlowFile, KeepsAnArrayWithoutElements) {
  FlowRecord record = test::flow_of(1, {test::random_coupling({0}, {{}}, 1)});
  write_flow_file(file("flow.h5"), record);
  record.checksum = checksum(record);
  EXPECT_EQ(read_flow_file(file("flow.h5")), record);
}

TEST_F(FlowFile, CopyingAFileThroughARecordKeepsItsIdentity) {
  int copied = 0;
  for (const char* name : {"two_moons", "six_gaussians", "three_rings"}) {
    const FlowRecord shipped =
        read_flow_file(std::string(FLOTILLA_SOURCE_DIR "/apps/flows/") + name + ".h5");
    write_flow_file(file("copy.h5"), shipped);
    EXPECT_EQ(read_flow_file(file("copy.h5")), shipped) << name;
    ++copied;
  }
  EXPECT_EQ(copied, 3);
}

TEST_F(FlowFile, ChecksumIsTheOneThatPythonWrote) {
  int compared = 0;
  for (const char* name : {"two_moons", "six_gaussians", "three_rings"}) {
    const std::string path = std::string(FLOTILLA_SOURCE_DIR "/apps/flows/") + name + ".h5";
    EXPECT_EQ(checksum(read_flow_file(path)), hdf5::File::open(path).read_text("checksum")) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

TEST_F(FlowFile, ChecksumSeesEveryThingThatDeterminesTheMap) {
  const FlowRecord record = full_record();
  const std::string original = checksum(record);
  EXPECT_TRUE(original.starts_with("sha256:"));
  EXPECT_EQ(original.size(), 7U + 64U);
  const std::vector<std::function<void(FlowRecord&)>> changes = {
      [](FlowRecord& r) { r.dim = 5; },
      [](FlowRecord& r) { r.base.type = "uniform_box"; },
      [](FlowRecord& r) { r.base.texts["kind"] = "any"; },
      [](FlowRecord& r) { r.base.numbers["scale"] = 2.0; },
      [](FlowRecord& r) {
        r.base.arrays["loc"] = {{1}, {0.0}};
      },
      [](FlowRecord& r) { r.layers.pop_back(); },
      [](FlowRecord& r) { std::swap(r.layers[0], r.layers[1]); },
      [](FlowRecord& r) { r.layers[0].type = "logit"; },
      [](FlowRecord& r) { r.layers[0].texts["activation"] = "tanh"; },
      [](FlowRecord& r) { r.layers.back().numbers["alpha"] = 0.5; },
      [](FlowRecord& r) { r.layers[0].arrays["weight_0"].values[3] *= 1.0 + 0x1p-52; },
      [](FlowRecord& r) {
        r.layers[0].arrays["weight_0"].shape = {2, 12};
      },
      [](FlowRecord& r) {
        r.layers[5].arrays["extra"] = {{1}, {0.0}};
      },
  };
  std::size_t seen = 0;
  for (const auto& change : changes) {
    FlowRecord other = record;
    change(other);
    EXPECT_NE(checksum(other), original) << seen;
    ++seen;
  }
  EXPECT_EQ(seen, changes.size());
}

TEST_F(FlowFile, ChecksumIsOfTheMapWhateverItsProvenance) {
  FlowRecord record = full_record();
  const std::string original = checksum(record);
  record.provenance.clear();
  record.golden = {};
  record.checksum = "sha256:of something else";
  EXPECT_EQ(checksum(record), original);
}

TEST_F(FlowFile, WritingReplacesAnOldFileAndLeavesNoOther) {
  test::write_bytes(file("flow.h5"), "something old");
  write_flow_file(file("flow.h5"), test::shear_flow(0.5));
  EXPECT_EQ(read_flow_file(file("flow.h5")).dim, 2);
  const auto count = std::distance(std::filesystem::directory_iterator(directory_.path()),
                                   std::filesystem::directory_iterator{});
  EXPECT_EQ(count, 1);
}

TEST_F(FlowFile, WritingWhereThereIsNoDirectoryFails) {
  const std::string path = file("missing/flow.h5");
  try {
    write_flow_file(path, test::shear_flow(0.5));
    ADD_FAILURE() << "written";
  } catch (const EnvironmentError& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
  }
}

TEST_F(FlowFile, WritingOntoADirectoryFailsAndLeavesNothingBehind) {
  const std::string path = file("directory");
  std::filesystem::create_directory(path);
  try {
    write_flow_file(path, test::shear_flow(0.5));
    ADD_FAILURE() << "written";
  } catch (const EnvironmentError& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
  }
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_EQ(std::distance(
                std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()), {}),
            1);
}

/// Ends the process with 0 if writing to a disk of 4 kB fails as it should.
[[noreturn]] void write_to_a_full_disk(const std::string& path) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{4096, 4096};
  setrlimit(RLIMIT_FSIZE, &limit);
  try {
    write_flow_file(path, full_record());
    std::_Exit(1);
  } catch (const EnvironmentError&) {
    std::_Exit(0);  // exit() would have HDF5 write once more
  }
}

TEST_F(FlowFile, WritingToAFullDiskFailsAndKeepsTheOldFile) {
  const std::string path = sound("flow.h5");
  EXPECT_EXIT(write_to_a_full_disk(path), testing::ExitedWithCode(0), "");
  EXPECT_EQ(test::read_bytes(path), test::read_bytes(kTwoMoons));
}

// --- Files that are not flow files
// ----------------------------------------------------------------

TEST_F(FlowFile, RefusesAFileThatIsMissing) {
  expect_refusal(file("nothing.h5"), {"no such file", "check the path"});
  expect_refusal("", {"no such file", "check the path"});
}

TEST_F(FlowFile, RefusesADirectory) {
  expect_refusal(directory_.path().string(), {"is a directory", "name a file"});
}

TEST_F(FlowFile, RefusesAnEmptyFile) {
  test::write_bytes(file("empty.h5"), "");
  expect_refusal(file("empty.h5"), {"no HDF5 file", "make or copy it again"});
}

TEST_F(FlowFile, RefusesAFileOfAnotherKind) {
  test::write_bytes(file("text.h5"), std::string(10'000, 'x'));
  expect_refusal(file("text.h5"), {"no HDF5 file", "make or copy it again"});
}

TEST_F(FlowFile, RefusesAFileThatWasCutOff) {
  const std::string whole = test::read_bytes(kTwoMoons);
  int tested = 0;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{8}, std::size_t{47}, std::size_t{96}, std::size_t{512},
        std::size_t{2048}, std::size_t{4097}, whole.size() / 4, whole.size() / 2,
        3 * whole.size() / 4, whole.size() - 1}) {
    const std::string path = file("cut.h5");
    test::write_bytes(path, whole.substr(0, size));
    expect_refusal(path, {"incomplete"});
    ++tested;
  }
  EXPECT_EQ(tested, 11);
}

TEST_F(FlowFile, RefusesAnHdf5FileOfAnotherKind) {
  expect_refusal(changed([](hdf5::File& h) { h.remove_attribute("format"); }),
                 {"format", "flotilla-flow"});
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove_attribute("format");
                   h.write_text("format", "netcdf");
                 }),
                 {"format", "flotilla-flow"});
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove_attribute("format");
                   h.write_number("format", 1.0);
                 }),
                 {"format", "text"});
}

TEST_F(FlowFile, RefusesAnotherVersionAndSaysWhatToDo) {
  expect_refusal(changed([](hdf5::File& h) { h.overwrite_number("format_version", 2); }),
                 {"version is 2", "reads version 1", "export"});
  expect_refusal(changed([](hdf5::File& h) { h.remove_attribute("format_version"); }),
                 {"format_version"});
}

TEST_F(FlowFile, NoticesADamagedValueByItsChecksum) {
  const std::string path = changed([](hdf5::File& h) {
    hdf5::Dataset weight = h.dataset("layers/0000/weight_1");
    std::vector<float> values(weight.space().count());
    weight.read(values.data());
    values[7] = std::nextafter(values[7], 1e30F);
    weight.write(values.data());
  });
  expect_refusal(path, {"checksum", "damaged"});
}

TEST_F(FlowFile, NoticesADamagedAttributeByItsChecksum) {
  expect_refusal(changed([](hdf5::File& h) {
                   hdf5::Group layer = h.group("layers/0002");
                   layer.remove_attribute("activation");
                   layer.write_text("activation", "silu");
                 }),
                 {"checksum", "damaged"});
}

TEST_F(FlowFile, NamesWhatIsMissing) {
  int tested = 0;
  for (const char* name : {"dim", "checksum"}) {
    expect_refusal(changed([&](hdf5::File& h) { h.remove_attribute(name); }), {name});
    ++tested;
  }
  for (const char* name : {"base", "layers", "golden/jvp", "golden/log_det"}) {
    const std::string path = changed([&](hdf5::File& h) { h.remove(name); });
    expect_refusal(path, {std::filesystem::path(name).filename().string()});
    ++tested;
  }
  expect_refusal(changed([](hdf5::File& h) { h.group("layers/0001").remove_attribute("type"); }),
                 {"0001", "type"});
  expect_refusal(changed([](hdf5::File& h) { h.remove("layers/0001"); }), {"0001", "0002"});
  expect_refusal(changed([](hdf5::File& h) { h.remove("layers/0001/weight_0"); }), {"checksum"});
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove("layers");
                   h.make_group("layers");
                 }),
                 {"checksum"});
  EXPECT_EQ(tested, 6);
}

TEST_F(FlowFile, RefusesADimensionThatIsNone) {
  int tested = 0;
  for (const double dim : {0.0, -1.0, 2.5, 1e9, 1e300, std::nan(""), HUGE_VAL}) {
    expect_refusal(changed([&](hdf5::File& h) {
                     h.remove_attribute("dim");
                     h.write_number("dim", dim);
                   }),
                   {"dim", "whole number"});
    ++tested;
  }
  EXPECT_EQ(tested, 7);
}

TEST_F(FlowFile, RefusesEntriesOfTheWrongKind) {
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove_attribute("dim");
                   h.write_text("dim", "two");
                 }),
                 {"dim", "number"});
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove("layers/0000/bias_0");
                   h.make_group("layers/0000/bias_0");
                 }),
                 {"bias_0"});
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove("layers/0000/bias_0");
                   h.make_dataset("layers/0000/bias_0", hdf5::Type::text(3),
                                  hdf5::Dataspace::single());
                 }),
                 {"bias_0", "numbers"});
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove_attribute("dim");
                   hdf5::Attribute(h.id(), "dim", hdf5::Type::of<double>(), hdf5::Dataspace({2}));
                 }),
                 {"dim", "single value"});
  expect_refusal(changed([](hdf5::File& h) {
                   h.remove("layers/0000");
                   h.make_link("layers/0000", "/layers/0000");
                 }),
                 {"0000"});
}

/// Adds a dataset with a header of this shape. It is chunked, so that no byte of it is on disk.
void add_claim(hdf5::File& h, const hdf5::Sizes& shape) {
  hdf5::Properties creation = hdf5::Properties::dataset();
  creation.chunked(hdf5::Sizes(shape.size(), 1));
  h.make_dataset("layers/0000/weight_9", hdf5::Type::stored_float(), hdf5::Dataspace(shape),
                 creation);
}

// HDF5 invents the values of space that was declared but never written: gigabytes of zeros from a
// file of a few kilobytes.
TEST_F(FlowFile, RefusesValuesThatTheFileDoesNotHold) {
  int tested = 0;
  for (const hsize_t count : {hsize_t{8}, hsize_t{900'000'000}}) {
    const auto claim = [&](hdf5::File& h) {
      h.make_dataset("layers/0000/weight_9", hdf5::Type::stored_double(), hdf5::Dataspace({count}));
    };
    expect_refusal(changed(claim), {"weight_9"});
    ++tested;
  }
  expect_refusal(changed([](hdf5::File& h) {
                   add_claim(h, {64, 64});
                 }),
                 {"weight_9", "stores fewer"});
  EXPECT_EQ(tested, 2);
}

TEST_F(FlowFile, RefusesAHeaderThatClaimsMoreThanAnyFlowNeeds) {
  int tested = 0;
  for (const hdf5::Sizes& shape : std::vector<hdf5::Sizes>{
           {1'000'000'001},
           {100'000, 100'000},
           {std::numeric_limits<std::int64_t>::max()},
           {1U << 31U, 1U << 31U},
       }) {
    expect_refusal(changed([&](hdf5::File& h) { add_claim(h, shape); }),
                   {"weight_9", "larger than any flow needs"});
    ++tested;
  }
  EXPECT_EQ(tested, 4);
}

// Damages arrays only. HDF5 1.10 crashes on some damage to its own bookkeeping, and we cannot
// prevent that.
TEST_F(FlowFile, NoticesAnyChangedBitOfAnyArray) {
  const FlowRecord record = full_record();
  write_flow_file(file("whole.h5"), record);
  const std::string whole = test::read_bytes(file("whole.h5"));
  std::mt19937_64 engine(1);
  int tested = 0;
  for (std::size_t k = 0; k < record.layers.size(); ++k) {
    for (const auto& [name, tensor] : record.layers[k].arrays) {
      const std::string number = std::to_string(10'000 + k).substr(1);
      const std::string dataset = "layers/" + number + "/" + name;
      const hdf5::Dataset stored = hdf5::File::open(file("whole.h5")).dataset(dataset);
      ASSERT_EQ(stored.stored_bytes(), 8 * tensor.values.size());
      for (int flip = 0; flip < 5; ++flip, ++tested) {
        std::string damaged = whole;
        char& byte = damaged[stored.offset() + engine() % stored.stored_bytes()];
        byte = static_cast<char>(byte ^ (1 << engine() % 8));
        test::write_bytes(file("damaged.h5"), damaged);
        expect_refusal(file("damaged.h5"), {"checksum", "damaged"});
      }
    }
  }
  EXPECT_GT(tested, 100);
}

// --- Points -------------------------------------------------------------------------------------

class Points : public FlowFile {
 protected:
  /// A file with one dataset [3 x 2] for each name.
  std::string with_datasets(const std::vector<std::string>& names) const {
    const std::string path = file("points.h5");
    hdf5::File h = hdf5::File::create(path);
    float first = 0.0F;
    for (const std::string& name : names) {
      const std::array<float, 6> values = {first, 1, 2, 3, 4, 5};
      h.make_dataset(name, hdf5::Type::stored_float(), hdf5::Dataspace({3, 2}))
          .write(values.data());
      first += 10.0F;
    }
    return path;
  }
};

void expect_no_points(const std::string& location, const std::vector<std::string>& phrases) {
  try {
    read_numbers(Location::parse(location));
    ADD_FAILURE() << location << " was read";
  } catch (const InputError& error) {
    std::size_t found = 0;
    for (const std::string& phrase : phrases) {
      EXPECT_NE(std::string(error.what()).find(phrase), std::string::npos)
          << phrase << " in: " << error.what();
      ++found;
    }
    EXPECT_GT(found, 0U);
  }
}

TEST_F(Points, AreTheOnlyDatasetOfAFile) {
  EXPECT_EQ(read_numbers({with_datasets({"x"}), ""}), (Tensor{{3, 2}, {0, 1, 2, 3, 4, 5}}));
}

TEST_F(Points, AreTheDatasetThatIsNamed) {
  const std::string path = with_datasets({"a", "b"});
  EXPECT_EQ(read_numbers({path, "b"}), (Tensor{{3, 2}, {10, 1, 2, 3, 4, 5}}));
  EXPECT_EQ(read_numbers({path, "a"}), (Tensor{{3, 2}, {0, 1, 2, 3, 4, 5}}));
  EXPECT_EQ(read_numbers({kTwoMoons, "golden/x"}).shape, (std::vector<Index>{32, 2}));
}

TEST_F(Points, AreRefusedWithoutANameWhereThereAreSeveral) {
  const std::string path = with_datasets({"a", "b"});
  expect_no_points(path, {path, "2 entries", "a, b", "name one", path + ":NAME"});
  expect_no_points(with_datasets({}), {path, "0 entries"});
}

TEST_F(Points, AreRefusedWhereTheyAreNot) {
  const std::string path = with_datasets({"a", "b"});
  expect_no_points(path + ":c", {path, "c"});
  expect_no_points(file("nothing.h5"), {file("nothing.h5"), "no such file"});
  expect_no_points(file("nothing.h5") + ":x", {file("nothing.h5"), "no such file"});
  expect_no_points(std::string(kTwoMoons) + ":layers", {"two_moons.h5", "layers"});
  test::write_bytes(file("text.h5"), "no HDF5");
  expect_no_points(file("text.h5"), {file("text.h5"), "no HDF5 file"});
  expect_no_points(changed([](hdf5::File& h) {
                     add_claim(h, {100'000, 100'000});
                   }) + ":layers/0000/weight_9",
                   {"weight_9", "larger than any"});
}

}  // namespace
}  // namespace flotilla
