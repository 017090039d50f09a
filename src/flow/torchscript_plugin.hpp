// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>

#include <stdexcept>

#include "flotilla/core/error.hpp"
#include "torchscript/engine.hpp"

namespace flotilla {

/// The plugin that runs TorchScript files. Loads it on the first call, and never unloads it:
/// LibTorch does not survive unloading.
/// @throws InputError if there is no LibTorch, or the plugin is of another version
const torchscript::Plugin& torchscript_plugin();

/// Runs `work`. An error of the plugin (one line) becomes an InputError: the file is at fault.
template <typename Work>
auto blaming_the_file(Work work) {
  try {
    return work();
  } catch (const InputError&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw InputError(error.what());
  } catch (const std::logic_error& error) {  // LibTorch looks up what a damaged file lacks
    throw InputError(fmt::format("LibTorch finds it damaged: {}", error.what()));
  }
}

}  // namespace flotilla
