// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/location.hpp"
#include "flotilla/core/parameter.hpp"

namespace flotilla {

/// What an option is to a run. From it follows what is recorded, what a study may vary, what its
/// keys hold, and what no output may overwrite.
enum class OptionKind {
  kValue,   ///< decides what is computed
  kFlow,    ///< a flow file that is read
  kArray,   ///< numbers that are read
  kRun,     ///< a run file that is read
  kText,    ///< a text file that is read
  kOutput,  ///< a file that is written
  kManner,  ///< of the moment of the call: never recorded
};

/// The heading that an option's help stands under, in this order.
enum class OptionGroup { kWhat, kHow, kHowMuch, kStopping, kOutput };

/// Where an option's value is kept. A map is that of a Specification: the option's name is its key,
/// and it has no value where the key is missing.
using OptionPlace = std::variant<bool*, Index*, std::uint64_t*, double*, std::optional<double>*,
                                 std::string*, Location*, ContextSource*, std::vector<std::string>*,
                                 std::vector<std::uint64_t>*, std::map<std::string, double>*>;

/// An option: one row of a table that is bound to a configuration, whose values are the defaults.
///
/// Command line, configuration files, checks, help, man page, completion, what a run file records
/// and what a study may vary all follow from the row.
struct Option {
  const char* name;  ///< "clip-level"; a switch that is on by default is turned off by --no-NAME
  OptionPlace place;
  OptionKind kind = OptionKind::kValue;
  OptionGroup group = OptionGroup::kWhat;
  std::string help;
  Range range = {};                       ///< of a number
  Index multiple = 1;                     ///< of which a whole number is one
  const char* unit = "";                  ///< "nats"
  std::vector<std::string> choices = {};  ///< of a text; none: any
  std::string otherwise = {};             ///< what holds where there is no value, "dim^(-1/6)"
  char letter = '\0';                     ///< "-o"
  bool positional = false;                ///< may be given without its name
  bool required = false;
};

/// The row of a name, with '_' for '-' where somebody writes so; null where there is none.
const Option* find_option(const std::vector<Option>& options, std::string name);

/// ": did you mean 'chains'?" where one of the names is near enough, else nothing.
std::string suggestion(const std::string& wrong, const std::vector<std::string>& names);

// ---- What a row says of itself, for messages and help.

bool is_switch(const Option& option);
bool is_read(const Option& option);

/// Whether a study may vary it.
bool may_vary(const Option& option);

/// Which values it may have of those of its type: "from 1 to 7", "float, double"; empty for all.
std::string limits(const Option& option);

/// What a value has to be: "a whole number from 1 to 7".
std::string expected(const Option& option);

/// What stands for the value in a usage line: "FILE.h5[:dataset]"; empty for a switch.
std::string placeholder(const Option& option);

/// The value as it is now, as people write it; empty where there is none.
std::string current_text(const Option& option);

// ---- Setting values. Messages begin with what was wrong: "--chains should be ...".

/// Sets a value from a word of a command line; numbers are decimal. @throws InputError
void set_option(const Option& option, const std::string& word);

/// Sets what a TOML text sets. @param source  what the text is called, in messages
/// @throws InputError "SOURCE:LINE: 'key' ...", where a key is none, is set twice or has a value
/// that it cannot have
void read_options(const std::vector<Option>& options, const std::string& toml,
                  const std::string& source);

/// Sets what a TOML file sets. @throws InputError as read_options() does, or where it cannot be
/// read
void read_option_file(const std::vector<Option>& options, const std::string& path);

/// Takes relative paths that are read as meant beside a file of this folder.
void resolve_paths(const std::vector<Option>& options, const std::string& folder);

// ---- Checks. They look at one option at a time.

/// @throws InputError naming the first value that is not what its row wants
void check_options(const std::vector<Option>& options);

/// @throws InputError naming the first option that is required but has no value
void check_required(const std::vector<Option>& options);

/// Looks at files: two names of one file, by links or otherwise, are one file.
/// @throws InputError where an output is a file that is read
void check_outputs(const std::vector<Option>& options);

// ---- Values as text.

/// All values as TOML, as read_options() reads them back in the same folder.
std::string options_text(const std::vector<Option>& options);

/// The configuration as TOML, without manners and with absolute paths: it can be read back in any
/// folder. @throws InputError where a path cannot stand in TOML
std::string recorded_text(const std::vector<Option>& options);

/// What results depend on, a line an option: values, and the contents of what is read.
/// @param content  says what a file or array that is read holds now
std::string key_text(const std::vector<Option>& options,
                     const std::function<std::string(const Option&)>& content);

}  // namespace flotilla
