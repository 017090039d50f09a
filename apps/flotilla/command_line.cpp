// SPDX-License-Identifier: BSD-3-Clause
#include "command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "flotilla/core/error.hpp"
#include "help.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

/// An option as a command line gives it.
struct Given {
  const Option* option;
  std::string value;
};

/// Splits a command line into options and their values.
class Splitter {
 public:
  Splitter(const std::vector<Option>& options, const Words& words)
      : options_(options), words_(words) {}

  std::vector<Given> split() {
    bool only_values = false;
    while (place_ < words_.size()) {
      const std::string& word = words_[place_++];
      if (only_values || !word.starts_with("-") || word == "-") {
        take_positional(word);
      } else if (word == "--") {
        only_values = true;
      } else if (word.starts_with("--")) {
        take_long(word.substr(2));
      } else {
        take_letter(word);
      }
    }
    return std::move(given_);
  }

 private:
  void take_long(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const bool has_value = equals != std::string::npos;
    const Option* option = find_option(options_, name);
    bool on = true;
    if (option == nullptr && name.starts_with("no-")) {
      option = find_option(options_, name.substr(3));
      if (option != nullptr && !is_switch(*option)) option = nullptr;
      on = false;
    }
    if (option == nullptr) {
      throw InputError(fmt::format("--{} is no option{}", name, suggestion("--" + name, names())));
    }
    if (!is_switch(*option)) {
      give(*option, has_value ? word.substr(equals + 1) : next_value(*option));
    } else if (has_value) {
      throw InputError(fmt::format("--{} should stand alone but has the value '{}'", name,
                                   word.substr(equals + 1)));
    } else {
      give(*option, on ? "true" : "false");
    }
  }

  void take_letter(const std::string& word) {
    const auto found = std::find_if(options_.begin(), options_.end(),
                                    [&](const Option& option) { return option.letter == word[1]; });
    if (found == options_.end()) throw InputError(fmt::format("{} is no option", word));
    const bool alone = word.size() == 2;
    give(*found, alone ? next_value(*found) : word.substr(word[2] == '=' ? 3 : 2));
  }

  void take_positional(const std::string& word) {
    for (const Option& option : options_) {
      if (!option.positional || was_given(option)) continue;
      give(option, word);
      return;
    }
    throw InputError(fmt::format("'{}' is one word too many", word));
  }

  std::string next_value(const Option& option) {
    std::string next = place_ < words_.size() ? words_[place_++] : "--";
    if (next.starts_with("--")) {
      throw InputError(
          fmt::format("--{} should be {} but has no value", option.name, expected(option)));
    }
    const bool dashed = next.size() > 1 && next[0] == '-';
    if (dashed && std::isalpha(static_cast<unsigned char>(next[1])) != 0) {
      throw InputError(fmt::format("--{0} should be {1} but '{2}' follows: write --{0}={2} for it",
                                   option.name, expected(option), next));
    }
    return next;
  }

  /// The last of several values holds; but of two files nobody knows which is meant.
  void give(const Option& option, const std::string& value) {
    if (option.positional && was_given(option)) {
      throw InputError(fmt::format("--{} is given twice: as '{}' too", option.name, value));
    }
    given_.push_back({&option, value});
  }

  bool was_given(const Option& option) const {
    return std::any_of(given_.begin(), given_.end(),
                       [&](const Given& given) { return given.option == &option; });
  }

  /// The names as users write them, for suggestions.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const Option& option : options_) {
      found.push_back(fmt::format("--{}", option.name));
      if (is_switch(option)) found.push_back(fmt::format("--no-{}", option.name));
    }
    return found;
  }

  const std::vector<Option>& options_;
  const Words& words_;
  std::size_t place_ = 0;
  std::vector<Given> given_;
};

/// All values as rank 0 understands them. Called on rank 0 only.
std::string resolve(const std::vector<Option>& options, const Words& words) {
  std::string config;
  std::vector<Option> all = options;
  all.push_back(config_row(config));
  const std::vector<Given> given = Splitter(all, words).split();
  for (const Given& one : given) {
    if (one.option == &all.back()) set_option(*one.option, one.value);
  }
  if (!config.empty()) read_option_file(options, config);
  for (const Given& one : given) set_option(*one.option, one.value);
  check_required(options);
  check_options(options);
  check_outputs(all);
  return options_text(options);
}

}  // namespace

Option quiet_row(bool& quiet) {
  return {.name = "quiet",
          .place = &quiet,
          .kind = OptionKind::kManner,
          .group = OptionGroup::kOutput,
          .help = "print nothing but errors"};
}

Option json_row(bool& json) {
  return {.name = "json",
          .place = &json,
          .kind = OptionKind::kManner,
          .group = OptionGroup::kOutput,
          .help = "print JSON"};
}

Option config_row(std::string& path) {
  return {.name = "config",
          .place = &path,
          .kind = OptionKind::kText,
          .help = "TOML file of any of these options; the command line wins"};
}

bool read_command_line(const Communicator& comm, const Command& command,
                       const std::vector<Option>& options, const Words& words) {
  if (std::any_of(words.begin(), words.end(),
                  [](const std::string& word) { return word == "--help" || word == "-h"; })) {
    if (comm.is_root()) show(help_text(command));
    return false;
  }
  std::string text;
  comm.together([&] {
    if (!comm.is_root()) return;
    try {
      text = resolve(options, words);
    } catch (const InputError& error) {
      throw InputError(fmt::format("{} (see 'flotilla {} --help')", error.what(), command.name));
    }
  });
  comm.broadcast(text);
  comm.together([&] { read_options(options, text, "the command line"); });
  return true;
}

}  // namespace flotilla::app
