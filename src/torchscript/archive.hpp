// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Reading a TorchScript file, and turning what LibTorch throws into one line.

#include <torch/script.h>

#include <stdexcept>
#include <string>

#include "torchscript/engine.hpp"

namespace flotilla::torchscript {

/// The line of a message of LibTorch that says what is wrong, without its stacks.
std::string essence(const std::string& message);

/// Runs `work`; whatever it throws becomes a std::runtime_error of one line, `what` first.
template <typename Work>
auto with_torch(const std::string& what, Work work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    throw std::runtime_error(what + ": " + essence(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw std::runtime_error(what + ": " + essence(error.what()));
  }
}

/// Loads a file's bytes. @throws std::runtime_error where they are not such a file
torch::jit::Module load_archive(const std::string& bytes);

/// What the file says. @throws std::runtime_error where an entry is missing or of another kind
Description describe(const std::string& bytes);

}  // namespace flotilla::torchscript
