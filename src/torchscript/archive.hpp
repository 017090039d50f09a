#pragma once

// A TorchScript file by scripts/export_torchscript.py: its module and what it says of itself.

#include <torch/script.h>

#include <string>
#include <utility>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Runs `work`; what LibTorch throws becomes an InputError that begins with `what`.
template <typename Work>
auto with_torch(const std::string& what, Work work);

/// The first line of what LibTorch says, without its stack.
std::string first_line(const std::string& message);

/// Loads the file's bytes. @throws InputError where they are not TorchScript, or not an export
torch::jit::Module load_archive(const std::string& bytes);

/// The record of a loaded file. @throws InputError where an entry is missing or of another shape
FlowRecord read_archive(const std::string& bytes);

template <typename Work>
auto with_torch(const std::string& what, Work work) {
  try {
    return work();
  } catch (const InputError&) {
    throw;
  } catch (const c10::Error& error) {
    throw InputError(what + ": " + first_line(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw InputError(what + ": " + first_line(error.what()));
  }
}

}  // namespace flotilla
