// SPDX-License-Identifier: BSD-3-Clause
#include "flow/torchscript_plugin.hpp"

#include <dlfcn.h>

namespace flotilla {
namespace {

const torchscript::Plugin& load_plugin() {
  const std::string installed =
      fmt::format("{}/{}", FLOTILLA_PLUGIN_DIRECTORY, torchscript::kPluginFile);
  void* library = dlopen(torchscript::kPluginFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen(installed.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw InputError(fmt::format(
        "a TorchScript file needs LibTorch, and this flotilla was built without it or cannot load "
        "it ({}): install LibTorch (on Debian libtorch-dev), then configure and build flotilla "
        "again",
        dlerror()));
  }
  const auto entry =
      reinterpret_cast<torchscript::PluginEntry>(dlsym(library, torchscript::kPluginSymbol));
  if (entry == nullptr) {
    throw InputError(fmt::format("{} is of another version of flotilla: build both together",
                                 torchscript::kPluginFile));
  }
  return *entry();
}

}  // namespace

const torchscript::Plugin& torchscript_plugin() {
  static const torchscript::Plugin& loaded = load_plugin();
  return loaded;
}

}  // namespace flotilla
