#include "flotilla/io/hdf5.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>

namespace flotilla::hdf5 {
namespace {

/// The error stack of the library, innermost cause last, as one line.
std::string error_stack() {
  std::string text;
  const auto add = [](unsigned /*n*/, const H5E_error2_t* entry, void* data) -> herr_t {
    auto* lines = static_cast<std::string*>(data);
    *lines += fmt::format("{}{}: {}", lines->empty() ? "" : "; ", entry->func_name, entry->desc);
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, add, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "no further cause known" : text;
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "H5Tcopy");
  check(H5Tset_size(type.id(), H5T_VARIABLE), "H5Tset_size");
  check(H5Tset_cset(type.id(), H5T_CSET_UTF8), "H5Tset_cset");
  return type;
}

Handle open_attribute(hid_t object, const std::string& name) {
  return Handle(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, "H5Aopen " + name);
}

Handle make_attribute(hid_t object, const std::string& name, hid_t type) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "H5Screate");
  return Handle(H5Acreate2(object, name.c_str(), type, space.id(), H5P_DEFAULT, H5P_DEFAULT),
                H5Aclose, "H5Acreate " + name);
}

void expect_scalar(const Handle& attribute, const std::string& name) {
  const Handle space(H5Aget_space(attribute.id()), H5Sclose, "H5Aget_space");
  if (H5Sget_simple_extent_npoints(space.id()) != 1) {
    throw InputError(fmt::format("attribute '{}' should be a single value", name));
  }
}

herr_t collect_name(hid_t /*object*/, const char* name, const H5L_info_t* /*info*/, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

herr_t collect_attribute(hid_t /*object*/, const char* name, const H5A_info_t* /*info*/,
                         void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

std::string fixed_text(hid_t attribute, hid_t type) {
  const std::size_t size = H5Tget_size(type);
  std::string value(size, '\0');
  check(H5Aread(attribute, type, value.data()), "H5Aread");
  value.resize(std::min(value.find('\0'), size));
  return value;
}

std::string variable_text(hid_t attribute, hid_t file_type) {
  const Handle type = text_type();
  check(H5Tset_cset(type.id(), H5Tget_cset(file_type)), "H5Tset_cset");
  char* text = nullptr;
  check(H5Aread(attribute, type.id(), static_cast<void*>(&text)), "H5Aread");
  std::string value = text == nullptr ? "" : text;
  H5free_memory(text);
  return value;
}

}  // namespace

Handle::Handle(hid_t id, Close release, const std::string& call) : id_(id), close_(release) {
  if (id < 0) throw Hdf5Error(fmt::format("{} failed: {}", call, error_stack()));
}

void Handle::close() noexcept {
  if (id_ >= 0 && close_ != nullptr) close_(id_);
  id_ = H5I_INVALID_HID;
}

void check(herr_t status, const std::string& call) {
  if (status < 0) throw Hdf5Error(fmt::format("{} failed: {}", call, error_stack()));
}

void silence_error_printing() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

template <>
hid_t native_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native_type<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t native_type<std::int8_t>() {
  return H5T_NATIVE_INT8;
}
template <>
hid_t native_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}

void expect_readable(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw InputError(fmt::format("{}: there is no such file: check the path", path));
  }
  if (std::filesystem::is_directory(path, error)) {
    throw InputError(fmt::format("{}: it is a directory: name a file in it", path));
  }
  if (access(path.c_str(), R_OK) != 0) {
    throw InputError(fmt::format("{}: it may not be read: check its permissions", path));
  }
}

void expect_hdf5(const std::string& path) {
  if (H5Fis_hdf5(path.c_str()) > 0) return;
  throw InputError(
      fmt::format("{}: it is no HDF5 file, or not a whole one: make or copy it again", path));
}

Handle open_file(const std::string& path) {
  return Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "H5Fopen " + path);
}

Handle open_group(hid_t parent, const std::string& name) {
  return Handle(H5Gopen2(parent, name.c_str(), H5P_DEFAULT), H5Gclose, "H5Gopen " + name);
}

Handle make_group(hid_t parent, const std::string& name) {
  const Handle creation(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "H5Pcreate");
  check(H5Pset_link_creation_order(creation.id(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
        "H5Pset_link_creation_order");
  return Handle(H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose,
                "H5Gcreate " + name);
}

std::vector<std::string> link_names(hid_t group) {
  std::vector<std::string> names;
  check(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect_name, &names),
        "H5Literate");
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> attribute_names(hid_t object) {
  std::vector<std::string> names;
  check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect_attribute, &names),
        "H5Aiterate");
  std::sort(names.begin(), names.end());
  return names;
}

bool has_link(hid_t parent, const std::string& name) {
  return H5Lexists(parent, name.c_str(), H5P_DEFAULT) > 0;
}

bool has_attribute(hid_t object, const std::string& name) {
  return H5Aexists(object, name.c_str()) > 0;
}

bool attribute_is_text(hid_t object, const std::string& name) {
  const Handle attribute = open_attribute(object, name);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose, "H5Aget_type");
  return H5Tget_class(type.id()) == H5T_STRING;
}

std::string read_text(hid_t object, const std::string& name) {
  const Handle attribute = open_attribute(object, name);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose, "H5Aget_type");
  if (H5Tget_class(type.id()) != H5T_STRING) {
    throw InputError(fmt::format("attribute '{}' should be text", name));
  }
  expect_scalar(attribute, name);
  return H5Tis_variable_str(type.id()) > 0 ? variable_text(attribute.id(), type.id())
                                           : fixed_text(attribute.id(), type.id());
}

double read_number(hid_t object, const std::string& name) {
  const Handle attribute = open_attribute(object, name);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose, "H5Aget_type");
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) {
    throw InputError(fmt::format("attribute '{}' should be a number", name));
  }
  expect_scalar(attribute, name);
  double value = 0.0;
  check(H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, &value), "H5Aread " + name);
  return value;
}

void write_text(hid_t object, const std::string& name, const std::string& value) {
  const Handle type = text_type();
  const Handle attribute = make_attribute(object, name, type.id());
  const char* text = value.c_str();
  check(H5Awrite(attribute.id(), type.id(), static_cast<const void*>(&text)), "H5Awrite " + name);
}

void write_number(hid_t object, const std::string& name, double value) {
  const Handle attribute = make_attribute(object, name, H5T_NATIVE_DOUBLE);
  check(H5Awrite(attribute.id(), H5T_NATIVE_DOUBLE, &value), "H5Awrite " + name);
}

void write_whole_number(hid_t object, const std::string& name, long long value) {
  const Handle attribute = make_attribute(object, name, H5T_NATIVE_LLONG);
  check(H5Awrite(attribute.id(), H5T_NATIVE_LLONG, &value), "H5Awrite " + name);
}

void overwrite_number(hid_t object, const std::string& name, double value) {
  const Handle attribute = open_attribute(object, name);
  check(H5Awrite(attribute.id(), H5T_NATIVE_DOUBLE, &value), "H5Awrite " + name);
}

}  // namespace flotilla::hdf5
