// SPDX-License-Identifier: BSD-3-Clause

// Turns the text of a study into its plan: the runs, and the options of each.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "flotilla/core/error.hpp"
#include "flotilla/study/study.hpp"
#include "io/toml.hpp"
#include "run/option_value.hpp"

namespace flotilla {
namespace {

/// Prefix of the options of [compare] if they are varied: compare_reference in [list].
const std::string kComparison = "compare-";

constexpr double kMostRuns = 100000;  // each has a record of its own

/// A value of one option, and the name of its entry in messages.
struct Setting {
  std::string option;  ///< "beta", "compare-points"
  TomlValue value;
  std::string subject;
};

/// Options that are varied together, step by step.
using Axis = std::vector<std::vector<Setting>>;

/// The name as tables and Python can spell it.
std::string as_column(std::string option) {
  std::replace(option.begin(), option.end(), '-', '_');
  return option;
}

/// The value as the tables hold it: a text has no quotes.
std::string as_cell(const TomlValue& value) {
  const auto* const text = std::get_if<std::string>(&value.value);
  if (text != nullptr) return *text;
  const auto* const number = std::get_if<double>(&value.value);
  return number != nullptr ? fmt::format("{}", *number) : to_toml(value);
}

/// The option tables of one cell: those of its run and of its comparison.
struct CellOptions {
  explicit CellOptions(StudyCell& cell, ComparisonConfig& comparison)
      : run(options_of(cell.config)), compare(options_of(comparison)) {}

  /// The row of "beta" or "compare-points"; null if there is none.
  const Option* find(const std::string& name) const {
    return name.starts_with(kComparison) ? find_option(compare, name.substr(kComparison.size()))
                                         : find_option(run, name);
  }

  /// What may stand in a section, as it is spelt there.
  std::vector<std::string> names(const std::string& section) const {
    std::vector<std::string> found;
    const auto add = [&](const std::vector<Option>& options, const std::string& before) {
      for (const Option& option : options) {
        if (may_vary(option)) found.push_back(as_column(before + option.name));
      }
    };
    if (section != "compare") add(run, "");
    if (section != "sample") add(compare, section == "compare" ? "" : kComparison);
    return found;
  }

  std::vector<Option> run;
  std::vector<Option> compare;
};

/// Reads a study file into a plan.
class StudyFile {
 public:
  explicit StudyFile(const std::string& path)
      : source_(path), folder_(std::filesystem::path(path).parent_path().string()) {
    plan_.output = std::filesystem::path(path).filename().replace_extension(".h5").string();
    settings_ = options_of(plan_);
    settings_.push_back({.name = "seeds", .place = &seeds_, .help = "a run with each of them"});
    for (const TomlEntry& entry : parse_toml(read_text_file(path), path)) take(entry);
    resolve_paths(settings_, folder_);
  }

  void set_output(const std::string& output) { plan_.output = output; }

  StudyPlan plan() && {
    std::vector<Axis> axes = grid_;
    if (!list_.empty()) axes.push_back(list_);
    axes.push_back(seed_axis());
    double runs = 1.0;
    for (const Axis& axis : axes) runs *= static_cast<double>(axis.size());
    expect_few(runs);
    std::vector<std::size_t> step(axes.size(), 0);
    do {
      add_cell(axes, step);
    } while (advance(axes, step));
    return std::move(plan_);
  }

 private:
  [[noreturn]] void refuse(const TomlEntry& entry, const std::string& why) const {
    throw InputError(fmt::format("{} {}", subject_of(entry, source_), why));
  }

  void take(const TomlEntry& entry) {
    if (entry.section.empty()) {
      take_setting(entry);
    } else if (entry.section == "sample" || entry.section == "compare") {
      common_.push_back(setting(entry, entry.value));
    } else if (entry.section == "grid") {
      Axis axis;
      for (const TomlValue& value : values_of(entry)) axis.push_back({setting(entry, value)});
      expect_distinct(entry);
      grid_.push_back(axis);
    } else if (entry.section == "list") {
      take_column(entry);
    } else {
      refuse(entry, fmt::format("stands in section [{}], which is none of [sample], [compare], "
                                "[grid] and [list]{}",
                                entry.section,
                                suggestion(entry.section, {"sample", "compare", "grid", "list"})));
    }
    // A key may be in [sample] or [compare] and be varied too.
    const bool varied = entry.section == "grid" || entry.section == "list";
    const std::string where = varied ? "varied" : entry.section;
    if (!seen_.insert(where + "." + as_column(entry.key)).second) refuse(entry, "is set twice");
  }

  void take_setting(const TomlEntry& entry) {
    const Option* const option = find_option(settings_, entry.key);
    if (option != nullptr) {
      set_option(*option, entry.value, subject_of(entry, source_));
      expect_distinct(entry);
      return;
    }
    std::vector<std::string> names;
    for (const Option& setting : settings_) names.push_back(as_column(setting.name));
    const std::string similar = suggestion(entry.key, names);
    refuse(entry, fmt::format("is no setting of a study{} The settings are {}; options of its runs "
                              "stand in [sample], [grid] or [list], those of comparisons in "
                              "[compare]",
                              similar.empty() ? "." : similar, fmt::join(names, ", ")));
  }

