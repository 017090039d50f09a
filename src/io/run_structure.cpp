// SPDX-License-Identifier: BSD-3-Clause
#include "io/run_structure.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "io/hdf5.hpp"
#include "io/run_layout.hpp"

namespace flotilla {
namespace {

/// What a variable of a group should be.
struct Expected {
  const char* group;
  const char* name;
  bool point;     ///< has coordinates, in the precision of the run
  bool flag;      ///< has truth values; else double
  bool optional;  ///< with its group
};
constexpr std::array kExpected = {
    Expected{"posterior", "x", true, false, false},
    Expected{"unconstrained_posterior", "z", true, false, true},
    Expected{"sample_stats", "lp", false, false, false},
    Expected{"sample_stats", "acceptance_rate", false, false, false},
    Expected{"sample_stats", "step_size", false, false, false},
    Expected{"sample_stats", "diverging", false, true, false},
    Expected{"sample_stats", "log_det_jacobian", false, false, false},
    Expected{"sample_stats", "is_global", false, true, false},
    Expected{"sample_stats", "accepted", false, true, false},
};

constexpr std::array kTexts = {"config", "flow_file", "flow_checksum", "target",
                               "kernel", "precision", "git_commit",    "instruction_set"};
constexpr std::array kNumbersOfRun = {"seed", "ranks", "tile_width", "warmup", "thin"};

class Look {
 public:
  explicit Look(const RunReader& run)
      : run_(run), crash_(hdf5::crash_sentence(run.path())), file_(hdf5::File::open(run.path())) {}

  RunStructure found() {
    look_at_facts();
    look_at_phase("");
    if (has(std::string(kWarmupPrefix) + kCommitted)) look_at_phase(kWarmupPrefix);
    look_at_start();
    look_at_adaptation();
    return std::move(found_);
  }

 private:
  void fault(const std::string& place, const std::string& sentence) {
    found_.faults.push_back(fmt::format("{}: {}", place, sentence));
  }

  /// Looks at a place. What cannot be read is a fault.
  template <typename Work>
  void at(const std::string& place, Work work) {
    try {
      work();
    } catch (const InputError& error) {
      fault(place,
            without(fmt::format("'{}': ", place), without(run_.path() + ": ", error.what())));
    } catch (const Hdf5Error& error) {
      fault(place, hdf5::reason(error));
    }
  }

  /// A message without what it begins with.
  static std::string without(const std::string& beginning, const std::string& message) {
    return message.starts_with(beginning) ? message.substr(beginning.size()) : message;
  }

  bool has(const std::string& name) {
    bool there = false;
    at(name, [&] { there = file_.has(name); });
    return there;
  }

  void expect_text(const hdf5::Object& object, const std::string& place, const char* name) {
    at(place, [&] {
      if (!object.has_attribute(name)) throw InputError(fmt::format("it has no '{}'", name));
      object.read_text(name);
    });
  }

  void look_at_facts() {
    for (const char* name : kGroupFacts) expect_text(file_, "/", name);
    for (const char* name : kTexts) expect_text(file_, "/", name);
    for (const char* name : kNumbersOfRun) {
      at("/", [&] {
        if (!file_.has_attribute(name)) throw InputError(fmt::format("it has no '{}'", name));
        file_.read_number(name);
      });
    }
    at("/", [&] {
      const std::string status = file_.read_text(kStatus);
      found_.complete = status == kComplete;
      if (!found_.complete && status != kUnfinished) throw InputError("its status is none");
    });
    at("/", [&] { in_double_ = file_.read_text("precision") == "double"; });
    at("/", [&] {
      if (file_.has_attribute("superchains")) superchains_ = file_.read_number("superchains");
    });
  }

  /// A group says of itself what every group says.
  void look_at_group(const std::string& name) {
    at(name, [&] {
      const hdf5::Group group = file_.group(name);
      for (const char* fact : kGroupFacts) expect_text(group, name, fact);
      // A kill at the end leaves some groups complete and others not.
      const std::string status = group.has_attribute(kStatus) ? group.read_text(kStatus) : "";
      if (status != kComplete && status != kUnfinished) throw InputError("its status is none");
    });
  }

