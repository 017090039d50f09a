#pragma once

// What libflotilla_torchscript.so offers to the library. LibTorch is some three hundred shared
// libraries that take a third of a second to load: only those who sample a TorchScript file wait
// for them, and nobody else has to have them.

#include <memory>
#include <string>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

struct TorchScriptPlugin {
  FlowRecord (*read)(const std::string& bytes);
  std::unique_ptr<Layer<float>> (*make_float)(const LayerRecord& record, Index dim);
  std::unique_ptr<Layer<double>> (*make_double)(const LayerRecord& record, Index dim);
};

inline constexpr const char* kPluginFile = "libflotilla_torchscript.so";
inline constexpr const char* kPluginSymbol = "flotilla_torchscript_plugin";
using PluginEntry = const TorchScriptPlugin* (*)();

}  // namespace flotilla
