// flotilla study STUDY.toml: a sweep over runs, by groups of ranks, that can be taken up again.

#include "flotilla/study/study.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "commands.hpp"
#include "comparison_options.hpp"
#include "flotilla/core/error.hpp"
#include "reporter.hpp"
#include "run_options.hpp"

namespace flotilla::app {
namespace {

constexpr int kSomeFailed = 3;

/// What the keys of [compare] are called where they are varied: compare_reference in [list].
const std::string kComparison = "compare-";

/// A key of the study file and its values, and the section it stands in.
struct Entry {
  std::string section;
  std::string key;
  std::vector<std::string> values;
};

/// What is varied together: one value of each of these keys, at every step.
struct Axis {
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> steps;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw InputError(fmt::format("{}: it cannot be read: check path and permissions", path));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// As the program's options are spelt.
std::string as_option(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

/// As the tables spell it, and Python can.
std::string as_column(std::string key) {
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::vector<Entry> parse_entries(const std::string& text) {
  std::istringstream stream(text);
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(stream);
  } catch (const CLI::Error& error) {
    throw InputError(fmt::format("it is no TOML that can be read: {}", error.what()));
  }
  std::vector<Entry> entries;
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // where a section begins and ends
    if (item.inputs == std::vector<std::string>{"["} || item.name.front() == '"') {
      throw InputError(fmt::format("the array of '{}' should stand on one line", item.name));
    }
    entries.push_back({fmt::format("{}", fmt::join(item.parents, ".")), item.name, item.inputs});
  }
  return entries;
}

template <typename T>
T number(const Entry& entry) {
  T value{};
  const std::string& text = entry.values.at(0);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && entry.values.size() == 1) {
    return value;
  }
  throw InputError(
      fmt::format("'{}' should be a number but is {}", entry.key, fmt::join(entry.values, ", ")));
}

bool truth(const Entry& entry) {
  if (entry.values == std::vector<std::string>{"true"}) return true;
  if (entry.values == std::vector<std::string>{"false"}) return false;
  throw InputError(fmt::format("'{}' should be true or false but is {}", entry.key,
                               fmt::join(entry.values, ", ")));
}

/// A study file on its way to a plan.
class StudyFile {
 public:
  explicit StudyFile(const std::string& path) : folder_(std::filesystem::path(path).parent_path()) {
    plan_.output = std::filesystem::path(path).filename().replace_extension(".h5").string();
    for (const Entry& entry : parse_entries(read_file(path))) take(entry);
    if (seeds_.empty()) seeds_ = {"1"};
  }

  void set_output(const std::string& output) { plan_.output = output; }

  StudyPlan plan() && {
    std::vector<Axis> axes = grid_;
    if (!list_.keys.empty()) axes.push_back(list_);
    axes.push_back({{"seed"}, {}});
    for (const std::string& seed : seeds_) axes.back().steps.push_back({seed});
    RunOptions options;
    std::vector<std::size_t> step(axes.size(), 0);
    do {
      add_cell(axes, step, options);
    } while (advance(axes, step));
    return std::move(plan_);
  }

 private:
  void take(const Entry& entry) {
    if (entry.values.empty()) throw InputError(fmt::format("'{}' has no value", entry.key));
    const std::string option = as_option(entry.key);
    if (!entry.section.empty() && entry.section != "compare" &&
        (option == "seed" || option == "output")) {
      throw InputError(
          fmt::format("'{}' is the study's own: set seeds and output at the top", entry.key));
    }
    const std::string compared = entry.section == "compare" ? kComparison + option : option;
    if (compared == "compare-run" || compared == "compare-flow") {
      throw InputError(fmt::format("'{}' is the study's own: it compares its runs", entry.key));
    }
    const bool own = entry.section == "sample" || entry.section == "compare";
    if (!seen_.insert((own ? entry.section + "." : "") + option).second) {
      throw InputError(fmt::format("'{}' is set twice", entry.key));
    }
    if (entry.section.empty()) {
      take_setting(entry);
    } else if (entry.section == "sample") {
      if (option.rfind(kComparison, 0) == 0) {
        throw InputError(fmt::format("'{}' is no option of runs: set it in [compare]", entry.key));
      }
      common_.emplace_back(as_option(entry.key), fmt::format("{}", fmt::join(entry.values, ",")));
    } else if (entry.section == "compare") {
      if (entry.values.size() != 1) {
        throw InputError(
            fmt::format("'{}' of [compare] should have one value: vary it in [grid] or "
                        "[list], as compare_{}",
                        entry.key, entry.key));
      }
      common_.emplace_back(kComparison + option, entry.values.front());
    } else if (entry.section == "grid") {
      Axis axis{{as_option(entry.key)}, {}};
      for (const std::string& value : entry.values) axis.steps.push_back({value});
      grid_.push_back(axis);
    } else if (entry.section == "list") {
      take_column(entry);
    } else {
      throw InputError(fmt::format("section [{}] is none of [sample], [compare], [grid] and [list]",
                                   entry.section));
    }
  }

