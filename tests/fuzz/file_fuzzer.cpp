// SPDX-License-Identifier: BSD-3-Clause

// Hostile files. Every input is written as HDF5 and read as the program reads it, as a flow and as
// a run. If it passes for a flow, the flow is built and run; if it passes for a run, it is
// summarised and verified. Every error must be an InputError.
//
// An input is text with one operation per line. Mutations therefore stay HDF5 and reach our own
// checks:
//
//   group PATH                      text PATH NAME VALUE          number PATH NAME VALUE
//   whole PATH VALUE                link PATH TARGET
//   array PATH D0,D1,... VALUE ...  (values repeat; with none, space is declared and never written)
//
// An input that begins as a checkpoint does is read as one, and what lies behind its preface as
// what ranks share, whatever the checksums say.
//
// An input that begins as HDF5 does is written as it is: tests/fuzz/real_bytes has such files. They
// find faults of HDF5 itself, at which the fuzzer ends: start it with -fork=1 -ignore_crashes=1.

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/flow/golden.hpp"
#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/hdf5_errors.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/run/recorded.hpp"
#include "io/archive.hpp"
#include "io/checkpoint.hpp"
#include "io/hdf5.hpp"
#include "io/run_blocks.hpp"
#include "quality/series.hpp"
#include "run/course.hpp"

