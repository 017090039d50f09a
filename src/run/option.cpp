// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/option.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>
#include <sstream>

#include "flotilla/core/error.hpp"
#include "io/replace_file.hpp"
#include "run/option_value.hpp"
#include "run/report_log.hpp"

namespace flotilla {
namespace {

constexpr std::uint64_t kLargestNatural =
    std::numeric_limits<std::int64_t>::max();       // whole numbers of TOML are signed
constexpr double kExactWhole = 9007199254740992.0;  // 2^53: doubles below it are exact

template <typename T>
bool holds(const Option& option) {
  return std::holds_alternative<T*>(option.place);
}

bool is_whole(const Option& option) {
  return holds<Index>(option) || holds<std::uint64_t>(option) ||
         holds<std::vector<std::uint64_t>>(option);
}

bool is_number(const Option& option) {
  return is_whole(option) || holds<double>(option) || holds<std::optional<double>>(option) ||
         holds<std::map<std::string, double>>(option);
}

bool is_path(const Option& option) {
  return option.kind != OptionKind::kValue && option.kind != OptionKind::kManner;
}

/// The path that an option holds; null if it holds none, or a word that stands for none.
std::string* path_of(const Option& option) {
  if (!is_path(option)) return nullptr;
  std::string* path = nullptr;
  if (auto* const* place = std::get_if<std::string*>(&option.place)) path = *place;
  if (auto* const* place = std::get_if<Location*>(&option.place)) path = &(*place)->path;
  if (auto* const* place = std::get_if<ContextSource*>(&option.place)) {
    auto* const location = std::get_if<Location>(*place);
    path = location == nullptr ? nullptr : &location->path;
  }
  if (path == nullptr || path->empty()) return nullptr;
  std::error_code unknown;
  if (option.kind == OptionKind::kArguments && !std::filesystem::is_regular_file(*path, unknown)) {
    return nullptr;
  }
  const bool word =
      std::find(option.choices.begin(), option.choices.end(), *path) != option.choices.end();
  return word ? nullptr : path;
}

/// The path that an option holds, if it is relative to a folder; null if it holds none.
std::string* relative_path_of(const Option& option, const std::string& folder) {
  if (option.kind != OptionKind::kArguments) return path_of(option);
  std::string* const path = std::get<std::string*>(option.place);
  std::error_code unknown;
  const bool file =
      std::filesystem::is_regular_file(std::filesystem::path(folder) / *path, unknown);
  return !path->empty() && file ? path : nullptr;
}

/// Whether a number may be left out by this word.
bool stands_for_no_number(const Option& option, const std::string& word) {
  return !option.choices.empty() && word == option.choices.front();
}

std::vector<std::string> between_commas(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

// ---- Values as TOML.

TomlValue as_toml(std::uint64_t value) {
  return {static_cast<std::int64_t>(value)};
}

/// The value of an option; empty if it has none.
struct ToToml {
  const Option& option;

  using Found = std::optional<TomlValue>;
  Found operator()(const bool* place) const { return TomlValue{*place}; }
  Found operator()(const Index* place) const { return TomlValue{std::int64_t{*place}}; }
  Found operator()(const std::uint64_t* place) const { return as_toml(*place); }
  Found operator()(const double* place) const { return TomlValue{*place}; }
  Found operator()(const std::optional<double>* place) const {
    if (*place) return TomlValue{**place};
    return option.choices.empty() ? std::nullopt : Found(TomlValue{option.choices.front()});
  }
  Found operator()(const std::string* place) const { return TomlValue{*place}; }
  Found operator()(const Location* place) const { return TomlValue{place->text()}; }
  Found operator()(const ContextSource* place) const {
    if (const auto* const location = std::get_if<Location>(place)) return (*this)(location);
    return list(std::get<std::vector<double>>(*place));
  }
  Found operator()(const std::vector<std::string>* place) const { return list(*place); }
  Found operator()(const std::vector<std::uint64_t>* place) const { return list(*place); }
  Found operator()(const std::map<std::string, double>* place) const {
    const auto found = place->find(option.name);
    return found == place->end() ? std::nullopt : Found(TomlValue{found->second});
  }

 private:
  static TomlValue element(double value) { return {value}; }
  static TomlValue element(std::uint64_t value) { return as_toml(value); }
  static TomlValue element(const std::string& value) { return {value}; }

  template <typename T>
  static Found list(const std::vector<T>& values) {
    std::vector<TomlValue> found;
    found.reserve(values.size());
    for (const T& value : values) found.push_back(element(value));
    return TomlValue{std::move(found)};
  }
};

std::optional<TomlValue> value_of(const Option& option) {
  return std::visit(ToToml{option}, option.place);
}

/// "name = value". Throws if that does not read back: a path may have bytes that TOML does not
/// allow.
std::string line_of(const Option& option, const TomlValue& value) {
  std::string line = fmt::format("{} = {}\n", option.name, to_toml(value));
  try {
    if (parse_toml(line, "").front().value == value) return line;
  } catch (const InputError&) {  // reported below
  }
  throw InputError(
      fmt::format("--{} is {}, which a configuration cannot record: it should be text in UTF-8, "
                  "or finite numbers",
                  option.name, to_toml(value)));
}

// ---- Setting a value.

/// What a value came from, and how a message quotes it.
struct Message {
  const Option& option;
  const std::string& subject;
  const std::string& found;

  [[noreturn]] void refuse() const {
    throw InputError(fmt::format("{} should be {} but is {}", subject, expected(option), found));
  }
};

/// Stores a value of a TOML file if its type fits the option.
struct FromToml {
  const Message& message;
  const TomlValue& from;

  void operator()(bool* place) const { *place = as<bool>(from); }
  void operator()(Index* place) const { *place = whole(from); }
  void operator()(std::uint64_t* place) const { *place = natural(from); }
  void operator()(double* place) const { *place = number(from); }
  void operator()(std::optional<double>* place) const {
    const auto* const word = std::get_if<std::string>(&from.value);
    if (word != nullptr && stands_for_no_number(message.option, *word)) {
      place->reset();
    } else {
      *place = number(from);
    }
  }
  void operator()(std::string* place) const { *place = as<std::string>(from); }
  void operator()(Location* place) const { *place = location(as<std::string>(from)); }
  void operator()(ContextSource* place) const {
    if (const auto* const text = std::get_if<std::string>(&from.value)) {
      *place = parse_context(*text);
      if (std::holds_alternative<Location>(*place)) location(*text);
    } else {
      *place = list<double>([this](const TomlValue& one) { return number(one); });
    }
  }
  void operator()(std::vector<std::string>* place) const {
    if (const auto* const text = std::get_if<std::string>(&from.value)) {
      *place = between_commas(*text);
    } else {
      *place = list<std::string>([this](const TomlValue& one) { return as<std::string>(one); });
    }
  }
  void operator()(std::vector<std::uint64_t>* place) const {
    *place = list<std::uint64_t>([this](const TomlValue& one) { return natural(one); });
  }
  void operator()(std::map<std::string, double>* place) const {
    place->insert_or_assign(message.option.name, number(from));
  }

 private:
  template <typename T>
  T as(const TomlValue& value) const {
    const T* const found = std::get_if<T>(&value.value);
    if (found == nullptr) message.refuse();
    return *found;
  }

  /// A place has a file, unless it is none.
  Location location(const std::string& text) const {
    Location found = Location::parse(text);
    if (found.path.empty() && !text.empty()) message.refuse();
    return found;
  }

  double number(const TomlValue& value) const {
    if (const auto* const found = std::get_if<std::int64_t>(&value.value)) {
      return static_cast<double>(*found);
    }
    return as<double>(value);
  }

  std::int64_t whole(const TomlValue& value) const {
    if (const auto* const found = std::get_if<std::int64_t>(&value.value)) return *found;
    const double number = as<double>(value);  // such as 1e4 or 64.0
    if (!(std::abs(number) <= kExactWhole) || number != std::floor(number)) message.refuse();
    return static_cast<std::int64_t>(number);
  }

  std::uint64_t natural(const TomlValue& value) const {
    const std::int64_t found = whole(value);
    if (found < 0) message.refuse();
    return static_cast<std::uint64_t>(found);
  }

  /// A single value counts as a list of one.
  template <typename T, typename Element>
  std::vector<T> list(Element element) const {
    std::vector<T> values;
    if (const auto* const array = std::get_if<std::vector<TomlValue>>(&from.value)) {
      for (const TomlValue& value : *array) values.push_back(element(value));
    } else {
      values.push_back(element(from));
    }
    return values;
  }
};

/// Whether a value satisfies its row.
struct IsRight {
  const Option& option;

  bool operator()(const bool* /*place*/) const { return true; }
  bool operator()(const Index* place) const {
    return option.range.contains(static_cast<double>(*place)) && *place % option.multiple == 0;
  }
  bool operator()(const std::uint64_t* place) const {
    return option.range.contains(static_cast<double>(*place)) && *place <= kLargestNatural;
  }
  bool operator()(const double* place) const { return option.range.contains(*place); }
  bool operator()(const std::optional<double>* place) const {
    return !*place || option.range.contains(**place);
  }
  bool operator()(const std::string* place) const {
    if (option.kind == OptionKind::kOutput && place->empty()) return !option.otherwise.empty();
    if (option.choices.empty() || is_path(option)) return true;
    return std::find(option.choices.begin(), option.choices.end(), *place) != option.choices.end();
  }
  bool operator()(const Location* /*place*/) const { return true; }
  bool operator()(const ContextSource* place) const {
    const auto* const numbers = std::get_if<std::vector<double>>(place);
    return numbers == nullptr || std::all_of(numbers->begin(), numbers->end(),
                                             [](double number) { return std::isfinite(number); });
  }
  bool operator()(const std::vector<std::string>* /*place*/) const { return true; }
  bool operator()(const std::vector<std::uint64_t>* place) const {
    return !place->empty() && std::all_of(place->begin(), place->end(),
                                          [this](std::uint64_t value) { return (*this)(&value); });
  }
  bool operator()(const std::map<std::string, double>* place) const {
    const auto found = place->find(option.name);
    return found == place->end() || option.range.contains(found->second);
  }
};

void set_value(const Option& option, const TomlValue& value, const std::string& subject,
               const std::string& found) {
  const Message message{option, subject, found};
  std::visit(FromToml{message, value}, option.place);
  if (!std::visit(IsRight{option}, option.place)) message.refuse();
}

/// A decimal number and nothing else; a text if the word is not one.
TomlValue number_or_text(const std::string& word) {
  const char* const end = word.data() + word.size();
  const char* const digits = word.data() + (word.starts_with('-') ? 1 : 0);
  const bool leading_zero =
      end - digits > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9';
  const auto read = [&](auto& value) {
    const auto [rest, error] = std::from_chars(word.data(), end, value);
    return error == std::errc() && rest == end && !leading_zero;
  };
  std::int64_t whole = 0;
  if (read(whole)) return {whole};
  double number = 0.0;
  if (read(number)) return {number};
  return {word};
}

/// Turns a word of a command line into a value of the option's type, if possible.
TomlValue word_as_value(const Option& option, const std::string& word) {
  if (holds<std::vector<std::uint64_t>>(option)) {
    std::vector<TomlValue> values;
    for (const std::string& part : between_commas(word)) values.push_back(number_or_text(part));
    return {values};
  }
  if (is_number(option)) return number_or_text(word);
  if (is_switch(option) && (word == "true" || word == "false")) return {word == "true"};
  return {word};
}

// ---- Names.

/// Edit distance: letters changed, removed, added or swapped with their neighbour.
std::size_t letters_apart(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> apart(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        apart[i][j] = i + j;
        continue;
      }
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      apart[i][j] =
          std::min({apart[i - 1][j] + 1, apart[i][j - 1] + 1, apart[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        apart[i][j] = std::min(apart[i][j], apart[i - 2][j - 2] + 1);
      }
    }
  }
  return apart[a.size()][b.size()];
}

/// The message for a key that is not an option.
std::string unknown_key(const std::vector<Option>& options, const std::string& key) {
  const Option* const option = key.starts_with("no-") || key.starts_with("no_")
                                   ? find_option(options, key.substr(3))
                                   : nullptr;
  if (option != nullptr && is_switch(*option)) {
    return fmt::format("'{}' is no option of a file: write '{} = false'", key, option->name);
  }
  std::vector<std::string> names;
  names.reserve(options.size());
  for (const Option& row : options) names.emplace_back(row.name);
  return fmt::format("'{}' is no option{}", key, suggestion(key, names));
}

// ---- Files.

/// An output and the reports beside it are no input.
void expect_other_files(const Option& output, const std::string& path, const std::string& input) {
  const auto is_input = [&](const std::string& written) {
    std::error_code unknown;
    return std::filesystem::equivalent(input, written, unknown);
  };
  if (is_input(path)) {
    throw InputError(fmt::format("--{} is a file that is read, {}: give the output another name",
                                 output.name, input));
  }
  // What an unfinished output left behind is removed.
  const std::filesystem::path read(input);
  const bool is_leftover = is_unfinished_name(read.filename().string(),
                                              std::filesystem::path(path).filename().string()) &&
                           directory_of(input) == directory_of(path);
  if (is_leftover || is_input(ReportLog::path_beside(path))) {
    throw InputError(
        fmt::format("--{} {} would overwrite a file that is read, {}: give the output another name",
                    output.name, path, input));
  }
}

}  // namespace

std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  std::string wrong = word;
  std::transform(wrong.begin(), wrong.end(), wrong.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  const auto nearer = [&](const std::string& a, const std::string& b) {
    return letters_apart(wrong, a) < letters_apart(wrong, b);
  };
  const auto nearest = std::min_element(names.begin(), names.end(), nearer);
  if (nearest == names.end()) return "";
  const std::size_t most = wrong.size() < 4 ? 1 : std::max<std::size_t>(2, wrong.size() / 3);
  if (letters_apart(wrong, *nearest) <= most) return fmt::format(": did you mean '{}'?", *nearest);
  const auto longer = std::find_if(
      names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(wrong); });
  const bool begun = longer != names.end() && wrong.size() > 2;
  return begun ? fmt::format(": did you mean '{}'?", *longer) : "";
}

const Option* find_option(const std::vector<Option>& options, std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const Option& option) { return name == option.name; });
  return found == options.end() ? nullptr : &*found;
}