  void look_at_phase(const std::string& prefix) {
    phase_ = {};
    const std::string committed = prefix + kCommitted;
    at(committed, [&] { phase_.committed = file_.dataset(committed).read_whole_number(); });
    const std::size_t before = found_.variables.size();
    std::string group;
    for (const Expected& expected : kExpected) {
      const std::string wanted = prefix + expected.group;
      if (expected.optional && !has(wanted)) continue;
      if (group != wanted) {
        group = wanted;
        look_at_group(group);
        ++found_.groups;
      }
      look_at_variable(group, expected);
      if (expected.point && std::string(expected.name) == "x") look_at_derived(group);
    }
    look_at_count(prefix);
    look_at_checksums(prefix, before);
  }

  void look_at_variable(const std::string& group, const Expected& expected) {
    const std::string place = group + "/" + expected.name;
    at(place, [&] {
      StoredVariable stored = open(group, expected.name);
      const hdf5::Dataset& dataset = *stored.variable.dataset;
      const bool in_double = expected.point ? in_double_ : !expected.flag;
      stored.stored =
          expected.flag ? Stored::kFlag : (in_double ? Stored::kDouble : Stored::kFloat);
      const hdf5::Type type = dataset.type();
      const std::size_t bytes = expected.flag ? 1 : (in_double ? 8 : 4);
      if (type.size() != bytes || (expected.flag ? !type.is_whole() : !type.is_real())) {
        throw InputError(fmt::format("its values should be {}", expected.flag ? "int8"
                                                                : in_double   ? "double"
                                                                              : "float"));
      }
      if (stored.variable.scalar == expected.point || stored.variable.shape.size() > 1) {
        throw InputError(fmt::format("its shape should be [{}]",
                                     expected.point ? "chain x draw x dim" : "chain x draw"));
      }
      if (expected.flag) look_at_flag(dataset);
      keep(group, std::move(stored));
    });
  }

  /// Truth values that are not complete are numbers, with one that marks what is missing.
  static void look_at_flag(const hdf5::Dataset& dataset) {
    const std::string type = dataset.read_text(kFlagType);
    if (type == kTruthValues || (type == kNumbers && dataset.has_attribute(hdf5::kFillValue))) {
      return;
    }
    throw InputError("it is marked neither as truth values nor as numbers that may be missing");
  }

  void look_at_derived(const std::string& group) {
    std::vector<std::string> names;
    at(group, [&] { names = run_.variable_names(group); });
    for (const std::string& name : names) {
      if (name == "x") continue;
      at(fmt::format("{}/{}", group, name), [&] {
        StoredVariable stored = open(group, name);
        if (!stored.variable.in_double) throw InputError("its values should be double");
        stored.may_be_nan = true;
        keep(group, std::move(stored));
      });
    }
  }

  StoredVariable open(const std::string& group, const std::string& name) {
    StoredVariable stored;
    stored.name = group + "/" + name;
    stored.variable = run_.variable(group, name);
    const hdf5::Sizes sizes = stored.variable.dataset->sizes();
    stored.block_draws = stored.variable.chunk_draws;
    stored.tile_chains = stored.variable.chunk_chains;
    if (phase_.room < 0) {
      phase_.chains = static_cast<Index>(sizes[0]);
      phase_.room = static_cast<Index>(sizes[1]);
    }
    if (stored.variable.chains != phase_.chains || static_cast<Index>(sizes[1]) != phase_.room) {
      throw InputError(fmt::format("it has {} chains and room for {} draws, but others {} and {}",
                                   sizes[0], sizes[1], phase_.chains, phase_.room));
    }
    return stored;
  }

  void keep(const std::string& group, StoredVariable stored) {
    look_at_coordinates(group, stored);
    found_.variables.push_back(std::move(stored));
  }

  void look_at_coordinates(const std::string& group, const StoredVariable& stored) {
    const std::string name = stored.name.substr(group.size() + 1);
    std::vector<std::pair<std::string, Index>> dimensions = {{"chain", phase_.chains},
                                                             {"draw", phase_.room}};
    for (std::size_t d = 0; d < stored.variable.shape.size(); ++d) {
      dimensions.emplace_back(fmt::format("{}_dim_{}", name, d), stored.variable.shape[d]);
    }
    if (!stored.variable.dataset->has_attribute("DIMENSION_LIST")) {
      fault(stored.name, "it has no dimension scales");
    }
    for (const auto& [dimension, size] : dimensions) look_at_scale(group, dimension, size);
    look_at_superchains(group, phase_.chains);
  }

