#pragma once

#include <hdf5.h>

#include <string>
#include <utility>
#include <vector>

#include "flotilla/core/error.hpp"

namespace flotilla::hdf5 {

/// An open HDF5 object of any kind; closes itself.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle() = default;
  /// @throws Hdf5Error with the library's error stack where id is negative
  Handle(hid_t id, Close release, const std::string& call);
  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close(); }

  void close() noexcept;
  hid_t id() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// @throws Hdf5Error naming the call, with the library's error stack, where status is negative
void check(herr_t status, const std::string& call);

/// Stops the library from printing its error stacks: they travel in exceptions. Once a process.
void silence_error_printing();

/// The native HDF5 type of float, double, int8 and int64.
template <typename T>
hid_t native_type();

// Everything below throws Hdf5Error where the library refuses, and InputError where an attribute is
// of another kind. In a file that ranks share, what changes the file is collective.

/// @throws InputError in words for whoever named the file: missing, a directory, not permitted
void expect_readable(const std::string& path);
/// @throws InputError where the bytes are not those of an HDF5 file
void expect_hdf5(const std::string& path);

Handle open_file(const std::string& path);
Handle open_group(hid_t parent, const std::string& name);
Handle make_group(hid_t parent, const std::string& name);

/// The names of all links below a group, in byte order.
std::vector<std::string> link_names(hid_t group);
std::vector<std::string> attribute_names(hid_t object);

bool has_link(hid_t parent, const std::string& name);
bool has_attribute(hid_t object, const std::string& name);
bool attribute_is_text(hid_t object, const std::string& name);

std::string read_text(hid_t object, const std::string& name);
double read_number(hid_t object, const std::string& name);

/// Variable-length UTF-8, as h5py and netCDF write text.
void write_text(hid_t object, const std::string& name, const std::string& value);
void write_number(hid_t object, const std::string& name, double value);
void write_whole_number(hid_t object, const std::string& name, long long value);
/// Replaces the value of a number attribute that exists.
void overwrite_number(hid_t object, const std::string& name, double value);

}  // namespace flotilla::hdf5
