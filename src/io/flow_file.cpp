#include "flotilla/io/flow_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>

#include "flotilla/core/error.hpp"
#include "flotilla/io/hdf5.hpp"
#include "flow/torchscript.hpp"

namespace flotilla {
namespace {

// Larger than any trained flow, small enough to refuse a header that lies before memory is gone.
constexpr double kLargestArray = 1e9;
constexpr double kLargestFlow = 4e9;
constexpr double kLargestDim = 1e8;

static_assert(std::endian::native == std::endian::little, "checksums are over little-endian bytes");

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) fail();
  }
  void add(const void* bytes, std::size_t size) {
    if (EVP_DigestUpdate(context_.get(), bytes, size) != 1) fail();
  }
  void add(const std::string& text) { add(text.data(), text.size()); }

  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) fail();
    std::string text;
    for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  [[noreturn]] static void fail() { throw EnvironmentError("SHA-256 is not available"); }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

/// @param what  "layer" or "base"
void add_layer(Sha256& hash, const char* what, const LayerRecord& layer) {
  hash.add(fmt::format("{} {}\n", what, layer.type));
  std::map<std::string, std::string> entries;  // texts and numbers in one order
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

std::vector<Index> extent(hid_t dataset) {
  const hdf5::Handle space(H5Dget_space(dataset), H5Sclose, "H5Dget_space");
  const int rank = H5Sget_simple_extent_ndims(space.id());
  std::vector<hsize_t> sizes(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.id(), sizes.data(), nullptr);
  return {sizes.begin(), sizes.end()};
}

/// Refuses a dataset whose header speaks of values that the file does not hold: HDF5 would make
/// them up, as many as the header likes.
void expect_stored(hid_t dataset, hid_t type, const std::string& name, double count) {
  const hdf5::Handle creation(H5Dget_create_plist(dataset), H5Pclose, "H5Dget_create_plist");
  const bool filtered = H5Pget_nfilters(creation.id()) > 0;
  const double bytes = filtered ? 1.0 : count * static_cast<double>(H5Tget_size(type));
  if (count == 0.0 || static_cast<double>(H5Dget_storage_size(dataset)) >= bytes) return;
  throw InputError(
      fmt::format("array '{}' should hold {} values but the file stores fewer", name, count));
}

/// Values that a flow may have on this machine: its arrays are held four times on their way into a
/// flow (as read, as sent, as received, as packed).
double largest_flow() {
  const auto pages = static_cast<double>(sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return std::min(kLargestFlow, pages * page / (4.0 * sizeof(double)));
}

/// @param budget  values that may still be read; lowered by what this array holds
Tensor read_array(hid_t parent, const std::string& name, double& budget) {
  const hdf5::Handle dataset(H5Dopen2(parent, name.c_str(), H5P_DEFAULT), H5Dclose,
                             "H5Dopen " + name);
  const hdf5::Handle type(H5Dget_type(dataset.id()), H5Tclose, "H5Dget_type");
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) {
    throw InputError(fmt::format("array '{}' should hold numbers", name));
  }
  Tensor tensor{extent(dataset.id()), {}};
  double count = 1.0;
  for (const Index size : tensor.shape) count *= static_cast<double>(size);
  budget -= count;
  if (count > kLargestArray || budget < 0.0) {
    throw InputError(
        fmt::format("array '{}' of shape [{}] is larger than any flow needs, or than this "
                    "machine's memory allows",
                    name, fmt::join(tensor.shape, " x ")));
  }
  expect_stored(dataset.id(), type.id(), name, count);
  tensor.values.resize(static_cast<std::size_t>(count));
  if (!tensor.values.empty()) {
    hdf5::check(H5Dread(dataset.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                        tensor.values.data()),
                "H5Dread " + name);
  }
  return tensor;
}

LayerRecord read_layer(hid_t parent, const std::string& name, double& budget) {
  const hdf5::Handle group = hdf5::open_group(parent, name);
  LayerRecord layer;
  for (const std::string& entry : hdf5::attribute_names(group.id())) {
    if (entry == "type") {
      layer.type = hdf5::read_text(group.id(), entry);
    } else if (hdf5::attribute_is_text(group.id(), entry)) {
      layer.texts[entry] = hdf5::read_text(group.id(), entry);
    } else {
      layer.numbers[entry] = hdf5::read_number(group.id(), entry);
    }
  }
  if (layer.type.empty()) {
    throw InputError(fmt::format("group '{}' has no attribute 'type'", name));
  }
  for (const std::string& entry : hdf5::link_names(group.id())) {
    layer.arrays[entry] = read_array(group.id(), entry, budget);
  }
  return layer;
}

std::vector<LayerRecord> read_layers(hid_t file, double& budget) {
  const hdf5::Handle group = hdf5::open_group(file, "layers");
  std::vector<LayerRecord> layers;
  for (const std::string& name : hdf5::link_names(group.id())) {
    if (name != fmt::format("{:04}", layers.size())) {
      throw InputError(fmt::format("layers should be named 0000, 0001, ... but layer {:04} is '{}'",
                                   layers.size(), name));
    }
    layers.push_back(read_layer(group.id(), name, budget));
  }
  if (layers.empty())
    throw InputError("the group 'layers' is empty: a flow has at least one layer");
  return layers;
}

GoldenValues read_golden(hid_t file, double& budget) {
  if (!hdf5::has_link(file, "golden")) return {};
  const hdf5::Handle group = hdf5::open_group(file, "golden");
  const auto read = [&](const char* name) { return read_array(group.id(), name, budget); };
  const auto read_if = [&](const char* name) {
    return hdf5::has_link(group.id(), name) ? read(name) : Tensor{};
  };
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

std::map<std::string, std::string> read_provenance(hid_t file) {
  std::map<std::string, std::string> provenance;
  if (!hdf5::has_link(file, "provenance")) return provenance;
  const hdf5::Handle group = hdf5::open_group(file, "provenance");
  for (const std::string& name : hdf5::attribute_names(group.id())) {
    provenance[name] = hdf5::attribute_is_text(group.id(), name)
                           ? hdf5::read_text(group.id(), name)
                           : fmt::format("{}", hdf5::read_number(group.id(), name));
  }
  return provenance;
}

void expect_format(hid_t file) {
  if (!hdf5::has_attribute(file, "format") || hdf5::read_text(file, "format") != "flotilla-flow") {
    throw InputError("it is HDF5, but its attribute 'format' is not 'flotilla-flow'");
  }
  const double version = hdf5::read_number(file, "format_version");
  if (version != kFlowFileVersion) {
    throw InputError(
        fmt::format("its format version is {}, this program reads version {}: export "
                    "the flow again, or use the program it was made for",
                    version, kFlowFileVersion));
  }
}

Index read_context_dim(hid_t file) {
  const double dim = hdf5::read_number(file, "context_dim");
  if (dim >= 0.0 && dim <= kLargestDim && dim == std::floor(dim)) return static_cast<Index>(dim);
  throw InputError(
      fmt::format("attribute 'context_dim' should be a whole number >= 0 but is {}", dim));
}

FlowRecord read_record(hid_t file) {
  expect_format(file);
  double budget = largest_flow();
  FlowRecord record;
  const double dim = hdf5::read_number(file, "dim");
  if (!(dim >= 1.0 && dim <= kLargestDim && dim == std::floor(dim))) {
    throw InputError(fmt::format("attribute 'dim' should be a whole number >= 1 but is {}", dim));
  }
  record.dim = static_cast<Index>(dim);
  if (hdf5::has_attribute(file, "context_dim")) record.context_dim = read_context_dim(file);
  record.base = read_layer(file, "base", budget);
  record.layers = read_layers(file, budget);
  record.golden = read_golden(file, budget);
  record.provenance = read_provenance(file);
  record.checksum = hdf5::read_text(file, "checksum");
  const std::string found = checksum(record);
  if (record.checksum != found) {
    throw InputError(
        fmt::format("its checksum is {}, but its contents have {}: the file is damaged",
                    record.checksum, found));
  }
  return record;
}

void write_array(hid_t parent, const std::string& name, const Tensor& tensor) {
  const std::vector<hsize_t> sizes(tensor.shape.begin(), tensor.shape.end());
  const hdf5::Handle space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
                           H5Sclose, "H5Screate_simple");
  const hdf5::Handle dataset(H5Dcreate2(parent, name.c_str(), H5T_IEEE_F64LE, space.id(),
                                        H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                             H5Dclose, "H5Dcreate " + name);
  hdf5::check(H5Dwrite(dataset.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                       tensor.values.data()),
              "H5Dwrite " + name);
  hdf5::check(H5Dflush(dataset.id()), "H5Dflush " + name);
}

void write_layer(hid_t parent, const std::string& name, const LayerRecord& layer) {
  const hdf5::Handle group = hdf5::make_group(parent, name);
  hdf5::write_text(group.id(), "type", layer.type);
  for (const auto& [entry, value] : layer.texts) hdf5::write_text(group.id(), entry, value);
  for (const auto& [entry, value] : layer.numbers) hdf5::write_number(group.id(), entry, value);
  for (const auto& [entry, value] : layer.arrays) write_array(group.id(), entry, value);
}

void write_layers(hid_t file, const FlowRecord& record) {
  const hdf5::Handle layers = hdf5::make_group(file, "layers");
  for (std::size_t k = 0; k < record.layers.size(); ++k) {
    write_layer(layers.id(), fmt::format("{:04}", k), record.layers[k]);
  }
}

void write_golden(hid_t file, const GoldenValues& golden) {
  const hdf5::Handle group = hdf5::make_group(file, "golden");
  write_array(group.id(), "z", golden.z);
  write_array(group.id(), "x", golden.x);
  write_array(group.id(), "log_det", golden.log_det);
  write_array(group.id(), "log_det_gradient", golden.log_det_gradient);
  write_array(group.id(), "tangent", golden.tangent);
  write_array(group.id(), "jvp", golden.jvp);
  if (!golden.context.values.empty()) write_array(group.id(), "context", golden.context);
  if (golden.base_log_density.values.empty()) return;
  write_array(group.id(), "base_log_density", golden.base_log_density);
  write_array(group.id(), "base_score", golden.base_score);
}

void write_record(hid_t file, const FlowRecord& record) {
  hdf5::write_text(file, "format", "flotilla-flow");
  hdf5::write_whole_number(file, "format_version", kFlowFileVersion);
  hdf5::write_whole_number(file, "dim", record.dim);
  if (record.context_dim > 0) {
    hdf5::write_whole_number(file, "context_dim", record.context_dim);
  }
  hdf5::write_text(file, "checksum", checksum(record));
  write_layer(file, "base", record.base);
  write_layers(file, record);
  if (!record.golden.z.values.empty()) write_golden(file, record.golden);
  const hdf5::Handle provenance = hdf5::make_group(file, "provenance");
  for (const auto& [name, value] : record.provenance) {
    hdf5::write_text(provenance.id(), name, value);
  }
}

/// TorchScript files are zip archives, whatever their name.
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
  hdf5::expect_readable(path);
  const bool torchscript = is_zip(path);
  if (!torchscript) hdf5::expect_hdf5(path);
  try {
    if (torchscript) return read_torchscript_file(path);
    return read_record(hdf5::open_file(path).id());
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: not a usable flow file: {}", path, error.what()));
  } catch (const Hdf5Error& error) {
    throw InputError(fmt::format("{}: not a whole flow file: {}", path, error.what()));
  } catch (const std::bad_alloc&) {
    throw InputError(
        fmt::format("{}: not a usable flow file: it needs more memory than there is", path));
  }
}

void write_flow_file(const std::string& path, const FlowRecord& record) {
  const std::string unfinished = path + ".unfinished";
  std::error_code error;
  try {
    const hdf5::Handle file(H5Fcreate(unfinished.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                            H5Fclose, "H5Fcreate " + unfinished);
    write_record(file.id(), record);
    // Closing a handle cannot report that the disk is full; this does.
    hdf5::check(H5Fflush(file.id(), H5F_SCOPE_LOCAL), "H5Fflush " + unfinished);
  } catch (...) {
    std::filesystem::remove(unfinished, error);
    throw;
  }
  std::filesystem::rename(unfinished, path, error);
  if (error) {
    std::error_code ignored;
    std::filesystem::remove(unfinished, ignored);
    throw EnvironmentError(fmt::format("{}: cannot be written: {}", path, error.message()));
  }
}

std::vector<double> read_context(const std::string& text) {
  std::vector<double> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    char* rest = nullptr;
    numbers.push_back(std::strtod(word.c_str(), &rest));
    if (word.empty() || *rest != '\0') break;
    if (end == text.size()) return numbers;
    begin = end + 1;
  }
  Tensor tensor = read_numbers(text);
  if (tensor.shape.size() == 1) return std::move(tensor.values);
  throw InputError(fmt::format("{}: a context should be an array of shape [n] but has [{}]", text,
                               fmt::join(tensor.shape, " x ")));
}

Tensor read_numbers(const std::string& location) {
  std::error_code unknown;
  const bool whole = std::filesystem::exists(location, unknown);  // a path may have a colon itself
  const std::size_t colon = whole ? std::string::npos : location.rfind(':');
  const std::string path = location.substr(0, colon);
  hdf5::expect_readable(path);
  hdf5::expect_hdf5(path);
  try {
    const hdf5::Handle file = hdf5::open_file(path);
    std::string name = colon == std::string::npos ? "" : location.substr(colon + 1);
    if (name.empty()) {
      const std::vector<std::string> names = hdf5::link_names(file.id());
      if (names.size() != 1) {
        throw InputError(fmt::format("it holds {} entries ({}): name one, as in {}:NAME",
                                     names.size(), fmt::join(names, ", "), path));
      }
      name = names.front();
    }
    double budget = kLargestArray;
    return read_array(file.id(), name, budget);
  } catch (const std::exception& error) {
    throw InputError(fmt::format("{}: no usable numbers: {}", path, error.what()));
  }
}

}  // namespace flotilla
