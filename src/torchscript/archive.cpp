#include "torchscript/archive.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>
#include <vector>

#include "flotilla/flow/torchscript.hpp"

namespace flotilla {
namespace {

constexpr std::string_view kFormat = "flotilla-torchscript";
constexpr std::int64_t kFormatVersion = 1;
constexpr std::int64_t kLargestDim = std::int64_t{1} << 24U;
constexpr std::int64_t kWidestTile = 4096;

c10::IValue attribute(const torch::jit::Module& archive, const char* name) {
  if (!archive.hasattr(name)) {
    throw InputError(fmt::format("its attribute '{}' is missing", name));
  }
  return archive.attr(name);
}

std::string text(const torch::jit::Module& archive, const char* name) {
  const c10::IValue value = attribute(archive, name);
  if (!value.isString()) throw InputError(fmt::format("its attribute '{}' is no text", name));
  return value.toStringRef();
}

std::int64_t whole_number(const torch::jit::Module& archive, const char* name, std::int64_t low,
                          std::int64_t high) {
  const c10::IValue value = attribute(archive, name);
  if (!value.isInt() || value.toInt() < low || value.toInt() > high) {
    throw InputError(
        fmt::format("its attribute '{}' should be a whole number from {} to {}", name, low, high));
  }
  return value.toInt();
}

Tensor to_tensor(const std::string& name, const c10::IValue& value) {
  if (!value.isTensor()) throw InputError(fmt::format("its entry '{}' is no tensor", name));
  const at::Tensor doubles = value.toTensor().to(at::kDouble).contiguous();
  Tensor result;
  result.shape.assign(doubles.sizes().begin(), doubles.sizes().end());
  result.values.assign(doubles.data_ptr<double>(), doubles.data_ptr<double>() + doubles.numel());
  return result;
}

std::map<std::string, Tensor> tensors(const torch::jit::Module& archive, const char* name) {
  const c10::IValue value = attribute(archive, name);
  if (!value.isGenericDict()) {
    throw InputError(fmt::format("its attribute '{}' is no dictionary", name));
  }
  std::map<std::string, Tensor> result;
  for (const auto& entry : value.toGenericDict()) {
    const std::string key = entry.key().toStringRef();
    result[key] = to_tensor(key, entry.value());
  }
  return result;
}

GoldenValues read_golden(const torch::jit::Module& archive) {
  std::map<std::string, Tensor> found = tensors(archive, "golden");
  GoldenValues golden;
  golden.z = found["z"];
  golden.x = found["x"];
  golden.log_det = found["log_det"];
  golden.log_det_gradient = found["log_det_gradient"];
  golden.tangent = found["tangent"];
  golden.jvp = found["jvp"];
  golden.base_log_density = found["base_log_density"];
  golden.base_score = found["base_score"];
  golden.z_from_x = found["z_from_x"];
  golden.tangent_from_jvp = found["tangent_from_jvp"];
  return golden;
}

std::map<std::string, std::string> read_provenance(const torch::jit::Module& archive) {
  std::map<std::string, std::string> provenance;
  for (const auto& entry : attribute(archive, "provenance").toGenericDict()) {
    provenance[entry.key().toStringRef()] = entry.value().toStringRef();
  }
  return provenance;
}

}  // namespace

std::string first_line(const std::string& message) {
  std::istringstream lines(message);
  // Errors of the interpreter begin with a traceback and end with what was wrong.
  const bool traceback = message.find("Traceback of TorchScript") != std::string::npos;
  std::string chosen;
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    chosen = line;
    if (!traceback) break;
  }
  return chosen;
}

torch::jit::Module load_archive(const std::string& bytes) {
  torch::jit::Module archive = with_torch("it does not load as TorchScript", [&] {
    std::istringstream stream(bytes);
    return torch::jit::load(stream, c10::Device(c10::kCPU));
  });
  if (!archive.hasattr("format") || text(archive, "format") != kFormat) {
    throw InputError(
        "it is TorchScript, but not by scripts/export_torchscript.py: export the "
        "module with that");
  }
  const c10::IValue version = attribute(archive, "format_version");
  if (!version.isInt() || version.toInt() != kFormatVersion) {
    throw InputError(
        fmt::format("its format version is not {}, the one that this program reads: "
                    "export the module again",
                    kFormatVersion));
  }
  for (const char* precision : {"single", "double_"}) {
    if (!attribute(archive, precision).isModule()) {
      throw InputError(fmt::format("its attribute '{}' is no module", precision));
    }
  }
  archive.eval();
  return archive;
}

FlowRecord read_archive(const std::string& bytes) {
  const torch::jit::Module archive = load_archive(bytes);
  return with_torch("its contents cannot be read", [&] {
    FlowRecord record;
    record.dim = whole_number(archive, "dim", 1, kLargestDim);
    record.base = {text(archive, "base_type"), {}, {}, tensors(archive, "base_arrays")};
    LayerRecord layer{std::string(kTorchScript), {}, {}, {}};
    layer.numbers["tile_width"] =
        static_cast<double>(whole_number(archive, "tile_width", 1, kWidestTile));
    layer.numbers["inverse_sign"] =
        static_cast<double>(whole_number(archive, "inverse_sign", -1, 1));
    layer.module = bytes;
    record.layers.push_back(std::move(layer));
    record.golden = read_golden(archive);
    record.provenance = read_provenance(archive);
    return record;
  });
}

}  // namespace flotilla