bool is_switch(const Option& option) {
  return holds<bool>(option);
}

bool is_read(const Option& option) {
  return is_path(option) && option.kind != OptionKind::kOutput;
}

bool may_vary(const Option& option) {
  return option.kind == OptionKind::kValue || option.kind == OptionKind::kFlow ||
         option.kind == OptionKind::kArray || option.kind == OptionKind::kFile ||
         option.kind == OptionKind::kArguments;
}

std::string limits(const Option& option) {
  if (is_switch(option) || is_path(option)) return "";
  if (!is_number(option)) return fmt::format("{}", fmt::join(option.choices, ", "));
  const bool any = option.range == Range{};
  std::string text = any ? "" : to_text(option.range);
  if (!option.choices.empty()) text += fmt::format(", or {}", option.choices.front());
  if (option.multiple > 1) text += fmt::format(", a multiple of {}", option.multiple);
  return text;
}

std::string expected(const Option& option) {
  if (is_switch(option)) return "true or false";
  if (is_number(option)) {
    const std::string within = limits(option);
    if (is_whole(option) && !holds<Index>(option) && within.empty()) {
      const auto text = fmt::format("a whole number from 0 to {}", kLargestNatural);
      return holds<std::uint64_t>(option) ? text : "a list of one or more, each " + text;
    }
    std::string text = is_whole(option) ? "a whole number"
                       : within.empty() ? "a finite number"
                                        : "a number";
    if (!within.empty()) text += (within.starts_with("at ") ? " of " : " ") + within;
    return text;
  }
  if (holds<ContextSource>(option)) return "a list of finite numbers or a place FILE.h5[:dataset]";
  if (holds<Location>(option)) return "a place FILE.h5[:dataset]";
  if (holds<std::vector<std::string>>(option)) return "a list of names";
  if (option.kind == OptionKind::kArguments) return "a text";
  if (is_path(option)) return "the path of a file";
  return option.choices.empty() ? "a text" : "one of " + limits(option);
}

