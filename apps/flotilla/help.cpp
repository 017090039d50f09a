// SPDX-License-Identifier: BSD-3-Clause

// Help, man pages and completion: three outputs from the tables of commands and options.
#include "help.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "command_line.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/core/version.hpp"

namespace flotilla::app {
namespace {

constexpr std::size_t kColumns = 100;
constexpr std::size_t kTextColumn = 34;  // where explanations begin
constexpr const char* kPurpose =
    "flotilla samples normalizing flows with ensembles of latent MALA chains.";

struct Heading {
  OptionGroup group;
  const char* title;
};
constexpr Heading kHeadings[] = {
    {OptionGroup::kWhat, "What"},        {OptionGroup::kHow, "How"},
    {OptionGroup::kHowMuch, "How much"}, {OptionGroup::kStopping, "Stopping"},
    {OptionGroup::kOutput, "Output"},
};

/// All options of a command with their defaults, including --config.
std::vector<Option> all_options(const Command& command) {
  static std::string no_config;
  std::vector<Option> options = command.options();
  options.push_back(config_row(no_config));
  return options;
}

bool on_by_default(const Option& option) {
  return is_switch(option) && current_text(option) == "true";
}

/// "--no-latent": the name on a command line.
std::string spelling(const Option& option) {
  return fmt::format("--{}{}", on_by_default(option) ? "no-" : "", option.name);
}

/// "-o, --output OUTPUT.h5".
std::string names_of(const Option& option) {
  std::string text;
  if (option.positional) text += placeholder(option) + ", ";
  if (option.letter != '\0') text += fmt::format("-{}, ", option.letter);
  text += spelling(option);
  return is_switch(option) ? text : text + " " + placeholder(option);
}

/// The meaning of an option, with its unit, its allowed values and its default.
std::string meaning_of(const Option& option) {
  std::vector<std::string> details;
  const auto add = [&](const std::string& before, const std::string& text) {
    if (!text.empty()) details.push_back(before + text);
  };
  add("", option.required ? "required" : "");
  add("", limits(option));
  add("unit: ", option.unit);
  const std::string now = is_switch(option) ? "" : current_text(option);
  add("default: ", now.empty() ? option.otherwise : now);
  add("in a file: ", on_by_default(option) ? fmt::format("{} = false", option.name) : "");
  if (details.empty()) return option.help;
  return fmt::format("{} ({})", option.help, fmt::join(details, "; "));
}

/// "flotilla sample [OPTIONS] FLOW.h5".
std::string synopsis(const Command& command) {
  std::string text = fmt::format("flotilla {} [OPTIONS]", command.name);
  for (const Option& option : command.options()) {
    if (!option.required) continue;
    text += option.positional ? " " : fmt::format(" --{} ", option.name);
    text += placeholder(option);
  }
  return text;
}

std::vector<ExitCode> exit_codes(const Command& command) {
  std::vector<ExitCode> codes(std::begin(kExitCodes), std::end(kExitCodes));
  if (*command.verdict != '\0') codes.push_back({kVerdict, command.verdict});
  return codes;
}

// ---- Help.

/// Fills lines with words, up to kColumns. Every line begins at a given column.
std::string wrapped(const std::string& text, std::size_t column) {
  std::istringstream words(text);
  std::string lines;
  std::size_t place = column;
  for (std::string word; words >> word;) {
    if (place > column && place + 1 + word.size() > kColumns) {
      lines.append(1, '\n').append(column, ' ');
      place = column;
    }
    if (place > column) lines += " ";
    place += word.size() + (place > column ? 1 : 0);
    lines += word;
  }
  return lines + "\n";
}

/// A term and its explanation, beside it or below it.
std::string entry(const std::string& names, const std::string& meaning) {
  std::string line = "  " + names;
  if (line.size() + 2 > kTextColumn) {
    line.append(1, '\n').append(kTextColumn, ' ');
  } else {
    line.resize(kTextColumn, ' ');
  }
  return line + wrapped(meaning, kTextColumn);
}

}  // namespace

std::string overview() {
  std::string text = fmt::format("{}\n\n", kPurpose);
  for (const Command& command : commands()) {
    text += fmt::format("  {:<24}", fmt::format("flotilla {}", command.name)) +
            wrapped(command.summary, 26);
  }
  text += "  flotilla --version      version, commit, compiler, instruction set, libraries\n";
  return text +
         "\n'flotilla COMMAND --help' lists a command's options. 'mpirun -n 4 flotilla ...' "
         "runs it on 4 ranks.\n";
}

std::string help_text(const Command& command) {
  std::string text = fmt::format("{}\n\nusage: {}\n", command.summary, synopsis(command));
  const std::vector<Option> options = all_options(command);
  for (const Heading& heading : kHeadings) {
    std::string entries;
    for (const Option& option : options) {
      if (option.group == heading.group) entries += entry(names_of(option), meaning_of(option));
    }
    if (!entries.empty()) text += fmt::format("\n{}:\n{}", heading.title, entries);
  }
  if (!command.terms.empty()) text += "\nFigures:\n";
  for (const Term& term : command.terms) text += entry(term.name, term.meaning);
  text += "\nExamples:\n";
  for (const char* example : command.examples) text += fmt::format("  {}\n", example);
  text += "\nExit codes:\n";
  for (const ExitCode& code : exit_codes(command)) {
    text += fmt::format("  {}  {}\n", code.code, code.meaning);
  }
  return text;
}

// ---- Man pages.

namespace {

/// Escapes text for troff: no line begins with a control character, and '-' stays a hyphen-minus.
std::string troff(const std::string& text) {
  std::string safe;
  for (const char letter : text) {
    if (letter == '-' || letter == '\\') safe += '\\';
    safe += letter == '\\' ? 'e' : letter;
  }
  return (safe.starts_with('.') || safe.starts_with('\'') ? "\\&" : "") + safe;
}

std::string with_hyphens(std::string name) {
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string page_name(const Command& command) {
  return with_hyphens(fmt::format("flotilla {}", command.name));
}

std::string head_of_page(const std::string& name, const std::string& summary) {
  std::string title = name;
  std::transform(title.begin(), title.end(), title.begin(), [](char letter) {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  });
  return fmt::format(".TH {} 1 \"\" \"flotilla {}\" \"flotilla\"\n.SH NAME\n{} \\- {}\n",
                     troff(title), build_facts().version, troff(name), troff(summary));
}

std::string tagged(const std::string& tag, const std::string& text) {
  return fmt::format(".TP\n.B {}\n{}\n", troff(tag), troff(text));
}

std::string page_of_program() {
  std::string page = head_of_page("flotilla", kPurpose);
  page += ".SH SYNOPSIS\n.B flotilla\nCOMMAND [OPTIONS]\n.br\n.B flotilla \\-\\-version\n";
  page += ".SH COMMANDS\n";
  for (const Command& command : commands()) page += tagged(command.name, command.summary);
  page += ".SH EXIT STATUS\n";
  for (const ExitCode& code : kExitCodes) page += tagged(std::to_string(code.code), code.meaning);
  page += tagged(std::to_string(kVerdict), "a command's own verdict: see its page");
  page += ".SH SEE ALSO\n";
  for (const Command& command : commands()) {
    page += fmt::format(".BR {} (1)\n", troff(page_name(command)));
  }
  return page;
}

std::string page_of(const Command& command) {
  std::string page = head_of_page(page_name(command), command.summary);
  page += fmt::format(".SH SYNOPSIS\n{}\n.SH DESCRIPTION\n{}\n.SH OPTIONS\n",
                      troff(synopsis(command)), troff(command.summary));
  const std::vector<Option> options = all_options(command);
  for (const Heading& heading : kHeadings) {
    std::string entries;
    for (const Option& option : options) {
      if (option.group == heading.group) entries += tagged(names_of(option), meaning_of(option));
    }
    if (!entries.empty()) page += fmt::format(".SS {}\n{}", heading.title, entries);
  }
  if (!command.terms.empty()) page += ".SH FIGURES\n";
  for (const Term& term : command.terms) page += tagged(term.name, term.meaning);
  page += ".SH EXAMPLES\n.nf\n";
  for (const char* example : command.examples) page += troff(example) + "\n";
  page += ".fi\n.SH EXIT STATUS\n";
  for (const ExitCode& code : exit_codes(command)) {
    page += tagged(std::to_string(code.code), code.meaning);
  }
  return page + ".SH SEE ALSO\n.BR flotilla (1)\n";
}

// ---- Completion.

/// The first words of all commands, or the second words of commands that have two, separated by
/// spaces.
std::string words_after(const std::string& first) {
  std::string words;
  for (const Command& command : commands()) {
    std::istringstream name(command.name);
    std::string one;
    std::string two;
    name >> one >> two;
    const std::string& word = first.empty() ? one : two;
    const bool wanted =
        first.empty() ? words.find(" " + one + " ") == std::string::npos : first == one;
    if (wanted) words += (words.empty() ? " " : "") + word + " ";
  }
  return words;
}

/// A case for each first word of commands that have two: the words that may follow it.
std::string second_words() {
  std::string cases;
  std::string done;
  for (const Command& command : commands()) {
    const std::string name = command.name;
    const std::size_t space = name.find(' ');
    const std::string first = name.substr(0, space);
    if (space == std::string::npos || done == first) continue;
    cases += fmt::format("    {}) words='{}' ;;\n", first, words_after(first));
    done = first;
  }
  return cases;
}

std::string completion() {
  std::string cases;
  std::string choices;
  for (const Command& command : commands()) {
    std::vector<std::string> names = {"--help"};
    for (const Option& option : all_options(command)) {
      names.push_back(spelling(option));
      if (option.choices.empty()) continue;
      choices += fmt::format("    '{} {}') words='{}' ;;\n", command.name, spelling(option),
                             fmt::join(option.choices, " "));
    }
    cases += fmt::format("    '{}') options='{}' ;;\n", command.name, fmt::join(names, " "));
  }
  return fmt::format(
      R"(# Completion of flotilla for bash: commands, options, and what options choose from.
_flotilla() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command=${{COMP_WORDS[1]}} words='' options=''
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- "$current")
    return
  fi
  case "$command" in
{}  esac
  if [[ -n $words ]]; then
    if ((COMP_CWORD == 2)); then
      mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
      return
    fi
    command="$command ${{COMP_WORDS[2]}}" words=''
  fi
  case "$command $previous" in
{}  esac
  case "$command" in
{}  esac
  [[ $current == -* ]] && words=$options
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _flotilla flotilla
)",
      words_after(""), second_words(), choices, cases);
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw EnvironmentError(fmt::format("cannot write {}", path.string()));
}

}  // namespace

void write_documents(const std::string& folder) {
  const std::filesystem::path place(folder);
  write(place / "man1" / "flotilla.1", page_of_program());
  for (const Command& command : commands()) {
    write(place / "man1" / (page_name(command) + ".1"), page_of(command));
  }
  write(place / "completions" / "flotilla", completion());
}

}  // namespace flotilla::app
