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

/// The kind of an option. It decides what a run file records, what a study may vary, what the keys
/// of its cells hold, and which files an output may not overwrite.
enum class OptionKind {
  kValue,      ///< decides what is computed
  kFlow,       ///< a flow file that is read
  kArray,      ///< numbers that are read
  kRun,        ///< a run file that is read
  kText,       ///< a text file that is read
  kFile,       ///< a file of another kind that is read
  kArguments,  ///< a text that decides what is computed; if it is the path of a file, that is read
  kOutput,     ///< a file that is written
  kManner,     ///< concerns this call only; never recorded
};

/// The heading under which help lists an option; headings appear in this order.
enum class OptionGroup { kWhat, kHow, kHowMuch, kStopping, kOutput };

/// Where an option's value is stored. In the map of a Specification the key is the option's name;
/// the option has no value if the key is missing.
using OptionPlace = std::variant<bool*, Index*, std::uint64_t*, double*, std::optional<double>*,
                                 std::string*, Location*, ContextSource*, std::vector<std::string>*,
                                 std::vector<std::uint64_t>*, std::map<std::string, double>*>;

/// An option: one row of a table that points into a configuration. The configuration's values are
/// the defaults.
///
/// Command line, configuration files, checks, help, man page, completion, what a run file records
/// and what a study may vary all follow from the row.
struct Option {
  const char* name;  ///< "clip-level"; --no-NAME turns off a switch that is on by default
  OptionPlace place;
  OptionKind kind = OptionKind::kValue;
  OptionGroup group = OptionGroup::kWhat;
  std::string help;
  Range range = {};                       ///< of a number
  Index multiple = 1;                     ///< a whole number must be a multiple of this
  const char* unit = "";                  ///< "nats"
  std::vector<std::string> choices = {};  ///< allowed texts; empty: any text. Of an optional
                                          ///< number: the word that stands for none
  std::string otherwise = {};             ///< what holds without a value, "dim^(-1/6)"
  char letter = '\0';                     ///< "-o"
  bool positional = false;                ///< may be given without its name
  bool required = false;
};

/// The row of an option; null if there is none. '_' counts as '-'.
const Option* find_option(const std::vector<Option>& options, std::string name);

/// ": did you mean 'chains'?" if a similar name exists, else empty.
std::string suggestion(const std::string& word, const std::vector<std::string>& names);

// ---- What a row says of itself, for messages and help.

/// Whether the option has no value on a command line: it is on or off.
bool is_switch(const Option& option);
/// Whether the option names a file or an array that is read.
bool is_read(const Option& option);

/// Whether a study may vary the option.
bool may_vary(const Option& option);

/// The allowed values among those of its type: "from 1 to 7", "float, double"; empty: all.
std::string limits(const Option& option);

/// What a value has to be: "a whole number from 1 to 7".
std::string expected(const Option& option);

/// The placeholder of the value in a usage line, "FILE.h5[:dataset]"; empty for a switch.
std::string placeholder(const Option& option);

/// The current value as a user would write it; empty if there is none.
std::string current_text(const Option& option);

// ---- Setting values. A message begins with the option: "--chains should be ...".

/// Sets an option from a word of a command line. Numbers are decimal. @throws InputError
void set_option(const Option& option, const std::string& word);

/// Sets options from a TOML text. @param source  name of the text, for messages
/// @throws InputError "SOURCE:LINE: 'key' ...", if a key is unknown, is set twice or has a wrong
/// value
void read_options(const std::vector<Option>& options, const std::string& toml,
                  const std::string& source);

/// Sets options from a TOML file. @throws InputError as read_options() does, or if the file cannot
/// be read
void read_option_file(const std::vector<Option>& options, const std::string& path);

/// Makes the relative paths of inputs relative to `folder`.
void resolve_paths(const std::vector<Option>& options, const std::string& folder);

// ---- Checks. Most look at one option at a time.

/// @throws InputError naming the first value that its row does not allow
void check_options(const std::vector<Option>& options);

/// @throws InputError naming the first required option that has no value
void check_required(const std::vector<Option>& options);

/// Checks that no output would overwrite an input. Different names of one file, by links or
/// otherwise, count as the same file.
/// @throws InputError if an output is also an input
void check_outputs(const std::vector<Option>& options);

// ---- Values as text.

/// All values as TOML. read_options() reads them back in the same folder.
std::string options_text(const std::vector<Option>& options);

/// The configuration as TOML, with absolute paths and without options of kind kManner. It can be
/// read back in any folder. @throws InputError if a path cannot be written in TOML
std::string recorded_text(const std::vector<Option>& options);

/// All that the results depend on, one line per option: values, and the contents of input files.
/// @param content  returns a text that identifies the contents of an input file or array
std::string key_text(const std::vector<Option>& options,
                     const std::function<std::string(const Option&)>& content);

}  // namespace flotilla
