#include "flotilla/flow/torchscript.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <type_traits>

#include "flotilla/core/error.hpp"
#include "torchscript/plugin.hpp"

namespace flotilla {
namespace {

const TorchScriptPlugin& load_plugin() {
  void* library = dlopen(kPluginFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw InputError(fmt::format(
        "a TorchScript file needs LibTorch, and this flotilla was built without it or cannot load "
        "it ({}): install LibTorch (on Debian libtorch-dev), then configure and build flotilla "
        "again",
        dlerror()));
  }
  const auto entry = reinterpret_cast<PluginEntry>(dlsym(library, kPluginSymbol));
  if (entry == nullptr) {
    throw InputError(
        fmt::format("{} is of another version of flotilla: build and install both "
                    "together",
                    kPluginFile));
  }
  return *entry();
}

/// Loaded once, and never unloaded: LibTorch does not survive that.
const TorchScriptPlugin& plugin() {
  static const TorchScriptPlugin& loaded = load_plugin();
  return loaded;
}

}  // namespace

FlowRecord torchscript_record(const std::string& bytes) {
  return plugin().read(bytes);
}

template <typename T>
std::unique_ptr<Layer<T>> make_torchscript_layer(const LayerRecord& record, Index dim) {
  if constexpr (std::is_same_v<T, float>) {
    return plugin().make_float(record, dim);
  } else {
    return plugin().make_double(record, dim);
  }
}

template std::unique_ptr<Layer<float>> make_torchscript_layer(const LayerRecord&, Index);
template std::unique_ptr<Layer<double>> make_torchscript_layer(const LayerRecord&, Index);

}  // namespace flotilla
