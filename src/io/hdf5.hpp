// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// HDF5 as types that own what they open, and throw. The library's C functions are called in
// hdf5.cpp alone.
//
// Everything throws Hdf5Error where the library refuses, with its own account of why. In a file
// that ranks share, whatever changes the file is collective.

#include <hdf5.h>

#include <string>
#include <utility>
#include <vector>

#include "flotilla/core/error.hpp"

namespace flotilla::hdf5 {

/// One size a dimension.
using Sizes = std::vector<hsize_t>;

/// Something of HDF5's that is open, of any kind; closes itself.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle() = default;
  /// @param release  how it is closed; null for what HDF5 keeps itself
  /// @throws Hdf5Error naming the call, with the library's error stack, where id is negative
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

/// The type of values in memory or in a file.
class Type {
 public:
  explicit Type(Handle handle) : handle_(std::move(handle)) {}
  /// That of float, double, int8, int64 or long long in memory.
  template <typename V>
  static Type of();
  /// IEEE numbers, little-endian, on any machine.
  static Type stored_float();
  static Type stored_double();
  /// Variable-length UTF-8, as h5py and netCDF write text.
  static Type text();

  bool is_text() const;
  bool is_whole() const;
  bool is_real() const;
  bool is_number() const { return is_whole() || is_real(); }
  std::size_t size() const;  ///< bytes of a value
  hid_t id() const { return handle_.id(); }

 private:
  Handle handle_;
};

/// A part of a dataset: where it begins and how far it goes in each dimension.
struct Slab {
  Sizes start;
  Sizes count;

  bool empty() const;
};

/// The extent of a dataset or an attribute, and what of it is selected: all, at first.
class Dataspace {
 public:
  explicit Dataspace(Handle handle) : handle_(std::move(handle)) {}
  /// No sizes make a single value.
  explicit Dataspace(const Sizes& sizes);
  static Dataspace single() { return Dataspace(Sizes{}); }

  Sizes sizes() const;
  hsize_t count() const;  ///< of values
  void select(const Slab& slab);
  void select_none();
  hid_t id() const { return handle_.id(); }

 private:
  Handle handle_;
};

/// A property list: how something is made, opened or moved.
class Properties {
 public:
  /// HDF5's own defaults, for anything.
  static Properties defaults();
  /// Of a file that all ranks open together, metadata included.
  static Properties parallel_access(MPI_Comm comm);
  /// Of a file or group whose entries remember the order they were made in.
  static Properties ordered_file();
  static Properties ordered_group();
  /// Of a dataset without time stamps: two equal runs are to write equal bytes.
  static Properties dataset();
  /// Of a dataset whose chunks are not kept in memory.
  static Properties uncached();
  /// Of a transfer that all ranks make together.
  static Properties collective();

  // Of datasets that are to be made.
  Properties& chunked(const Sizes& chunk);
  /// All its space is taken, and filled, at once.
  Properties& allocated_early();
  template <typename V>
  Properties& filled_with(V value);

  hid_t id() const { return handle_.id(); }

 private:
  explicit Properties(Handle handle) : handle_(std::move(handle)) {}

  Handle handle_;
};

/// A value, or a few, that an object carries.
class Attribute {
 public:
  /// Opens one that exists.
  Attribute(hid_t object, const std::string& name);
  /// Makes one.
  Attribute(hid_t object, const std::string& name, const Type& type, const Dataspace& space);

  bool is_text() const;
  /// @throws InputError where it is of another kind, or more than one value
  std::string read_text() const;
  double read_number() const;
  void write(const std::string& value);
  void write(double value);
  void write(long long value);

 private:
  Type type() const;
  void expect_single() const;
  std::string read_fixed(const Type& type) const;
  std::string read_variable(const Type& type) const;

  std::string name_;
  Handle handle_;
};

/// A file, group or dataset: whatever carries attributes.
class Object {
 public:
  Object() = default;
  explicit Object(Handle handle) : handle_(std::move(handle)) {}

