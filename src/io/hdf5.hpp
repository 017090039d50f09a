// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// HDF5 as types that own what they open, and throw. Only hdf5.cpp and variable_text.cpp call the
// library's C functions.
//
// Everything throws Hdf5Error if the library refuses, with the library's own explanation. In a file
// that ranks share, everything that changes the file is collective.
//
// A file may have come from anywhere. What is opened lies in that file: links to other files are
// refused, and arrays whose values lie there. What is read has a checked type, size and extent.

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/core/error.hpp"

namespace flotilla::hdf5 {

/// The attribute by which the netCDF conventions mark values as missing.
inline constexpr const char* kFillValue = "_FillValue";

/// Sizes, one per dimension.
using Sizes = std::vector<hsize_t>;

/// A call that failed, and why.
struct Failure {
  std::string call;
  std::string system;  ///< what the system said of the disk; empty if this rank does not know
  std::string cause;   ///< in words of HDF5 or MPI

  /// "H5Dwrite x failed: No space left on device (...)".
  std::string text() const {
    return call + " failed: " + (system.empty() ? cause : system + " (" + cause + ")");
  }
};

/// While one lives, a call that fails ends the program instead of throwing.
///
/// For files that ranks share. To throw is to close what is open, and closing waits for ranks that
/// wait elsewhere. HDF5 waits for them even before it returns, if metadata cannot be written: so a
/// shared file tells of a failure of MPI at once.
class FailureEnds {
 public:
  /// Must not return.
  using Ending = std::function<void(const Failure& failure)>;

  explicit FailureEnds(Ending ending);
  ~FailureEnds();
  FailureEnds(const FailureEnds&) = delete;
  FailureEnds& operator=(const FailureEnds&) = delete;

  /// Ends the program for a failure of any other kind.
  void end(const Failure& failure) const { ending_(failure); }

 private:
  Ending ending_;
  const FailureEnds* outer_;
};

/// An open HDF5 object of any kind. It closes itself.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle() = default;
  /// @param release  the function that closes it; null if HDF5 keeps it open itself
  /// @throws Hdf5Error naming the call, with the library's error stack, if id is negative
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
  /// Closes it and looks at the result. @throws Hdf5Error
  void close_checked(const std::string& call);
  hid_t id() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// The type of values in memory or in a file.
class Type {
 public:
  explicit Type(Handle handle) : handle_(std::move(handle)) {}
  /// Type of a float, double, int8, int64 or long long in memory.
  template <typename V>
  static Type of();
  /// IEEE numbers, little-endian, on every machine.
  static Type stored_float();
  static Type stored_double();
  /// UTF-8 of this many bytes, filled up with zeros. Nothing that we write has variable length:
  /// such text lies in the file's global heap, which HDF5 1.10 reads without checks.
  static Type text(std::size_t bytes);

  bool is_text() const;
  /// Whether values are whole, or real, numbers of at most 16 bytes.
  bool is_whole() const;
  bool is_real() const;
  bool is_number() const { return is_whole() || is_real(); }
  std::size_t size() const;  ///< bytes per value
  hid_t id() const { return handle_.id(); }

 private:
  Handle handle_;
};

/// A part of a dataset: its start and its size in each dimension.
struct Slab {
  Sizes start;
  Sizes count;

  bool empty() const;
};

/// The extent of a dataset or an attribute, and the selected part of it. At first all is selected.
class Dataspace {
 public:
  explicit Dataspace(Handle handle) : handle_(std::move(handle)) {}
  /// Without sizes: a single value.
  explicit Dataspace(const Sizes& sizes);
  static Dataspace single() { return Dataspace(Sizes{}); }

  Sizes sizes() const;
  /// Number of values. @throws InputError if it is 2^62 or more
  hsize_t count() const;
  void select(const Slab& slab);
  void select_none();
  hid_t id() const { return handle_.id(); }

 private:
  Handle handle_;
};

/// A property list: options for making, opening or transferring something.
class Properties {
 public:
  /// HDF5's own defaults, for anything.
  static Properties defaults();
  /// For a file that all ranks open together, metadata included.
  static Properties parallel_access(MPI_Comm comm);
  /// For a file or group whose entries keep the order in which they were made.
  static Properties ordered_file();
  static Properties ordered_group();
  /// For a dataset without time stamps: equal runs must write equal bytes.
  static Properties dataset();
  /// For a dataset whose chunks are not cached.
  static Properties uncached();
  /// For a transfer that all ranks make together.
  static Properties collective();

  // For making datasets.
  Properties& chunked(const Sizes& chunk);
  /// Allocates and fills all space at once.
  Properties& allocated_early();
  template <typename V>
  Properties& filled_with(V value);

  hid_t id() const { return handle_.id(); }

 private:
  explicit Properties(Handle handle) : handle_(std::move(handle)) {}

  Handle handle_;
};

/// A value, or a few values, attached to an object.
class Attribute {
 public:
  /// Opens an existing attribute.
  Attribute(hid_t object, const std::string& name);
  /// Makes an attribute.
  Attribute(hid_t object, const std::string& name, const Type& type, const Dataspace& space);

  bool is_text() const;
  /// @throws InputError if it has another kind, more than one value, or more than 16 MiB
  std::string read_text() const;
  double read_number() const;
  void write(const std::string& value);
  void write(double value);
  void write(long long value);

 private:
  Type type() const;
  void expect_single() const;
  std::string read_fixed(const Type& type) const;

  std::string name_;
  Handle handle_;
};

/// A file, group or dataset: an object that has attributes.
class Object {
 public:
  Object() = default;
  explicit Object(Handle handle) : handle_(std::move(handle)) {}

