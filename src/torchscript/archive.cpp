// SPDX-License-Identifier: BSD-3-Clause
#include "torchscript/archive.hpp"

#include <torch/version.h>

#include <algorithm>
#include <sstream>

namespace flotilla::torchscript {
namespace {

/// Files of one content.
struct Format {
  const char* name;
  std::int64_t version;
  std::vector<const char*> modules;
  const char* refusal;  ///< of TorchScript that is something else
};

const Format& format_of(Content content) {
  static const Format flow = {
      "flotilla-torchscript",
      1,
      {"single", "double_"},
      "it is TorchScript, but not a flow by scripts/export_torchscript.py: export the module with "
      "that"};
  static const Format density = {
      "flotilla-torchscript-density",
      1,
      {"double_"},
      "it is TorchScript, but not a density by scripts/export_torchscript.py --density: export the "
      "module with that"};
  return content == Content::kFlow ? flow : density;
}

constexpr std::int64_t kLargestDim = std::int64_t{1} << 24U;
constexpr std::int64_t kWidestTile = 4096;

/// What to do about a file that a newer PyTorch wrote; empty if this is not why it was refused.
std::string remedy(const std::string& refusal) {
  for (const char* sign : {"maximum supported version", "Unknown builtin op"}) {
    if (refusal.find(sign) == std::string::npos) continue;
    return "; a newer PyTorch wrote it than LibTorch " TORCH_VERSION
           ", with which flotilla was built: export it with that version, build flotilla with "
           "yours "
           "(cmake -D CMAKE_PREFIX_PATH=FOLDER), or import the flow (scripts/import_flow.py)";
  }
  return "";
}

torch::jit::Module load(const std::string& bytes) {
  try {
    return with_torch("it does not load as TorchScript", [&] {
      std::istringstream stream(bytes);
      return torch::jit::load(stream, c10::Device(c10::kCPU));
    });
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(error.what() + remedy(error.what()));
  }
}

[[noreturn]] void fail(const std::string& message) {
  throw std::runtime_error(message);
}

c10::IValue attribute(const torch::jit::Module& archive, const std::string& name) {
  if (!archive.hasattr(name)) fail("its attribute '" + name + "' is missing");
  return archive.attr(name);
}

std::string text(const torch::jit::Module& archive, const std::string& name) {
  const c10::IValue value = attribute(archive, name);
  if (!value.isString()) fail("its attribute '" + name + "' is no text");
  return value.toStringRef();
}

std::int64_t whole_number(const torch::jit::Module& archive, const std::string& name,
                          std::int64_t low, std::int64_t high) {
  const c10::IValue value = attribute(archive, name);
  if (value.isInt() && value.toInt() >= low && value.toInt() <= high) return value.toInt();
  fail("its attribute '" + name + "' should be a whole number from " + std::to_string(low) +
       " to " + std::to_string(high));
}

c10::impl::GenericDict dictionary(const torch::jit::Module& archive, const std::string& name) {
  const c10::IValue value = attribute(archive, name);
  if (!value.isGenericDict()) fail("its attribute '" + name + "' is no dictionary");
  return value.toGenericDict();
}

Array to_array(const std::string& name, const c10::IValue& value) {
  if (!value.isTensor()) fail("its entry '" + name + "' is no tensor");
  const at::Tensor doubles = value.toTensor().to(at::kDouble).contiguous();
  Array result;
  result.shape.assign(doubles.sizes().begin(), doubles.sizes().end());
  result.values.assign(doubles.data_ptr<double>(), doubles.data_ptr<double>() + doubles.numel());
  return result;
}

std::map<std::string, Array> arrays(const torch::jit::Module& archive, const std::string& name) {
  std::map<std::string, Array> result;
  for (const auto& entry : dictionary(archive, name)) {
    const std::string key = entry.key().toStringRef();
    result[key] = to_array(key, entry.value());
  }
  return result;
}

std::map<std::string, std::string> texts(const torch::jit::Module& archive,
                                         const std::string& name) {
  std::map<std::string, std::string> result;
  for (const auto& entry : dictionary(archive, name)) {
    result[entry.key().toStringRef()] = entry.value().toStringRef();
  }
  return result;
}

}  // namespace

std::string essence(const std::string& message) {
  std::istringstream lines(message);
  // Errors of the interpreter begin with a traceback; the reason is at the end.
  const bool traceback = message.find("Traceback of TorchScript") != std::string::npos;
  std::string chosen;
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    chosen = line;
    if (!traceback) break;
  }
  // The message may quote bytes of a damaged file.
  std::replace_if(
      chosen.begin(), chosen.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return chosen;
}

torch::jit::Module load_archive(const std::string& bytes, Content content) {
  const Format& format = format_of(content);
  torch::jit::Module archive = load(bytes);
  if (!archive.hasattr("format") || text(archive, "format") != format.name) fail(format.refusal);
  if (whole_number(archive, "format_version", 0, kLargestDim) != format.version) {
    fail("its format version is not " + std::to_string(format.version) +
         ", the one that this program reads: export the module again");
  }
  for (const char* precision : format.modules) {
    if (!attribute(archive, precision).isModule()) {
      fail(std::string("its attribute '") + precision + "' is no module");
    }
  }
  archive.eval();
  return archive;
}

Description describe(const std::string& bytes) {
  const torch::jit::Module archive = load_archive(bytes, Content::kFlow);
  return with_torch("its contents cannot be read", [&] {
    Description found;
    found.dim = whole_number(archive, "dim", 1, kLargestDim);
    found.width = whole_number(archive, "tile_width", 1, kWidestTile);
    found.inverse_sign = whole_number(archive, "inverse_sign", -1, 1);
    found.base_type = text(archive, "base_type");
    found.base_arrays = arrays(archive, "base_arrays");
    found.golden = arrays(archive, "golden");
    found.provenance = texts(archive, "provenance");
    return found;
  });
}

DensityDescription describe_density(const std::string& bytes) {
  const torch::jit::Module archive = load_archive(bytes, Content::kDensity);
  return with_torch("its contents cannot be read", [&] {
    DensityDescription found;
    found.dim = whole_number(archive, "dim", 1, kLargestDim);
    found.width = whole_number(archive, "tile_width", 1, kWidestTile);
    found.golden = arrays(archive, "golden");
    return found;
  });
}

}  // namespace flotilla::torchscript