std::string placeholder(const Option& option) {
  if (is_switch(option)) return "";
  if (holds<ContextSource>(option)) return "NUMBERS|FILE.h5[:dataset]";
  if (holds<Location>(option)) return "FILE.h5[:dataset]";
  if (option.kind == OptionKind::kFlow) return "FLOW.h5";
  if (option.kind == OptionKind::kRun) return "RUN.h5";
  if (option.kind == OptionKind::kText) return "FILE.toml";
  if (option.kind == OptionKind::kFile) return "FILE";
  if (option.kind == OptionKind::kArguments) return "TEXT";
  if (option.kind == OptionKind::kOutput) return "OUTPUT.h5";
  if (is_whole(option)) return "N";
  if (is_number(option)) return "X";
  return holds<std::vector<std::string>>(option) ? "NAME,..." : "NAME";
}

std::string current_text(const Option& option) {
  const std::optional<TomlValue> value = value_of(option);
  if (!value) return "";
  if (const auto* const text = std::get_if<std::string>(&value->value)) return *text;
  if (const auto* const number = std::get_if<double>(&value->value)) {
    return fmt::format("{}", *number);
  }
  if (const auto* const list = std::get_if<std::vector<TomlValue>>(&value->value)) {
    if (list->empty()) return "";
  }
  return to_toml(*value);
}

