// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "flotilla/core/printed.hpp"

namespace flotilla {

/// A shared library in this process. It stays loaded to the end: a library may have left threads
/// behind that run its code.
class SharedLibrary {
 public:
  /// @throws InputError in the loader's own words if the library cannot be loaded
  explicit SharedLibrary(const std::string& path);

  const std::string& path() const { return path_; }
  /// The library's file without its folder, for messages.
  const std::string& name() const { return name_; }

  bool has(const char* symbol) const { return address_of(symbol) != nullptr; }

  /// A function of the library; null if it has none of that name.
  template <typename Function>
  Function* find(const char* symbol) const {
    return reinterpret_cast<Function*>(address_of(symbol));
  }

  /// The same. @throws InputError if the library has none of that name
  template <typename Function>
  Function* get(const char* symbol) const {
    return reinterpret_cast<Function*>(expect(symbol));
  }

 private:
  void* address_of(const char* symbol) const;
  void* expect(const char* symbol) const;

  std::string path_;
  std::string name_;
  void* handle_ = nullptr;
};

/// Calls a function of a library. C knows no exceptions, but a library in C++ may let one out.
/// @throws Error instead
template <typename Error, typename Call>
auto calling(const std::string& name, const char* function, Call call) {
  const auto refuse = [&](const std::string& reason) {
    return Error(fmt::format("{}: {} threw an exception{}: let none leave a function of C", name,
                             function, reason));
  };
  try {
    return call();
  } catch (const std::exception& error) {
    throw refuse(fmt::format(" ({})", printable(error.what())));
  } catch (...) {
    throw refuse("");
  }
}

/// The words of a text that a library wrote, as they can be shown, with one space between two.
std::string on_one_line(const char* text);

/// The parts of "mu,theta.1,theta.2".
std::vector<std::string> between_commas(const char* text);

}  // namespace flotilla
