// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Reads a TorchScript file, and turns what LibTorch throws into one line.

#include <torch/script.h>

#include <stdexcept>
#include <string>

#include "torchscript/engine.hpp"

namespace flotilla::torchscript {

/// The line of LibTorch's message that tells the reason, without its stacks.
std::string essence(const std::string& message);

/// Runs `work`. Whatever it throws becomes a std::runtime_error of one line that begins with
/// `what`.
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

/// What a file holds.
enum class Content { kFlow, kDensity };

/// Loads a module from the bytes of a file. @throws std::runtime_error if they are not such a file
torch::jit::Module load_archive(const std::string& bytes, Content content);

/// Reads the entries of a file. @throws std::runtime_error if one is missing or of another kind
Description describe(const std::string& bytes);
DensityDescription describe_density(const std::string& bytes);

}  // namespace flotilla::torchscript