  /// Chains of one superchain start from one point.
  void look_at_superchains(const std::string& group, Index chains) {
    const std::string place = group + "/superchain";
    if (superchains_ == 0.0 || !is_new(place)) return;
    at(place, [&] {
      const std::vector<std::int64_t> values = whole_numbers(file_.dataset(place), chains);
      const double width = static_cast<double>(chains) / superchains_;
      for (std::size_t c = 0; c < values.size(); ++c) {
        const double expected = std::floor(static_cast<double>(c) / width);
        if (static_cast<double>(values[c]) == expected) continue;
        throw InputError(
            fmt::format("that of chain {} should be {} but is {}", c, expected, values[c]));
      }
    });
  }

  bool is_new(const std::string& place) {
    if (std::find(coordinates_.begin(), coordinates_.end(), place) != coordinates_.end())
      return false;
    coordinates_.push_back(place);
    return true;
  }

  /// @throws InputError if the file does not hold so many of them
  static std::vector<std::int64_t> whole_numbers(const hdf5::Dataset& dataset, Index size) {
    if (!dataset.type().is_whole() || dataset.sizes() != hdf5::Sizes{hdf5::size_of(size)}) {
      throw InputError(fmt::format("it should be {} whole numbers", size));
    }
    if (!dataset.is_stored()) throw InputError("the file stores fewer values than it should hold");
    std::vector<std::int64_t> values(static_cast<std::size_t>(size));
    dataset.read(values.data());
    return values;
  }