  std::vector<std::string> attribute_names() const;  ///< in byte order
  bool has_attribute(const std::string& name) const;
  bool attribute_is_text(const std::string& name) const;
  /// @throws InputError if the attribute has another kind, or more than one value
  std::string read_text(const std::string& name) const;
  double read_number(const std::string& name) const;

  /// @throws InputError if the text has more than 60,000 bytes: an object's header has room for 64
  /// KiB
  void write_text(const std::string& name, const std::string& value);
  void write_number(const std::string& name, double value);
  void write_whole_number(const std::string& name, long long value);
  /// Replaces the value of an existing number attribute.
  void overwrite_number(const std::string& name, double value);
  /// The same of a text. @pre value is no longer than the one before
  void overwrite_text(const std::string& name, const std::string& value);
  void remove_attribute(const std::string& name);

  void close() noexcept { handle_.close(); }
  hid_t id() const { return handle_.id(); }

 protected:
  void close_checked(const std::string& call) { handle_.close_checked(call); }

 private:
  Handle handle_;
};

/// An array of values.
class Dataset : public Object {
 public:
  Dataset() = default;
  explicit Dataset(Handle handle) : Object(std::move(handle)) {}

  /// @throws InputError if its values lie in other datasets or files, or a chunk has more than 1
  /// GiB
  void expect_own_values(const std::string& name) const;

  Dataspace space() const;
  Sizes sizes() const { return space().sizes(); }
  Type type() const;
  /// The shape of a chunk; the whole extent if the dataset has no chunks.
  Sizes chunk() const;
  /// Whether the file holds as many values as the header claims. HDF5 would invent the missing
  /// ones.
  bool is_stored() const;
  hsize_t stored_bytes() const;
  /// Offset of the values in the file [bytes], for a dataset without chunks.
  hsize_t offset() const;

  /// The value of a dataset that is a single whole number. @throws InputError if it is not one
  std::int64_t read_whole_number() const;

  // Values are float, double, int8 or int64 in memory, whatever their type in the file.
  template <typename V>
  void read(V* values) const;
  template <typename V>
  void read(const Slab& slab, V* values) const;
  /// All values, as bytes of the file.
  std::string read_bytes() const;

  template <typename V>
  void write(const V* values);
  /// @pre no text is longer than the type
  void write(const std::vector<std::string>& values);

  /// Writes a slab with all ranks together, and verifies that the transfer was collective. A rank
  /// with an empty slab takes part and writes nothing.
  template <typename V>
  void write_together(const Slab& slab, const V* values);
  /// Writes the whole dataset in the same way, from the ranks that take part.
  template <typename V>
  void write_together(bool takes_part, const V* values);

  void resize(const Sizes& sizes);
  void flush();

  /// Marks a value as missing: the attribute kFillValue.
  void write_fill_value(std::int8_t value);

  /// Makes it a dimension scale. @param name  of the dimension
  void make_scale(const std::string& name);
  void attach_scale(const Dataset& scale, std::size_t dimension);

 private:
  void write_together(const Type& type, const Dataspace& memory, const Dataspace& file,
                      const void* values);
};

/// A folder of groups and datasets. A name may be a path: "layers/0000/weight".
class Group : public Object {
 public:
  Group() = default;
  explicit Group(Handle handle) : Object(std::move(handle)) {}

  std::vector<std::string> names() const;  ///< of all entries, in byte order
  // What follows throws InputError if the name, or a step of the path, leads into another file.
  bool has(const std::string& name) const;
  bool is_dataset(const std::string& name) const;
  Group group(const std::string& name) const;
  /// @throws InputError too if the values lie in other datasets or files, or a chunk has more than
  /// 1 GiB
  Dataset dataset(const std::string& name, const Properties& wanted = Properties::defaults()) const;
  /// Opens an entry of either kind: a group or a dataset.
  Object object(const std::string& name) const;

  Group make_group(const std::string& name);
  Dataset make_dataset(const std::string& name, const Type& type, const Dataspace& space,
                       const Properties& creation = Properties::defaults());
  /// Makes an entry that links to another path of the file.
  void make_link(const std::string& name, const std::string& path);
  void remove(const std::string& name);
};

/// A file. As a group, it is the file's root.
class File : public Group {
 public:
  File() = default;

  static File open(const std::string& path);
  static File open_to_change(const std::string& path);
  /// Makes a file; replaces an existing one.
  static File create(const std::string& path);
  /// Makes an empty file, for open_together().
  static void create_for_ranks(const std::string& path);
  /// Opens a file that all ranks change together. Collective.
  static File open_together(const std::string& path, MPI_Comm comm);

  /// Hands all data to the operating system, or to the disk if ranks share the file. It reports a
  /// full disk; closing cannot.
  void flush();
  /// Closes the file. @throws Hdf5Error if that fails, where a destructor would be silent
  void close_file() { close_checked("H5Fclose"); }

 private:
  explicit File(Handle handle) : Group(std::move(handle)) {}
};

/// A count or a place as HDF5 has it. @pre value >= 0
inline hsize_t size_of(std::ptrdiff_t value) {
  return static_cast<hsize_t>(value);
}

/// The version of the library in use, "1.10.8".
std::string version();

/// What the program says if HDF5 crashes while it reads this file; for CrashSentence.
std::string crash_sentence(const std::string& path);

/// Why a file from elsewhere cannot be read: what an error says, or of HDF5's own errors the call
/// alone, without the library's stack.
std::string reason(const std::exception& error);

/// @throws InputError if the file is missing, is a directory, a device or a pipe, or may not be
/// read, in words for the user
void expect_readable(const std::string& path);
/// Whether the bytes are those of an HDF5 file.
bool is_hdf5(const std::string& path);
/// @throws InputError if they are not, or if HDF5 cannot open the file
void expect_hdf5(const std::string& path);

}  // namespace flotilla::hdf5