void set_option(const Option& option, const std::string& word) {
  const std::string subject = fmt::format("--{}", option.name);
  const std::string found = fmt::format("'{}'", word);
  if (word.empty()) Message{option, subject, found}.refuse();
  set_value(option, word_as_value(option, word), subject, found);
}

void set_option(const Option& option, const TomlValue& value, const std::string& subject) {
  set_value(option, value, subject, to_toml(value));
}

std::string subject_of(const TomlEntry& entry, const std::string& source) {
  return fmt::format("{}:{}: '{}'", source, entry.line, entry.key);
}

void read_options(const std::vector<Option>& options, const std::string& toml,
                  const std::string& source) {
  std::set<const Option*> seen;
  for (const TomlEntry& entry : parse_toml(toml, source)) {
    if (!entry.section.empty()) {
      throw InputError(
          fmt::format("{}:{}: '{}' stands in a section [{}], but a configuration has none", source,
                      entry.line, entry.key, entry.section));
    }
    const Option* const option = find_option(options, entry.key);
    if (option == nullptr) {
      throw InputError(
          fmt::format("{}:{}: {}", source, entry.line, unknown_key(options, entry.key)));
    }
    const std::string subject = subject_of(entry, source);
    if (!seen.insert(option).second) throw InputError(fmt::format("{} is set twice", subject));
    set_option(*option, entry.value, subject);
  }
}