  void take_setting(const Entry& entry) {
    if (entry.key == "output") {
      plan_.output = entry.values.at(0);
    } else if (entry.key == "seeds") {
      seeds_ = entry.values;
    } else if (entry.key == "ranks_per_run") {
      plan_.ranks_per_run = number<Index>(entry);
    } else if (entry.key == "keep_runs") {
      plan_.keep_runs = truth(entry);
    } else if (entry.key == "reference") {
      plan_.reference = entry.values.at(0);
      if (plan_.reference != "importance") plan_.reference = beside(plan_.reference);
    } else if (entry.key == "rhat") {
      plan_.rhat = number<double>(entry);
    } else if (entry.key == "ess") {
      plan_.ess = number<double>(entry);
    } else {
      throw InputError(fmt::format(
          "'{}' is no setting of a study, which are output, seeds, ranks_per_run, keep_runs, "
          "reference, rhat and ess: options of its runs stand in [sample], [grid] or [list], those "
          "of comparisons in "
          "[compare]",
          entry.key));
    }
  }

  void take_column(const Entry& entry) {
    if (list_.steps.empty()) list_.steps.resize(entry.values.size());
    if (list_.steps.size() != entry.values.size()) {
      throw InputError(
          fmt::format("[list] has {} values of '{}' but {} of '{}': as many are wanted",
                      list_.steps.size(), list_.keys.front(), entry.values.size(), entry.key));
    }
    list_.keys.push_back(as_option(entry.key));
    for (std::size_t i = 0; i < entry.values.size(); ++i) {
      list_.steps[i].push_back(entry.values[i]);
    }
  }

  /// Paths are meant beside the study file, where there is such a file.
  std::string beside(const std::string& value) const {
    const std::string file = Location::parse(value).path;
    std::error_code unknown;
    return std::filesystem::exists(folder_ / file, unknown) ? (folder_ / value).string() : value;
  }

  std::string line(const std::string& key, const std::string& value) const {
    static const std::set<std::string> paths = {"flow", "start", "context", "reference", "modes"};
    return fmt::format("{}=\"{}\"\n", key, paths.count(key) > 0 ? beside(value) : value);
  }

  void add_cell(const std::vector<Axis>& axes, const std::vector<std::size_t>& step,
                RunOptions& options) {
    StudyCell cell;
    std::map<std::string, std::string> values(common_.begin(), common_.end());
    for (std::size_t a = 0; a < axes.size(); ++a) {
      for (std::size_t k = 0; k < axes[a].keys.size(); ++k) {
        const std::string& value = axes[a].steps[step[a]][k];
        cell.options.emplace_back(as_column(axes[a].keys[k]), value);
        values[axes[a].keys[k]] = value;
      }
    }
    values["output"] = fmt::format("{}/{:04}.h5", plan_.folder(), plan_.cells.size());
    std::string toml;
    std::string comparison;
    for (const auto& [key, value] : values) {
      const bool compares = key.rfind(kComparison, 0) == 0;
      (compares ? comparison : toml) +=
          line(compares ? key.substr(kComparison.size()) : key, value);
    }
    cell.config = options.read(toml);
    if (!comparison.empty()) {
      try {
        cell.comparison = read_comparison(comparison + line("run", cell.config.output));
      } catch (const InputError& error) {
        throw InputError(fmt::format("[compare]: {}", error.what()));
      }
    }
    cell.config.force = true;  // what a killed cell left behind
    plan_.cells.push_back(cell);
  }

  /// The last axis fastest; false after the last combination.
  static bool advance(const std::vector<Axis>& axes, std::vector<std::size_t>& step) {
    for (std::size_t a = axes.size(); a-- > 0;) {
      if (++step[a] < axes[a].steps.size()) return true;
      step[a] = 0;
    }
    return false;
  }

  std::filesystem::path folder_;
  StudyPlan plan_;
  std::vector<std::string> seeds_;
  std::vector<std::pair<std::string, std::string>> common_;
  std::vector<Axis> grid_;
  Axis list_;
  std::set<std::string> seen_;
};

std::string describe(const CellOutcome& outcome, const StudyCell& cell) {
  std::string options;
  for (const auto& [key, value] : cell.options) options += fmt::format(" {}={}", key, value);
  const std::string what = outcome.before            ? "done before"
                           : outcome.message.empty() ? fmt::format("{:.1f} s", outcome.seconds)
                                                     : "FAILED: " + outcome.message;
  return fmt::format("run {} of {}:{}: {}\n", outcome.number + 1, outcome.cells, options, what);
}

}  // namespace

int study(const Communicator& comm, int argc, char** argv) {
  std::string path;
  std::string output;
  bool quiet = false;
  const CommandLine command_line(
      "study", "Runs a sweep; finished runs of an earlier call are not repeated.",
      [&](CLI::App& app) {
        app.add_option("study,--study", path,
                       "study file: settings, [sample], [compare], [grid], [list]")
            ->required();
        app.add_option("-o,--output", output, "where the figures go (default: the study's output)");
        app.add_flag("--quiet", quiet, "print nothing but errors");
      });
  if (!command_line.parse(comm, argc, argv)) return 0;
  // Every rank reads the file: it is small, and needed whole.
  StudyPlan plan;
  comm.together([&] {
    try {
      StudyFile file(path);
      if (!output.empty()) file.set_output(output);
      plan = std::move(file).plan();
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: {}", path, error.what()));
    }
  });
  const StudyOutcome outcome = run_study(plan, comm, [&](const CellOutcome& told) {
    if (!quiet) show(describe(told, plan.cells[told.number]));
  });
  if (comm.is_root() && !quiet) {
    show(fmt::format("\n{} runs, {} done before, {} failed\n{}\n", outcome.cells, outcome.before,
                     outcome.failed, plan.output));
  }
  return outcome.failed > 0 ? kSomeFailed : 0;
}

}  // namespace flotilla::app