  /// A coordinate counts from 0. Several variables have the same one.
  void look_at_scale(const std::string& group, const std::string& name, Index size) {
    const std::string place = group + "/" + name;
    if (!is_new(place)) return;
    at(place, [&] {
      const hdf5::Dataset scale = file_.dataset(place);
      const std::vector<std::int64_t> values = whole_numbers(scale, size);
      if (!scale.has_attribute("CLASS") || scale.read_text("CLASS") != "DIMENSION_SCALE") {
        throw InputError("it is no dimension scale");
      }
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i] == static_cast<std::int64_t>(i)) continue;
        throw InputError(fmt::format("value {} should be its number but is {}", i, values[i]));
      }
    });
  }

  void look_at_count(const std::string& prefix) {
    const std::string committed = prefix + kCommitted;
    if (prefix.empty()) {
      found_.chains = phase_.chains;
      found_.draws = phase_.committed;
      found_.room = std::max<Index>(phase_.room, 0);
    }
    if (phase_.room < 0) return;
    if (phase_.committed < 0 || phase_.committed > phase_.room) {
      fault(committed, fmt::format("it should be from 0 to {}, the draws that there is room for, "
                                   "but is {}",
                                   phase_.room, phase_.committed));
    } else if (found_.complete && phase_.committed < phase_.room) {
      fault(committed, fmt::format("the file says that it is complete, but {} of {} draws are",
                                   phase_.committed, phase_.room));
    }
  }

  void look_at_checksums(const std::string& prefix, std::size_t first_variable) {
    const std::string group = prefix + kChecksumGroup;
    if (!has(group)) {
      if (found_.checksums) fault(group, "only one phase has checksums");
      return;
    }
    found_.checksums = true;
    look_at_group(group);
    for (const char* name : kChecksumTables) {
      const std::string place = group + "/" + name;
      at(place, [&] { assign(prefix, place, first_variable); });
    }
    for (std::size_t v = first_variable; v < found_.variables.size(); ++v) {
      const StoredVariable& stored = found_.variables[v];
      if (!stored.checksums) fault(stored.name, "no table has its checksums");
    }
  }

  /// Tells the variables of a table where their checksums stand.
  void assign(const std::string& prefix, const std::string& place, std::size_t first_variable) {
    const auto table = std::make_shared<const hdf5::Dataset>(file_.dataset(place));
    const std::vector<std::string> names = columns_of(prefix, *table);
    const auto whole = [&](const char* fact) {
      const double value = table->read_number(fact);
      if (value >= 1.0 && value <= 0x1p32) return static_cast<Index>(value);
      throw InputError(fmt::format("its '{}' should be a number of them but is {}", fact, value));
    };
    const Index draws = whole(kBlockDraws);
    const Index chains = whole(kTileChains);
    const auto parts = [](Index all, Index part) { return hdf5::size_of((all + part - 1) / part); };
    hdf5::Sizes sizes = table->sizes();
    // A run that ended early has cut its draws, not its tables.
    if (sizes.size() == 3) sizes[0] = std::min(sizes[0], parts(phase_.room, draws));
    const hdf5::Sizes expected = {parts(phase_.room, draws), parts(phase_.chains, chains),
                                  names.size()};
    if (sizes != expected || !table->type().is_whole() || !table->is_stored()) {
      throw InputError(fmt::format("it should be [{}] whole numbers", fmt::join(expected, " x ")));
    }
    const std::string group = prefix + kChecksumGroup;
    const std::string name = place.substr(group.size() + 1);
    const hdf5::Sizes whole_table = table->sizes();
    look_at_scale(group, name + "_block", static_cast<Index>(whole_table[0]));
    look_at_scale(group, name + "_tile", static_cast<Index>(whole_table[1]));
    look_at_scale(group, name + "_variable", static_cast<Index>(whole_table[2]));
    for (std::size_t v = first_variable; v < found_.variables.size(); ++v) {
      StoredVariable& stored = found_.variables[v];
      const auto column = std::find(names.begin(), names.end(), stored.name);
      if (column == names.end()) continue;
      stored.checksums =
          ChecksumColumn{table, column - names.begin(), static_cast<Index>(names.size())};
      stored.block_draws = draws;
      stored.tile_chains = chains;
    }
  }

  static std::vector<std::string> columns_of(const std::string& prefix,
                                             const hdf5::Dataset& table) {
    std::vector<std::string> names;
    for (const char* group : {"posterior", "sample_stats", "unconstrained_posterior"}) {
      const std::string whole = prefix + group;
      if (!table.has_attribute(whole)) continue;
      std::istringstream words(table.read_text(whole));
      for (std::string name; words >> name;) names.push_back(fmt::format("{}/{}", whole, name));
    }
    return names;
  }

  void look_at_start() {
    look_at_group("start");
    at("start/x", [&] {
      const hdf5::Dataset dataset = file_.dataset("start/x");
      if (!dataset.type().is_real() || dataset.sizes().size() != 2 ||
          dataset.sizes()[0] != hdf5::size_of(found_.chains) || !dataset.is_stored()) {
        throw InputError("it should be [chain x dim] real numbers");
      }
      look_at_scale("start", "chain", found_.chains);
      look_at_scale("start", "x_dim_0", static_cast<Index>(dataset.sizes()[1]));
      look_at_superchains("start", found_.chains);
    });
  }

  void look_at_adaptation() {
    if (!has("adaptation")) return;
    look_at_group("adaptation");
    hdf5::Sizes windows;
    for (const char* name : {"step_size", "acceptance_rate", "global_acceptance_rate"}) {
      const std::string place = fmt::format("adaptation/{}", name);
      at(place, [&] {
        const hdf5::Dataset dataset = file_.dataset(place);
        if (windows.empty()) windows = dataset.sizes();
        if (!dataset.type().is_real() || windows.size() != 1 || dataset.sizes() != windows ||
            !dataset.is_stored()) {
          throw InputError("it should be [window] real numbers");
        }
        look_at_scale("adaptation", "window", static_cast<Index>(windows[0]));
      });
    }
  }

  /// What the variables of the phase under way have in common.
  struct Phase {
    Index committed = 0;
    Index chains = 0;
    Index room = -1;  ///< not known yet
  };

  const RunReader& run_;
  CrashSentence crash_;
  hdf5::File file_;
  bool in_double_ = false;
  Phase phase_;
  double superchains_ = 0.0;
  std::vector<std::string> coordinates_;  ///< that were looked at
  RunStructure found_;
};

}  // namespace

RunStructure look_at_structure(const RunReader& run) {
  if (run.has_fact("inference_library") && run.text("inference_library") != "flotilla") {
    throw InputError(
        fmt::format("{}: '{}' made it: only files of 'flotilla sample' can be verified", run.path(),
                    run.text("inference_library")));
  }
  return Look(run).found();
}

}  // namespace flotilla