void read_option_file(const std::vector<Option>& options, const std::string& path) {
  read_options(options, read_text_file(path), path);
}

void resolve_paths(const std::vector<Option>& options, const std::string& folder) {
  for (const Option& option : options) {
    std::string* const path = is_read(option) ? relative_path_of(option, folder) : nullptr;
    if (path != nullptr) *path = (std::filesystem::path(folder) / *path).string();
  }
}

void check_options(const std::vector<Option>& options) {
  for (const Option& option : options) {
    if (std::visit(IsRight{option}, option.place)) continue;
    const std::string subject = fmt::format("--{}", option.name);
    const std::string found = to_toml(value_of(option).value_or(TomlValue{}));
    Message{option, subject, found}.refuse();
  }
}

void check_required(const std::vector<Option>& options) {
  for (const Option& option : options) {
    if (!option.required || !current_text(option).empty()) continue;
    throw InputError(fmt::format("--{} is required: give it {}", option.name, expected(option)));
  }
}

void check_outputs(const std::vector<Option>& options) {
  for (const Option& output : options) {
    if (output.kind != OptionKind::kOutput || path_of(output) == nullptr) continue;
    for (const Option& option : options) {
      const std::string* const input = is_read(option) ? path_of(option) : nullptr;
      if (input != nullptr) expect_other_files(output, *path_of(output), *input);
    }
  }
}

std::string options_text(const std::vector<Option>& options) {
  std::string text;
  for (const Option& option : options) {
    const std::optional<TomlValue> value = value_of(option);
    if (value) text += line_of(option, *value);
  }
  return text;
}

std::string recorded_text(const std::vector<Option>& options) {
  std::string text;
  for (const Option& option : options) {
    std::optional<TomlValue> value = value_of(option);
    if (!value || option.kind == OptionKind::kManner) continue;
    if (const std::string* const path = path_of(option)) {
      const std::string whole = std::filesystem::absolute(*path).string();
      const std::string& now = std::get<std::string>(value->value);
      value = TomlValue{option.kind == OptionKind::kArray
                            ? Location{whole, Location::parse(now).dataset}.text()
                            : whole};
    }
    text += line_of(option, *value);
  }
  return text;
}

std::string key_text(const std::vector<Option>& options,
                     const std::function<std::string(const Option&)>& content) {
  std::string text;
  for (const Option& option : options) {
    if (!may_vary(option)) continue;
    const bool file = path_of(option) != nullptr;
    const std::optional<TomlValue> value = value_of(option);
    if (!file && !value) continue;
    text += fmt::format("{} = {}\n", option.name, file ? content(option) : to_toml(*value));
  }
  return text;
}

}  // namespace flotilla
