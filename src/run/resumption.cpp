// SPDX-License-Identifier: BSD-3-Clause
#include "run/resumption.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <variant>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/run/recorded.hpp"
#include "io/checkpoint.hpp"
#include "io/hdf5.hpp"
#include "io/replace_file.hpp"

namespace flotilla {
namespace {

constexpr const char* kRunId = "run_id";
constexpr const char* kDensityArguments = "density_args";
constexpr const char* kDensityData = "density_data_checksum";

/// Whether a fact has to be that of the run file.
enum class Bearing {
  kNone,      // a path, or the time
  kContents,  // what is sampled
  kBits,      // who computes it: the draws are of the same distribution, in other bits
};

struct FactRow {
  const char* name;
  Bearing bearing;
  const char* title;
};

/// Facts that are not here are parameters of target and kernel, which the options name.
constexpr std::array<FactRow, 12> kFacts = {{
    {"flow_checksum", Bearing::kContents, "the checksum of the flow"},
    {"context", Bearing::kContents, "the context of the flow"},
    {"density_checksum", Bearing::kContents, "the checksum of the density"},
    {kDensityArguments, Bearing::kContents, "--density-args"},
    {kDensityData, Bearing::kContents, "the checksum of the density's data"},
    {"observation_checksum", Bearing::kContents, "the checksum of the observation"},
    {"random", Bearing::kContents, "the random number generator"},
    {"inference_library_version", Bearing::kBits, "the version"},
    {"git_commit", Bearing::kBits, "the commit"},
    {"compiler", Bearing::kBits, "the compiler"},
    {"compiler_flags", Bearing::kBits, "the compiler's flags"},
    {"instruction_set", Bearing::kBits, "the instruction set"},
}};

std::string text_of(const RunFacts& facts, const std::string& name) {
  for (const auto& [own, fact] : facts) {
    if (own != name) continue;
    if (const auto* text = std::get_if<std::string>(&fact)) return *text;
  }
  return "";
}

/// "the flow is A, but was B": the facts of this bearing that differ.
std::vector<std::string> differing_facts(const RunFacts& facts, const RunReader& run,
                                         Bearing bearing) {
  std::vector<std::string> found;
  const bool data = run.has_fact(kDensityData);
  for (const FactRow& row : kFacts) {
    if (row.bearing != bearing) continue;
    std::string now = text_of(facts, row.name);
    std::string then = run.has_fact(row.name) ? run.text(row.name) : "";
    if (data && row.name == kDensityArguments) {  // the folder of the data does not count
      now = std::filesystem::path(now).filename();
      then = std::filesystem::path(then).filename();
    }
    if (now != then) found.push_back(fmt::format("{} is '{}', but was '{}'", row.title, now, then));
  }
  return found;
}

/// Options that say where results go, or which file something was read from, do not count: files
/// count by their checksums. Points to start from have none: their place counts.
bool counts(const Option& option) {
  const std::string name = option.name;
  return (option.kind == OptionKind::kValue && name != "draws") || name == "start";
}

RunConfig config_of(const std::string& text, const std::string& path) {
  RunConfig config;
  read_options(options_of(config), text, path);
  config.output = path;
  return config;
}

/// "--chains is 64, but was 128": the options that differ.
std::vector<std::string> differing_options(RunConfig now, RunConfig then) {
  now = config_of(now.text(), now.output);  // with whole paths, as in the run file
  then = then.completed();
  const std::vector<Option> here = options_of(now);
  const std::vector<Option> there = options_of(then);
  std::vector<std::string> found;
  for (const Option& option : here) {
    if (!counts(option)) continue;
    const std::string value = current_text(option);
    const std::string before = current_text(*find_option(there, option.name));
    if (value == before) continue;
    const auto told = [](const std::string& text) { return text.empty() ? "not set" : text; };
    found.push_back(fmt::format("--{} is {}, but was {}", option.name, told(value), told(before)));
  }
  return found;
}

/// How the run of a file was made, as TOML.
std::string config_text(const RunReader& run) {
  if (run.has_fact("config")) return run.text("config");
  throw InputError(fmt::format("{} does not record how it was made: name a run file", run.path()));
}

/// @throws InputError naming what differs
void expect_same_run(const RunConfig& config, const RunFacts& facts, const RunReader& run) {
  std::vector<std::string> differences =
      differing_options(config, config_of(config_text(run), run.path()));
  const std::vector<std::string> contents = differing_facts(facts, run, Bearing::kContents);
  differences.insert(differences.end(), contents.begin(), contents.end());
  if (differences.empty()) return;
  throw InputError(fmt::format(
      "{} cannot go on: {}: go on with what it was begun with, as in 'flotilla resume {}', or "
      "choose another output",
      run.path(), fmt::join(differences, "; "), run.path()));
}

/// What is different of the programs. @throws InputError unless that is accepted
std::string seam_of(const RunConfig& config, const RunFacts& facts, const RunReader& run) {
  const std::vector<std::string> differences = differing_facts(facts, run, Bearing::kBits);
  std::string seam = fmt::format("{}", fmt::join(differences, "; "));
  if (differences.empty() || config.accept_seam) return seam;
  throw InputError(fmt::format(
      "{} cannot go on with the same bits: {}: use the program that began it, or accept that the "
      "draws from here on are another program's with --accept-seam, which the file will say",
      run.path(), seam));
}

bool is_complete(const RunReader& run) {
  return run.has_fact("status") && run.text("status") == "complete";
}

/// Why a run file has no checkpoint to go on from; empty if it has.
std::string missing_checkpoint(const std::string& path, const std::string& run_id) {
  if (!std::filesystem::exists(path)) return fmt::format("{} is missing", path);
  const CheckpointReader checkpoint(path);  // refuses one that is damaged
  // The run's number is what its shared part begins with.
  if (!checkpoint.shared().starts_with(run_id)) {
    return fmt::format("{} is that of another run", path);
  }
  return "";
}

Resumption decide(const RunConfig& config, const RunFacts& facts) {
  using Kind = Resumption::Kind;
  Resumption found;
  if (!std::filesystem::exists(config.output)) return found;
  expect_replaceable(config.output, true);
  if (!RunReader::is_run_file(config.output)) {
    throw InputError(fmt::format("{} is no run file: choose another output", config.output));
  }
  const RunReader run(config.output);
  expect_same_run(config, facts, run);
  found.run_id = run.has_fact(kRunId) ? run.text(kRunId) : "";
  found.draws = config_of(config_text(run), config.output).draws;
  found.committed = run.variable("sample_stats", "lp").draws;
  if (run.has_group("warmup_sample_stats")) {
    found.committed_warmup = run.variable("warmup_sample_stats", "lp").draws;
  }
  if (config.draws < found.draws) {
    throw InputError(
        fmt::format("{} was begun for {} draws: --draws should be at least that but "
                    "is {}",
                    config.output, found.draws, config.draws));
  }
  const bool longer = config.draws > found.draws;
  const bool complete = is_complete(run);
  if (complete && !longer) {
    found.kind = Kind::kDone;
    found.note =
        fmt::format("{} is complete: {} draws of each chain", config.output, found.committed);
    return found;
  }
  const std::string missing =
      found.run_id.empty() ? "it has no number of its own: an older program made it"
                           : missing_checkpoint(checkpoint_path(config.output), found.run_id);
  if (!missing.empty() && complete) {
    throw InputError(
        fmt::format("{} cannot be extended: {}: begin again with --force", config.output, missing));
  }
  if (!missing.empty()) {
    found = {};
    found.note = fmt::format("{} has no checkpoint to go on from ({}): it begins again",
                             config.output, missing);
    return found;
  }
  found.seam = seam_of(config, facts, run);
  found.kind = longer ? Kind::kExtend : Kind::kGoOn;
  return found;
}

}  // namespace

Resumption decide_resumption(const RunConfig& config, const RunFacts& facts,
                             const Communicator& comm) {
  Resumption found;
  comm.together([&] {
    if (comm.is_root()) found = decide(config, facts);
  });
  comm.broadcast(found.run_id);
  comm.broadcast(found.note);
  comm.broadcast(found.seam);
  found.kind = static_cast<Resumption::Kind>(
      static_cast<int>(comm.largest(comm.is_root() ? static_cast<double>(found.kind) : 0.0)));
  found.draws = static_cast<Index>(comm.largest(static_cast<double>(found.draws)));
  found.committed_warmup =
      static_cast<Index>(comm.largest(static_cast<double>(found.committed_warmup)));
  found.committed = static_cast<Index>(comm.largest(static_cast<double>(found.committed)));
  return found;
}

std::string run_id_of(const RunFacts& facts) {
  return text_of(facts, kRunId);
}

RunFacts with_run_id(RunFacts facts, const std::string& run_id) {
  for (auto& [name, fact] : facts) {
    if (name == kRunId) fact = run_id;
  }
  return facts;
}

RunConfig recorded_config(const Communicator& comm, const std::string& path) {
  std::string text;
  comm.together([&] {
    if (comm.is_root()) text = config_text(RunReader(path));
  });
  comm.broadcast(text);
  RunConfig config;
  comm.together([&] { config = config_of(text, path); });
  return config;
}

void record_seam(const std::string& path, Index draw, const std::string& seam) {
  hdf5::File file = hdf5::File::open_to_change(path);
  int number = 1;
  while (file.has_attribute(fmt::format("seam_{}", number))) ++number;
  file.write_text(fmt::format("seam_{}", number), fmt::format("from draw {} on: {}", draw, seam));
  file.flush();
  file.close_file();
  force_to_disk(path);
}

}  // namespace flotilla