  /// The elements of an array: the values of one option.
  const std::vector<TomlValue>& values_of(const TomlEntry& entry) const {
    const auto* const values = std::get_if<std::vector<TomlValue>>(&entry.value.value);
    if (values == nullptr || values->empty()) {
      refuse(entry, fmt::format("of [{}] should be an array of values but is {}", entry.section,
                                to_toml(entry.value)));
    }
    expect_few(static_cast<double>(values->size()));  // each is checked, which takes its time
    return *values;
  }

  /// Two runs that are the same would count as two.
  void expect_distinct(const TomlEntry& entry) const {
    const auto* const values = std::get_if<std::vector<TomlValue>>(&entry.value.value);
    if (values == nullptr) return;
    std::set<std::string> known;
    for (const TomlValue& value : *values) {
      if (!known.insert(as_cell(value)).second) {
        refuse(entry, fmt::format("has {} twice: leave one out", to_toml(value)));
      }
    }
  }

  /// Checks an option of the study's runs or comparisons by setting it once.
  Setting setting(const TomlEntry& entry, const TomlValue& value) const {
    StudyCell cell;
    ComparisonConfig comparison;
    const CellOptions options(cell, comparison);
    std::string name = entry.section == "compare" ? kComparison + entry.key : entry.key;
    std::replace(name.begin(), name.end(), '_', '-');
    const Option* const option = options.find(name);
    if (option == nullptr) {
      refuse(entry, fmt::format("is no option{}",
                                suggestion(as_column(entry.key), options.names(entry.section))));
    }
    if (entry.section == "sample" && name.starts_with(kComparison)) {
      refuse(entry, "is no option of runs: set it in [compare]");
    }
    if (!may_vary(*option) || name == "seed" || name == kComparison + "flow") {
      refuse(entry,
             "is the study's own: the study names its runs, and sets seeds and output at the top");
    }
    Setting found{name, value, subject_of(entry, source_)};
    set_option(*option, value, found.subject);
    return found;
  }

  void take_column(const TomlEntry& entry) {
    const std::vector<TomlValue>& values = values_of(entry);
    if (list_.empty()) list_.resize(values.size());
    if (list_.size() != values.size()) {
      refuse(entry,
             fmt::format("has {} values but '{}' of [list] has {}: give both equally many",
                         values.size(), as_column(list_.front().front().option), list_.size()));
    }
    for (std::size_t i = 0; i < values.size(); ++i) list_[i].push_back(setting(entry, values[i]));
  }

  Axis seed_axis() const {
    Axis axis;
    for (const std::uint64_t seed : seeds_) {
      axis.push_back({{"seed", {static_cast<std::int64_t>(seed)}, "'seeds'"}});
    }
    return axis;
  }

  void expect_few(double runs) const {
    if (runs <= kMostRuns) return;
    throw InputError(fmt::format("{}: a study should have at most {} runs but has {}: vary less",
                                 source_, kMostRuns, runs));
  }

  void add_cell(const std::vector<Axis>& axes, const std::vector<std::size_t>& step) {
    StudyCell cell;
    ComparisonConfig comparison;
    const CellOptions options(cell, comparison);
    bool compared = false;
    const auto set = [&](const Setting& setting) {
      set_option(*options.find(setting.option), setting.value, setting.subject);
      compared = compared || setting.option.starts_with(kComparison);
    };
    for (const Setting& setting : common_) set(setting);
    for (std::size_t a = 0; a < axes.size(); ++a) {
      for (const Setting& setting : axes[a][step[a]]) {
        set(setting);
        cell.options.emplace_back(as_column(setting.option), as_cell(setting.value));
      }
    }
    resolve_paths(options.run, folder_);
    resolve_paths(options.compare, folder_);
    cell.config.output = fmt::format("{}/{:04}.h5", plan_.folder(), plan_.cells.size());
    cell.config.force = true;  // replace what a killed cell left behind
    check_required(options.run);
    if (compared) {
      comparison.run = cell.config.output;
      comparison.validate();
      cell.comparison = comparison;
    }
    plan_.cells.push_back(cell);
  }

  /// Goes to the next combination, the last axis fastest; false after the last one.
  static bool advance(const std::vector<Axis>& axes, std::vector<std::size_t>& step) {
    for (std::size_t a = axes.size(); a-- > 0;) {
      if (++step[a] < axes[a].size()) return true;
      step[a] = 0;
    }
    return false;
  }

  std::string source_;
  std::string folder_;
  StudyPlan plan_;
  std::vector<std::uint64_t> seeds_ = {1};
  std::vector<Option> settings_;
  std::vector<Setting> common_;
  std::vector<Axis> grid_;
  Axis list_;
  std::set<std::string> seen_;
};

}  // namespace

StudyPlan read_study(const std::string& path, const std::string& output) {
  StudyFile file(path);
  if (!output.empty()) file.set_output(output);
  return std::move(file).plan();
}

}  // namespace flotilla
