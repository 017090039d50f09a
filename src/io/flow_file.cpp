// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/flow_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <memory>
#include <new>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "flow/torchscript.hpp"
#include "io/array.hpp"
#include "io/hdf5.hpp"
#include "io/replace_file.hpp"
#include "io/sha256.hpp"

namespace flotilla {
namespace {

// Limits: the values of all arrays together, and the dimension. No trained flow is larger, and a
// header that lies is refused before memory runs out.
constexpr double kLargestFlow = 4e9;
constexpr double kLargestDim = 1e8;

static_assert(std::endian::native == std::endian::little, "checksums are over little-endian bytes");

/// @param what  "layer" or "base"
void add_layer(Sha256& hash, const char* what, const LayerRecord& layer) {
  hash.add(fmt::format("{} {}\n", what, layer.type));
  std::map<std::string, std::string> entries;  // texts and numbers, sorted by name
  for (const auto& [name, value] : layer.texts)
    entries[name] = fmt::format("text {}={}\n", name, value);
  for (const auto& [name, value] : layer.numbers) {
    const auto bytes = std::bit_cast<std::array<char, sizeof(double)>>(value);
    entries[name] =
        fmt::format("number {}=", name) + std::string(bytes.data(), bytes.size()) + "\n";
  }
  for (const auto& [name, line] : entries) hash.add(line);
  for (const auto& [name, tensor] : layer.arrays) {
    hash.add(fmt::format("array {} {}\n", name, fmt::join(tensor.shape, ",")));
    hash.add(tensor.values.data(), tensor.values.size() * sizeof(double));
  }
  if (layer.module.empty()) return;
  hash.add(fmt::format("module {}\n", layer.module.size()));
  hash.add(layer.module);
}

/// Number of values that a flow may have on this machine. A flow's arrays exist four times while it
/// is built: as read, as sent, as received, as packed.
double largest_flow() {
  const auto pages = static_cast<double>(sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return std::min(kLargestFlow, pages * page / (4.0 * sizeof(double)));
}

LayerRecord read_layer(const hdf5::Group& parent, const std::string& name, double& budget) {
  const hdf5::Group group = parent.group(name);
  LayerRecord layer;
  for (const std::string& entry : group.attribute_names()) {
    if (entry == "type") {
      layer.type = group.read_text(entry);
    } else if (group.attribute_is_text(entry)) {
      layer.texts[entry] = group.read_text(entry);
    } else {
      layer.numbers[entry] = group.read_number(entry);
    }
  }
  if (layer.type.empty()) {
    throw InputError(fmt::format("group '{}' has no attribute 'type'", name));
  }
  for (const std::string& entry : group.names()) {
    layer.arrays[entry] = read_array(group, entry, budget);
  }
  return layer;
}

std::vector<LayerRecord> read_layers(const hdf5::File& file, double& budget) {
  const hdf5::Group group = file.group("layers");
  std::vector<LayerRecord> layers;
  for (const std::string& name : group.names()) {
    if (name != fmt::format("{:04}", layers.size())) {
      throw InputError(fmt::format("layers should be named 0000, 0001, ... but layer {:04} is '{}'",
                                   layers.size(), name));
    }
    layers.push_back(read_layer(group, name, budget));
  }
  return layers;
}

GoldenValues read_golden(const hdf5::File& file, double& budget) {
  if (!file.has("golden")) return {};
  const hdf5::Group group = file.group("golden");
  const auto read = [&](const char* name) { return read_array(group, name, budget); };
  const auto read_if = [&](const char* name) { return group.has(name) ? read(name) : Tensor{}; };
  return {read("z"),
          read("x"),
          read("log_det"),
          read("log_det_gradient"),
          read("tangent"),
          read("jvp"),
          read_if("base_log_density"),
          read_if("base_score"),
          read_if("context"),
          {},
          {}};
}

std::map<std::string, std::string> read_provenance(const hdf5::File& file) {
  std::map<std::string, std::string> provenance;
  if (!file.has("provenance")) return provenance;
  const hdf5::Group group = file.group("provenance");
  for (const std::string& name : group.attribute_names()) {
    provenance[name] = group.attribute_is_text(name) ? group.read_text(name)
                                                     : fmt::format("{}", group.read_number(name));
  }
  return provenance;
}

void expect_format(const hdf5::File& file) {
  if (!file.has_attribute("format") || file.read_text("format") != "flotilla-flow") {
    throw InputError("it is HDF5, but its attribute 'format' is not 'flotilla-flow'");
  }
  const double version = file.read_number("format_version");
  if (version != kFlowFileVersion) {
    throw InputError(
        fmt::format("its format version is {}, this program reads version {}: export "
                    "the flow again, or use the program it was made for",
                    version, kFlowFileVersion));
  }
}

Index read_context_dim(const hdf5::File& file) {
  const double dim = file.read_number("context_dim");
  if (dim >= 0.0 && dim <= kLargestDim && dim == std::floor(dim)) return static_cast<Index>(dim);
  throw InputError(
      fmt::format("attribute 'context_dim' should be a whole number >= 0 but is {}", dim));
}

FlowRecord read_record(const hdf5::File& file) {
  expect_format(file);
  double budget = largest_flow();
  FlowRecord record;
  const double dim = file.read_number("dim");
  if (!(dim >= 1.0 && dim <= kLargestDim && dim == std::floor(dim))) {
    throw InputError(fmt::format("attribute 'dim' should be a whole number >= 1 but is {}", dim));
  }
  record.dim = static_cast<Index>(dim);
  if (file.has_attribute("context_dim")) record.context_dim = read_context_dim(file);
  record.base = read_layer(file, "base", budget);
  record.layers = read_layers(file, budget);
  record.golden = read_golden(file, budget);
  record.provenance = read_provenance(file);
  record.checksum = file.read_text("checksum");
  const std::string found = checksum(record);
  if (record.checksum != found) {
    throw InputError(
        fmt::format("its checksum is {}, but its contents have {}: the file is damaged",
                    record.checksum, found));
  }
  return record;
}

void write_array(hdf5::Group& parent, const std::string& name, const Tensor& tensor) {
  const hdf5::Sizes sizes(tensor.shape.begin(), tensor.shape.end());
  hdf5::Dataset dataset =
      parent.make_dataset(name, hdf5::Type::stored_double(), hdf5::Dataspace(sizes));
  dataset.write(tensor.values.data());
  dataset.flush();
}

void write_layer(hdf5::Group& parent, const std::string& name, const LayerRecord& layer) {
  hdf5::Group group = parent.make_group(name);
  group.write_text("type", layer.type);
  for (const auto& [entry, value] : layer.texts) group.write_text(entry, value);
  for (const auto& [entry, value] : layer.numbers) group.write_number(entry, value);
  for (const auto& [entry, value] : layer.arrays) write_array(group, entry, value);
}

void write_layers(hdf5::File& file, const FlowRecord& record) {
  hdf5::Group layers = file.make_group("layers");
  for (std::size_t k = 0; k < record.layers.size(); ++k) {
    write_layer(layers, fmt::format("{:04}", k), record.layers[k]);
  }
}

void write_golden(hdf5::File& file, const GoldenValues& golden) {
  hdf5::Group group = file.make_group("golden");
  write_array(group, "z", golden.z);
  write_array(group, "x", golden.x);
  write_array(group, "log_det", golden.log_det);
  write_array(group, "log_det_gradient", golden.log_det_gradient);
  write_array(group, "tangent", golden.tangent);
  write_array(group, "jvp", golden.jvp);
  if (!golden.context.values.empty()) write_array(group, "context", golden.context);
  if (golden.base_log_density.values.empty()) return;
  write_array(group, "base_log_density", golden.base_log_density);
  write_array(group, "base_score", golden.base_score);
}

void write_record(hdf5::File& file, const FlowRecord& record) {
  file.write_text("format", "flotilla-flow");
  file.write_whole_number("format_version", kFlowFileVersion);
  file.write_whole_number("dim", record.dim);
  if (record.context_dim > 0) file.write_whole_number("context_dim", record.context_dim);
  file.write_text("checksum", checksum(record));
  write_layer(file, "base", record.base);
  write_layers(file, record);
  if (!record.golden.z.values.empty()) write_golden(file, record.golden);
  hdf5::Group provenance = file.make_group("provenance");
  for (const auto& [name, value] : record.provenance) provenance.write_text(name, value);
}

/// Whether the file is a zip archive, as TorchScript files are, whatever their names.
bool is_zip(const std::string& path) {
  std::array<char, 4> begin{};
  std::ifstream(path, std::ios::binary).read(begin.data(), begin.size());
  return std::string_view(begin.data(), begin.size()) == "PK\3\4";
}

FlowRecord read_torchscript_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<double>(file.tellg());
  if (size > largest_flow()) {
    throw InputError(
        fmt::format("it has {:.3g} bytes, more than this machine's memory allows", size));
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw InputError("it cannot be read to its end");
  FlowRecord record = torchscript_record(bytes);
  record.checksum = checksum(record);
  return record;
}

}  // namespace

std::string checksum(const FlowRecord& record) {
  Sha256 hash;
  hash.add(fmt::format("flotilla-flow {}\ndim {}\n", kFlowFileVersion, record.dim));
  if (record.context_dim > 0) hash.add(fmt::format("context {}\n", record.context_dim));
  add_layer(hash, "base", record.base);
  for (const LayerRecord& layer : record.layers) add_layer(hash, "layer", layer);
  return "sha256:" + hash.hex();
}

std::string checksum(const Tensor& array) {
  Sha256 hash;
  hash.add(fmt::format("array {}\n", fmt::join(array.shape, ",")));
  hash.add(array.values.data(), array.values.size() * sizeof(double));
  return "sha256:" + hash.hex();
}

FlowRecord read_flow_file(const std::string& path) {
  const CrashSentence crash(hdf5::crash_sentence(path));
  hdf5::expect_readable(path);
  const bool torchscript = is_zip(path);
  if (!torchscript) hdf5::expect_hdf5(path);
  try {
    if (torchscript) return read_torchscript_file(path);
    return read_record(hdf5::File::open(path));
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: not a usable flow file: {}", path, error.what()));
  } catch (const Hdf5Error& error) {
    throw InputError(fmt::format("{}: not a whole flow file: {}", path, hdf5::reason(error)));
  } catch (const std::bad_alloc&) {
    throw InputError(
        fmt::format("{}: not a usable flow file: it needs more memory than there is", path));
  }
}

void write_flow_file(const std::string& path, const FlowRecord& record) {
  FileReplacement replacement(path);
  {
    hdf5::File file = hdf5::File::create(replacement.unfinished());
    write_record(file, record);
    file.flush();
  }
  replacement.finish();
}

}  // namespace flotilla
