// SPDX-License-Identifier: BSD-3-Clause
#include "target/shared_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"

namespace flotilla {

SharedLibrary::SharedLibrary(const std::string& path)
    : path_(path), name_(printable(std::filesystem::path(path).filename().string())) {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) {
    throw InputError(
        fmt::format("--density {}: there is no such file: name a shared library", printable(path)));
  }
  // The loader would look for a name without a folder elsewhere.
  const std::string whole = std::filesystem::absolute(path).string();
  handle_ = dlopen(whole.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ != nullptr) return;
  const char* const reason = dlerror();
  throw InputError(fmt::format("--density {}: it cannot be loaded as a shared library: {}",
                               printable(path),
                               printable(reason == nullptr ? "no reason is known" : reason)));
}

void* SharedLibrary::address_of(const char* symbol) const {
  return dlsym(handle_, symbol);
}

void* SharedLibrary::expect(const char* symbol) const {
  void* const address = address_of(symbol);
  if (address != nullptr) return address;
  throw InputError(fmt::format("{}: it has no function {}: define it, and build the library again",
                               name_, symbol));
}

std::string on_one_line(const char* text) {
  std::istringstream words(printable(text));
  std::string line;
  for (std::string word; words >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

std::vector<std::string> between_commas(const char* text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace flotilla