namespace flotilla {
namespace {

constexpr hsize_t kMostValues = 4096;  // values written per array
constexpr Index kLargestDim = 32;      // larger flows are built but not run
constexpr Index kMostMultiplyAdds = 20000;

constexpr const char* kCheckpoint = "flotilla checkpoint";
constexpr std::size_t kPreface = 72 + 32;  // bytes before what ranks share, with the run's number

hdf5::Sizes parse_shape(const std::string& text) {
  hdf5::Sizes shape;
  std::istringstream stream(text);
  for (std::string size; std::getline(stream, size, ',') && shape.size() < 8;) {
    shape.push_back(std::strtoull(size.c_str(), nullptr, 10));
  }
  return shape;
}

void write_array(hdf5::File& file, const std::string& path, std::istringstream& line) {
  std::string shape_text;
  line >> shape_text;
  const hdf5::Sizes shape = parse_shape(shape_text);
  std::vector<double> values;
  for (std::string word; line >> word;) values.push_back(std::strtod(word.c_str(), nullptr));
  hsize_t count = 1;
  for (const hsize_t size : shape)
    count = std::min(count, kMostValues + 1) * std::min(size, kMostValues + 1);
  hdf5::Dataset dataset =
      file.make_dataset(path, hdf5::Type::stored_double(), hdf5::Dataspace(shape));
  if (values.empty() || count == 0 || count > kMostValues) return;
  const std::size_t given = values.size();
  for (std::size_t i = given; i < count; ++i) values.push_back(values[i - given]);
  dataset.write(values.data());
}

void perform(hdf5::File& file, const std::string& text) {
  std::istringstream line(text);
  std::string operation;
  std::string path;
  std::string name;
  line >> operation >> path;
  if (operation == "group") {
    file.make_group(path);
  } else if (operation == "array") {
    write_array(file, path, line);
  } else if (operation == "whole") {
    double value = 0.0;
    line >> value;
    file.make_dataset(path, hdf5::Type::of<std::int64_t>(), hdf5::Dataspace::single())
        .write(&value);
  } else if (operation == "link") {
    line >> name;
    file.make_link(path, name);
  } else if (operation == "text" || operation == "number") {
    line >> name >> std::ws;
    std::string value;
    std::getline(line, value);
    hdf5::Object object = file.object(path);
    if (operation == "text") {
      object.write_text(name, value);
    } else {
      object.write_number(name, std::strtod(value.c_str(), nullptr));
    }
  }
}

void write_file(const std::string& path, const std::string& input) {
  if (input.starts_with("\x89HDF")) {
    std::ofstream(path, std::ios::binary) << input;
    return;
  }
  hdf5::File file = hdf5::File::create(path);
  std::istringstream lines(input);
  for (std::string line; std::getline(lines, line);) {
    try {
      perform(file, line);
    } catch (const EnvironmentError&) {
      // A line that HDF5 itself refuses has no effect.
    } catch (const InputError&) {
      // Likewise one that leads nowhere, or has too long a text.
    }
  }
}

/// The file as it is. If only its checksum is wrong, the checksum is corrected.
FlowRecord read_sealed(const std::string& path) {
  try {
    return read_flow_file(path);
  } catch (const InputError& error) {
    const std::string message = error.what();
    const std::size_t found = message.rfind("sha256:");
    if (message.find("checksum is") == std::string::npos || found == std::string::npos) throw;
    hdf5::File file = hdf5::File::open_to_change(path);
    file.remove_attribute("checksum");
    file.write_text("checksum", message.substr(found, 7 + 64));
  }
  return read_flow_file(path);
}

template <typename T>
void run(const FlowRecord& record) {
  const Flow<T> flow(record);
  if (flow.dim() > kLargestDim || flow.multiply_adds() > kMostMultiplyAdds) return;
  Batch<T> point(flow.dim(), 3);
  PerChain log_det(1, 3);
  Tape<T> tape(flow.tape_shape(), 3);
  Batch<T> weight(1, 3);
  weight.fill(T{1});
  flow.base().sample(Random(1), Purpose::kNaive, 0, 0, ColumnMask::all(3), point);
  flow.base().add_log_density(point, 1.0, log_det);
  flow.forward(point, log_det, tape);
  flow.vjp(tape, point, weight);
  flow.inverse(point, log_det, tape);
  flow.inverse_vjp(tape, point, weight);
  flow.inverse_jvp(tape, point);
}

void read_and_run(const std::string& path) {
  const FlowRecord record = read_sealed(path);
  if (record.context_dim > kLargestDim) return;
  const std::vector<double> context(static_cast<std::size_t>(record.context_dim), 0.5);
  const FlowRecord fixed = at_context(record, context);
  run<double>(fixed);
  run<float>(fixed);
  if (record.dim <= kLargestDim) verify_golden<double>(record);
}

/// What `flotilla summary` does, without ranks.
void summarise_run(const std::string& path) {
  const RunReader reader(path);
  recorded_kernel(reader);
  const double superchains = reader.number("superchains");
  const RunVariable variables[] = {reader.variable("posterior", "x"),
                                   reader.variable("sample_stats", "lp"),
                                   reader.variable("sample_stats", "is_global")};
  for (const RunVariable& variable : variables) {
    expect_same_draws(path, variables[0], variable);
    if (variable.draws < 1) continue;
    const Index groups = superchains == 2.0 && variable.chains % 2 == 0 ? 2 : 0;
    for (const bool exact : {true, false}) {
      summarise_coordinates(reader, variable, {0, variable.dim}, groups, exact);
    }
  }
}

/// What `flotilla verify` does without the flow.
void verify_run_file(const std::string& path) {
  const RunReader reader(path);
  const RunStructure structure = look_at_structure(reader);
  look_at_blocks(reader, structure, 0, 1);
}

/// What a run that goes on does first.
void read_checkpoint(const std::string& path) {
  const CheckpointReader checkpoint(path);
  if (checkpoint.tiles() > 0) checkpoint.tile(0);
}

/// What ranks share of a run in two dimensions without reports, as Course has it.
void read_shared(const std::string& bytes) {
  ArchiveReader archive(bytes, "checkpoint");
  RunState state;
  Tuning tuning{StepSize(1.0)};
  Adaptation adaptation(tuning, {}, 0.5, 2);
  MoveStatistics window;
  std::optional<std::vector<std::int64_t>> arrived;
  Stopwatch clock;
  std::string reports;
  archive(state, tuning, adaptation, window, arrived, clock, reports);
}

void expect_told(const std::function<void()>& work) {
  try {
    work();
  } catch (const InputError&) {
    // Bad input must end here.
  }
}

std::string scratch_path() {
  const char* directory = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
  return std::string(directory) + "/flotilla_fuzz_" + std::to_string(getpid()) + ".h5";
}

}  // namespace
}  // namespace flotilla

// libFuzzer calls this; no header declares it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flotilla;
  static const std::string kPath = scratch_path();
  static const int kRegistered = (silence_hdf5_errors(), std::atexit([] {
                                    std::error_code ignored;
                                    std::filesystem::remove(kPath, ignored);
                                  }));
  (void)kRegistered;
  const std::string input(data, data + size);
  if (input.starts_with(kCheckpoint)) {
    std::ofstream(kPath, std::ios::binary) << input;
    expect_told([] { read_checkpoint(kPath); });
    if (input.size() > kPreface) expect_told([&] { read_shared(input.substr(kPreface)); });
    return 0;
  }
  write_file(kPath, input);
  expect_told([] { read_and_run(kPath); });
  expect_told([] { summarise_run(kPath); });
  expect_told([] { verify_run_file(kPath); });
  return 0;
}