  std::vector<std::string> attribute_names() const;  ///< in byte order
  bool has_attribute(const std::string& name) const;
  bool attribute_is_text(const std::string& name) const;
  /// @throws InputError where the attribute is of another kind, or more than one value
  std::string read_text(const std::string& name) const;
  double read_number(const std::string& name) const;

  void write_text(const std::string& name, const std::string& value);
  void write_number(const std::string& name, double value);
  void write_whole_number(const std::string& name, long long value);
  /// Replaces the value of a number attribute that exists.
  void overwrite_number(const std::string& name, double value);
  void remove_attribute(const std::string& name);

  void close() noexcept { handle_.close(); }
  hid_t id() const { return handle_.id(); }

 private:
  Handle handle_;
};

/// An array of values.
class Dataset : public Object {
 public:
  Dataset() = default;
  explicit Dataset(Handle handle) : Object(std::move(handle)) {}

  Dataspace space() const;
  Sizes sizes() const { return space().sizes(); }
  Type type() const;
  /// What lies together in the file: its extent where nothing is in chunks.
  Sizes chunk() const;
  /// Whether the file holds as many values as the header speaks of: HDF5 would make up the others.
  bool is_stored() const;
  hsize_t stored_bytes() const;
  /// Where in the file the values begin, of a dataset without chunks [bytes].
  hsize_t offset() const;

  // Values are float, double, int8 or int64 in memory, whatever number they are in the file.
  template <typename V>
  void read(V* values) const;
  template <typename V>
  void read(const Slab& slab, V* values) const;
  /// All values as they lie in the file.
  std::string read_bytes() const;

  template <typename V>
  void write(const V* values);
  void write(const std::vector<std::string>& values);

  /// Writes with all ranks together, and makes sure that they did. An empty slab joins and writes
  /// nothing.
  template <typename V>
  void write_together(const Slab& slab, const V* values);
  /// The same, the whole dataset, from the ranks that take part.
  template <typename V>
  void write_together(bool takes_part, const V* values);

  void resize(const Sizes& sizes);
  void flush();

  /// Makes it a dimension scale. @param name  of the dimension
  void make_scale(const std::string& name);
  void attach_scale(const Dataset& scale, std::size_t dimension);

 private:
  void write_together(const Type& type, const Dataspace& memory, const Dataspace& file,
                      const void* values);
};

/// A folder of groups and datasets. Names may be paths: "layers/0000/weight".
class Group : public Object {
 public:
  Group() = default;
  explicit Group(Handle handle) : Object(std::move(handle)) {}

  std::vector<std::string> names() const;  ///< of all entries, in byte order
  bool has(const std::string& name) const;
  bool is_dataset(const std::string& name) const;
  Group group(const std::string& name) const;
  Dataset dataset(const std::string& name, const Properties& access = Properties::defaults()) const;
  /// A group or a dataset.
  Object object(const std::string& name) const;

  Group make_group(const std::string& name);
  Dataset make_dataset(const std::string& name, const Type& type, const Dataspace& space,
                       const Properties& creation = Properties::defaults());
  /// An entry that leads to another path of the file.
  void make_link(const std::string& name, const std::string& path);
  void remove(const std::string& name);
};

/// A file; as a group, its root.
class File : public Group {
 public:
  File() = default;

  static File open(const std::string& path);
  static File open_to_change(const std::string& path);
  /// Replaces what is there.
  static File create(const std::string& path);
  /// The same by all ranks together. Collective.
  static File create(const std::string& path, MPI_Comm comm);

  /// Hands everything to the operating system; a file that ranks share, to the disk. Closing cannot
  /// report that the disk is full; this does.
  void flush();

 private:
  explicit File(Handle handle) : Group(std::move(handle)) {}
};

/// The version of the library that runs, "1.10.8".
std::string version();

/// @throws InputError in words for whoever named the file: missing, a directory, not permitted
void expect_readable(const std::string& path);
/// Whether the bytes are those of an HDF5 file.
bool is_hdf5(const std::string& path);
/// @throws InputError where they are not
void expect_hdf5(const std::string& path);

}  // namespace flotilla::hdf5
