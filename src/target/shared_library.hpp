// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

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

}  // namespace flotilla
