#include "command_line.hpp"

#include <fmt/format.h>

#include <sstream>
#include <utility>

#include "flotilla/core/error.hpp"

namespace flotilla::app {

namespace {

/// CLI11's message, in our words where its own do not say what is wrong.
std::string explain(const CLI::ParseError& error) {
  std::string message = error.what();
  const std::string unknown_key = "INI was not able to parse ";
  const std::string no_number = "Could not convert: ";
  if (message.rfind(unknown_key, 0) == 0) {
    return fmt::format("the configuration file sets '{}', which is not an option",
                       message.substr(unknown_key.size()));
  }
  if (message.rfind(no_number, 0) == 0) {
    return fmt::format("a number is expected, but found {}", message.substr(no_number.size()));
  }
  return message;
}

/// TOML as it is read here ends a text at '#' or at a quote inside it: better no run than another
/// one.
void expect_recordable(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& value : option->results()) {
      if (value.find_first_of("#\"\n") == std::string::npos) continue;
      throw InputError(
          fmt::format("{} is {}, but a configuration cannot record '#', quotes or line breaks: "
                      "rename the file",
                      option->get_name(), value));
    }
  }
}

/// The configuration without the lines that concern the moment of the call alone, so that a run
/// file that is used as a configuration overwrites nothing and says what it does.
std::string without_manners(const std::string& text) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("force=", 0) != 0 && line.rfind("quiet=", 0) != 0) kept += line + "\n";
  }
  return kept;
}

}  // namespace

CommandLine::CommandLine(const std::string& name, const std::string& description,
                         std::function<void(CLI::App&)> define)
    : name_("flotilla " + name), description_(description), define_(std::move(define)) {}

void CommandLine::prepare(CLI::App& app) const {
  app.name(name_);
  app.description(description_);
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.option_defaults()->always_capture_default()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);
  app.get_formatter()->column_width(36);
  define_(app);
}

/// The resolved configuration; empty where help was asked for and printed.
std::string CommandLine::resolve(int argc, char** argv) const {
  CLI::App app;
  prepare(app);
  app.set_config("--config", "", "TOML file of any of these options; the command line wins")
      ->check(CLI::ExistingFile);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return "";
  } catch (const CLI::ParseError& error) {
    throw InputError(fmt::format("{}: see '{} --help' for all options", explain(error), name_));
  }
  expect_recordable(app);
  return app.config_to_str(true, false);
}

std::optional<std::string> CommandLine::parse(const Communicator& comm, int argc,
                                              char** argv) const {
  std::string text;
  comm.together([&] {
    if (comm.is_root()) text = resolve(argc, argv);
  });
  comm.broadcast(text);
  if (text.empty()) return std::nullopt;
  comm.together([&] {
    CLI::App app;
    prepare(app);
    std::istringstream stream(text);
    try {
      app.parse_from_stream(stream);
    } catch (const CLI::ParseError& error) {
      throw InputError(
          fmt::format("the resolved configuration does not read back: {}", error.what()));
    }
  });
  return without_manners(text);
}

std::string CommandLine::read(const std::string& toml) const {
  CLI::App app;
  prepare(app);
  std::istringstream stream(toml);
  try {
    app.parse_from_stream(stream);
  } catch (const CLI::ParseError& error) {
    throw InputError(fmt::format("{}: see '{} --help' for all options", explain(error), name_));
  }
  expect_recordable(app);
  return without_manners(app.config_to_str(true, false));
}

}  // namespace flotilla::app
