// SPDX-License-Identifier: BSD-3-Clause
#include "io/hdf5.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5_hl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "flotilla/core/printed.hpp"
#include "flotilla/io/hdf5_errors.hpp"
#include "io/variable_text.hpp"

namespace flotilla {

void silence_hdf5_errors() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

}  // namespace flotilla

namespace flotilla::hdf5 {
namespace {

/// The innermost that lives; null if failures throw.
const FailureEnds* failure_ends = nullptr;

/// What the system said, if it was a disk that failed; else empty. HDF5 and MPI do not pass it on.
std::string system_reason(int code) {
  for (const int of_disks : {ENOSPC, EDQUOT, EIO, EFBIG, EROFS, ESTALE, ENODEV, ENXIO}) {
    if (code == of_disks) return std::strerror(code);
  }
  return "";
}

/// The innermost cause on the library's error stack, which is emptied.
std::string innermost_cause() {
  std::string text;
  const auto take = [](unsigned /*n*/, const H5E_error2_t* entry, void* data) -> herr_t {
    *static_cast<std::string*>(data) = fmt::format("{}: {}", entry->func_name, entry->desc);
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take, &text);
  H5Eclear2(H5E_DEFAULT);
  // The system's reason and details of the machine follow.
  text.resize(std::min({text.find('\n'), text.find(": time = "), text.size()}));
  return text.empty() ? "no further cause known" : text;
}

[[noreturn]] void fail(const Failure& failure) {
  if (failure_ends != nullptr) failure_ends->end(failure);
  throw Hdf5Error(failure.text());
}

/// Why a call failed. To be taken first after the failure: further calls change errno and the
/// stack.
struct Cause {
  std::string system = system_reason(errno);
  std::string library = innermost_cause();
};

[[noreturn]] void fail_call(const std::string& call, const Cause& cause) {
  fail({call, cause.system, cause.library});
}

void check(herr_t status, const std::string& call) {
  if (status < 0) fail_call(call, Cause());
}

/// The same for a call on a dataset; it names the dataset.
void check(herr_t status, const char* call, const Object& dataset) {
  if (status >= 0) return;
  const Cause cause;
  std::string name(256, '\0');
  const ssize_t length = H5Iget_name(dataset.id(), name.data(), name.size());
  name.resize(std::min(name.size() - 1, static_cast<std::size_t>(std::max<ssize_t>(length, 0))));
  fail_call(fmt::format("{} {}", call, name), cause);
}

herr_t collect_link(hid_t /*object*/, const char* name, const H5L_info_t* /*info*/, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

herr_t collect_attribute(hid_t /*object*/, const char* name, const H5A_info_t* /*info*/,
                         void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

// Limits: of a text that is read or written [bytes], of a number, and of a chunk, which is held
// whole.
constexpr std::size_t kLongestText = std::size_t{1} << 24U;
constexpr std::size_t kLongestWritten = 60000;
constexpr std::size_t kLargestNumber = 16;
constexpr double kLargestChunk = 0x1p30;

/// HDF5 calls this where a link leads into another file, and gives up if it is negative.
herr_t refuse_link(const char* /*from_file*/, const char* /*from_group*/, const char* to_file,
                   const char* /*to_object*/, unsigned* /*flags*/, hid_t /*access*/,
                   void* outside) {
  *static_cast<std::string*>(outside) = to_file;
  return -1;
}

/// Properties for one access, with which HDF5 follows no link into another file.
class InsideAccess {
 public:
  explicit InsideAccess(Handle properties) : properties_(std::move(properties)) {
    if (H5Pset_elink_cb(properties_.id(), refuse_link, &outside_) < 0) {
      throw Hdf5Error("H5Pset_elink_cb failed");
    }
  }
  InsideAccess(const InsideAccess&) = delete;
  InsideAccess& operator=(const InsideAccess&) = delete;

  hid_t id() const { return properties_.id(); }

  /// @throws InputError if the access came across such a link
  void expect_inside(const std::string& name) const {
    if (outside_.empty()) return;
    H5Eclear2(H5E_DEFAULT);
    throw InputError(fmt::format(
        "'{}' is a link into another file, {}: only what the file itself holds is read: copy it "
        "there",
        name, outside_));
  }

 private:
  Handle properties_;
  std::string outside_;  ///< the file that a link leads to
};

bool is_number_of(hid_t type, H5T_class_t kind) {
  return H5Tget_class(type) == kind && H5Tget_size(type) <= kLargestNumber;
}

/// The bytes of a chunk of a dataset made with these properties.
double chunk_bytes(const Handle& creation, std::size_t value_bytes) {
  std::array<hsize_t, H5S_MAX_RANK> chunk{};
  const int rank = H5Pget_chunk(creation.id(), H5S_MAX_RANK, chunk.data());
  double bytes = static_cast<double>(value_bytes);
  for (int i = 0; i < rank; ++i) {
    bytes *= static_cast<double>(chunk[static_cast<std::size_t>(i)]);
  }
  return bytes;
}

Handle copy_of(hid_t type) {
  return {H5Tcopy(type), H5Tclose, "H5Tcopy"};
}

Handle make_space(const Sizes& sizes) {
  if (sizes.empty()) return {H5Screate(H5S_SCALAR), H5Sclose, "H5Screate"};
  return {H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose,
          "H5Screate_simple"};
}

Handle make_properties(hid_t kind) {
  return {H5Pcreate(kind), H5Pclose, "H5Pcreate"};
}

Handle ordered(hid_t kind) {
  Handle properties = make_properties(kind);
  check(H5Pset_link_creation_order(properties.id(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
        "H5Pset_link_creation_order");
  return properties;
}

Handle make_file(const std::string& path, const Properties& creation, const Properties& access) {
  return {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose,
          "H5Fcreate " + path};
}

/// MPI calls it when a call on a shared file fails, before HDF5 knows.
void told_by_mpi(MPI_File* /*file*/, int* code, ...) {
  if (failure_ends == nullptr) return;
  const std::string system = system_reason(errno);
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(*code, text.data(), &length);
  failure_ends->end({"MPI", system, std::string(text.data(), static_cast<std::size_t>(length))});
}

/// Has MPI tell of failures on an open file that ranks share.
void watch_mpi(hid_t file) {
  void* handle = nullptr;
  check(H5Fget_vfd_handle(file, H5P_DEFAULT, &handle), "H5Fget_vfd_handle");
  MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
  const bool set = MPI_File_create_errhandler(told_by_mpi, &handler) == MPI_SUCCESS &&
                   MPI_File_set_errhandler(*static_cast<MPI_File*>(handle), handler) == MPI_SUCCESS;
  if (!set) fail({"MPI_File_set_errhandler", "", "no further cause known"});
  MPI_Errhandler_free(&handler);
}

}  // namespace

Handle::Handle(hid_t id, Close release, const std::string& call) : id_(id), close_(release) {
  if (id < 0) fail_call(call, Cause());
}

FailureEnds::FailureEnds(Ending ending)
    : ending_(std::move(ending)), outer_(std::exchange(failure_ends, this)) {
  errno = 0;
}

FailureEnds::~FailureEnds() {
  failure_ends = outer_;
}

void Handle::close_checked(const std::string& call) {
  const hid_t id = std::exchange(id_, H5I_INVALID_HID);
  if (id >= 0 && close_ != nullptr && close_(id) < 0) fail_call(call, Cause());
}

void Handle::close() noexcept {
  if (id_ >= 0 && close_ != nullptr) close_(id_);
  id_ = H5I_INVALID_HID;
}

// ---- Types and extents.

template <>
Type Type::of<float>() {
  return Type({H5T_NATIVE_FLOAT, nullptr, "H5T_NATIVE_FLOAT"});
}
template <>
Type Type::of<double>() {
  return Type({H5T_NATIVE_DOUBLE, nullptr, "H5T_NATIVE_DOUBLE"});
}
template <>
Type Type::of<std::int8_t>() {
  return Type({H5T_NATIVE_INT8, nullptr, "H5T_NATIVE_INT8"});
}
template <>
Type Type::of<std::int64_t>() {
  return Type({H5T_NATIVE_INT64, nullptr, "H5T_NATIVE_INT64"});
}
template <>
Type Type::of<long long>() {
  return Type({H5T_NATIVE_LLONG, nullptr, "H5T_NATIVE_LLONG"});
}

Type Type::stored_float() {
  return Type({H5T_IEEE_F32LE, nullptr, "H5T_IEEE_F32LE"});
}

Type Type::stored_double() {
  return Type({H5T_IEEE_F64LE, nullptr, "H5T_IEEE_F64LE"});
}

Type Type::text(std::size_t bytes) {
  Type type(copy_of(H5T_C_S1));
  check(H5Tset_size(type.id(), std::max<std::size_t>(1, bytes)), "H5Tset_size");
  check(H5Tset_strpad(type.id(), H5T_STR_NULLPAD), "H5Tset_strpad");
  check(H5Tset_cset(type.id(), H5T_CSET_UTF8), "H5Tset_cset");
  return type;
}

bool Type::is_text() const {
  return H5Tget_class(id()) == H5T_STRING;
}

bool Type::is_whole() const {
  return is_number_of(id(), H5T_INTEGER);
}

bool Type::is_real() const {
  return is_number_of(id(), H5T_FLOAT);
}

std::size_t Type::size() const {
  return H5Tget_size(id());
}

bool Slab::empty() const {
  return std::find(count.begin(), count.end(), hsize_t{0}) != count.end();
}

Dataspace::Dataspace(const Sizes& sizes) : handle_(make_space(sizes)) {}

Sizes Dataspace::sizes() const {
  const int rank = H5Sget_simple_extent_ndims(id());
  check(rank, "H5Sget_simple_extent_ndims");
  Sizes sizes(static_cast<std::size_t>(rank));
  check(H5Sget_simple_extent_dims(id(), sizes.data(), nullptr), "H5Sget_simple_extent_dims");
  return sizes;
}

hsize_t Dataspace::count() const {
  const hssize_t count = H5Sget_simple_extent_npoints(id());
  if (count < 0) check(-1, "H5Sget_simple_extent_npoints");
  // HDF5's product may have overflowed.
  double product = 1.0;
  for (const hsize_t size : sizes()) product *= static_cast<double>(size);
  if (product >= 0x1p62) {
    throw InputError(fmt::format("an array of shape [{}] is larger than any that can be stored",
                                 fmt::join(sizes(), " x ")));
  }
  return static_cast<hsize_t>(count);
}

void Dataspace::select(const Slab& slab) {
  if (slab.empty()) return select_none();
  check(H5Sselect_hyperslab(id(), H5S_SELECT_SET, slab.start.data(), nullptr, slab.count.data(),
                            nullptr),
        "H5Sselect_hyperslab");
}

void Dataspace::select_none() {
  check(H5Sselect_none(id()), "H5Sselect_none");
}

// ---- Property lists.

Properties Properties::defaults() {
  return Properties({H5P_DEFAULT, nullptr, "H5P_DEFAULT"});
}

Properties Properties::parallel_access(MPI_Comm comm) {
  Properties access(make_properties(H5P_FILE_ACCESS));
  check(H5Pset_fapl_mpio(access.id(), comm, MPI_INFO_NULL), "H5Pset_fapl_mpio");
  check(H5Pset_all_coll_metadata_ops(access.id(), true), "H5Pset_all_coll_metadata_ops");
  check(H5Pset_coll_metadata_write(access.id(), true), "H5Pset_coll_metadata_write");
  return access;
}

Properties Properties::ordered_file() {
  return Properties(ordered(H5P_FILE_CREATE));
}

Properties Properties::ordered_group() {
  return Properties(ordered(H5P_GROUP_CREATE));
}

Properties Properties::dataset() {
  Properties creation(make_properties(H5P_DATASET_CREATE));
  check(H5Pset_obj_track_times(creation.id(), false), "H5Pset_obj_track_times");
  return creation;
}

Properties Properties::uncached() {
  Properties access(make_properties(H5P_DATASET_ACCESS));
  check(H5Pset_chunk_cache(access.id(), 0, 0, 0.0), "H5Pset_chunk_cache");
  return access;
}

Properties Properties::collective() {
  Properties transfer(make_properties(H5P_DATASET_XFER));
  check(H5Pset_dxpl_mpio(transfer.id(), H5FD_MPIO_COLLECTIVE), "H5Pset_dxpl_mpio");
  return transfer;
}

Properties& Properties::chunked(const Sizes& chunk) {
  check(H5Pset_chunk(id(), static_cast<int>(chunk.size()), chunk.data()), "H5Pset_chunk");
  return *this;
}

Properties& Properties::allocated_early() {
  check(H5Pset_alloc_time(id(), H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time");
  check(H5Pset_fill_time(id(), H5D_FILL_TIME_ALLOC), "H5Pset_fill_time");
  return *this;
}

template <typename V>
Properties& Properties::filled_with(V value) {
  check(H5Pset_fill_value(id(), Type::of<V>().id(), &value), "H5Pset_fill_value");
  return *this;
}

// ---- Attributes.

Attribute::Attribute(hid_t object, const std::string& name)
    : name_(name),
      handle_(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, "H5Aopen " + name) {}

Attribute::Attribute(hid_t object, const std::string& name, const Type& type,
                     const Dataspace& space)
    : name_(name),
      handle_(H5Acreate2(object, name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT),
              H5Aclose, "H5Acreate " + name) {}

Type Attribute::type() const {
  return Type({H5Aget_type(handle_.id()), H5Tclose, "H5Aget_type"});
}

bool Attribute::is_text() const {
  return type().is_text();
}

void Attribute::expect_single() const {
  const Dataspace space({H5Aget_space(handle_.id()), H5Sclose, "H5Aget_space"});
  if (space.count() == 1) return;
  throw InputError(fmt::format("attribute '{}' should be a single value", name_));
}

std::string Attribute::read_fixed(const Type& type) const {
  if (type.size() > kLongestText) {
    throw InputError(fmt::format("attribute '{}' should be a text of at most {} bytes but has {}",
                                 name_, kLongestText, type.size()));
  }
  std::string value(type.size(), '\0');
  check(H5Aread(handle_.id(), type.id(), value.data()), "H5Aread " + name_);
  value.resize(std::min(value.find('\0'), value.size()));
  return value;
}

std::string Attribute::read_text() const {
  const Type found = type();
  if (!found.is_text()) throw InputError(fmt::format("attribute '{}' should be text", name_));
  expect_single();
  if (H5Tis_variable_str(found.id()) > 0) return read_variable_text(handle_.id(), kLongestText);
  return read_fixed(found);
}

double Attribute::read_number() const {
  if (!type().is_number())
    throw InputError(fmt::format("attribute '{}' should be a number", name_));
  expect_single();
  double value = 0.0;
  check(H5Aread(handle_.id(), H5T_NATIVE_DOUBLE, &value), "H5Aread " + name_);
  return value;
}

void Attribute::write(const std::string& value) {
  const Type stored = type();
  std::string filled = value;
  filled.resize(stored.size());
  check(H5Awrite(handle_.id(), stored.id(), filled.data()), "H5Awrite " + name_);
}

void Attribute::write(double value) {
  check(H5Awrite(handle_.id(), H5T_NATIVE_DOUBLE, &value), "H5Awrite " + name_);
}

void Attribute::write(long long value) {
  check(H5Awrite(handle_.id(), H5T_NATIVE_LLONG, &value), "H5Awrite " + name_);
}

std::vector<std::string> Object::attribute_names() const {
  std::vector<std::string> names;
  check(H5Aiterate2(id(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect_attribute, &names),
        "H5Aiterate");
  std::sort(names.begin(), names.end());
  return names;
}

bool Object::has_attribute(const std::string& name) const {
  return H5Aexists(id(), name.c_str()) > 0;
}

bool Object::attribute_is_text(const std::string& name) const {
  return Attribute(id(), name).is_text();
}

std::string Object::read_text(const std::string& name) const {
  return Attribute(id(), name).read_text();
}

double Object::read_number(const std::string& name) const {
  return Attribute(id(), name).read_number();
}

void Object::write_text(const std::string& name, const std::string& value) {
  if (value.size() > kLongestWritten) {
    throw InputError(fmt::format("the text '{}' has {} bytes, but a file records at most {}", name,
                                 value.size(), kLongestWritten));
  }
  Attribute(id(), name, Type::text(value.size()), Dataspace::single()).write(value);
}

void Object::write_number(const std::string& name, double value) {
  Attribute(id(), name, Type::of<double>(), Dataspace::single()).write(value);
}

void Object::write_whole_number(const std::string& name, long long value) {
  Attribute(id(), name, Type::of<long long>(), Dataspace::single()).write(value);
}

void Object::overwrite_number(const std::string& name, double value) {
  Attribute(id(), name).write(value);
}

void Object::overwrite_text(const std::string& name, const std::string& value) {
  Attribute(id(), name).write(value);
}

void Object::remove_attribute(const std::string& name) {
  check(H5Adelete(id(), name.c_str()), "H5Adelete " + name);
}

// ---- Datasets.

Dataspace Dataset::space() const {
  return Dataspace({H5Dget_space(id()), H5Sclose, "H5Dget_space"});
}

Type Dataset::type() const {
  return Type({H5Dget_type(id()), H5Tclose, "H5Dget_type"});
}

void Dataset::expect_own_values(const std::string& name) const {
  const Handle creation(H5Dget_create_plist(id()), H5Pclose, "H5Dget_create_plist");
  const H5D_layout_t layout = H5Pget_layout(creation.id());
  if (layout == H5D_VIRTUAL || H5Pget_external_count(creation.id()) != 0) {
    throw InputError(fmt::format(
        "the values of '{}' lie in other datasets or files: only what the file itself holds is "
        "read: copy them there",
        name));
  }
  if (layout == H5D_CHUNKED && chunk_bytes(creation, type().size()) > kLargestChunk) {
    throw InputError(
        fmt::format("a chunk of '{}' should have at most {:g} bytes: store it in smaller ones",
                    name, kLargestChunk));
  }
}

Sizes Dataset::chunk() const {
  const Handle creation(H5Dget_create_plist(id()), H5Pclose, "H5Dget_create_plist");
  Sizes chunk = sizes();
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    check(H5Pget_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data()),
          "H5Pget_chunk");
  }
  return chunk;
}

bool Dataset::is_stored() const {
  const Handle creation(H5Dget_create_plist(id()), H5Pclose, "H5Dget_create_plist");
  double bytes = static_cast<double>(type().size());
  for (const hsize_t size : sizes()) bytes *= static_cast<double>(size);
  // Compressed values may take any positive space.
  const bool filtered = H5Pget_nfilters(creation.id()) > 0;
  return static_cast<double>(stored_bytes()) >= (filtered ? std::min(bytes, 1.0) : bytes);
}

hsize_t Dataset::stored_bytes() const {
  return H5Dget_storage_size(id());
}

hsize_t Dataset::offset() const {
  return H5Dget_offset(id());
}

std::int64_t Dataset::read_whole_number() const {
  if (!type().is_whole() || space().count() != 1) {
    throw InputError("it should be a single whole number");
  }
  std::int64_t value = 0;
  read(&value);
  return value;
}

template <typename V>
void Dataset::read(V* values) const {
  check(H5Dread(id(), Type::of<V>().id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "H5Dread", *this);
}

template <typename V>
void Dataset::read(const Slab& slab, V* values) const {
  Dataspace part = space();
  part.select(slab);
  const Dataspace memory(slab.count);
  check(H5Dread(id(), Type::of<V>().id(), memory.id(), part.id(), H5P_DEFAULT, values), "H5Dread",
        *this);
}

std::string Dataset::read_bytes() const {
  const Type stored = type();
  std::string bytes(space().count() * stored.size(), '\0');
  check(H5Dread(id(), stored.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "H5Dread", *this);
  return bytes;
}

template <typename V>
void Dataset::write(const V* values) {
  check(H5Dwrite(id(), Type::of<V>().id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "H5Dwrite",
        *this);
}

void Dataset::write(const std::vector<std::string>& values) {
  const Type stored = type();
  std::string texts;
  for (const std::string& value : values) {
    texts += value;
    texts.append(stored.size() - value.size(), '\0');
  }
  check(H5Dwrite(id(), stored.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data()), "H5Dwrite",
        *this);
}

void Dataset::write_together(const Type& type, const Dataspace& memory, const Dataspace& file,
                             const void* values) {
  const Properties transfer = Properties::collective();
  check(H5Dwrite(id(), type.id(), memory.id(), file.id(), transfer.id(), values), "H5Dwrite",
        *this);
  std::uint32_t local = 0;
  std::uint32_t global = 0;
  check(H5Pget_mpio_no_collective_cause(transfer.id(), &local, &global),
        "H5Pget_mpio_no_collective_cause");
  if (global != H5D_MPIO_COLLECTIVE) {
    fail({"H5Dwrite", "", fmt::format("the write was not collective ({:#x})", global)});
  }
}

template <typename V>
void Dataset::write_together(const Slab& slab, const V* values) {
  Dataspace part = space();
  part.select(slab);
  Dataspace memory(slab.count);
  if (slab.empty()) memory.select_none();
  write_together(Type::of<V>(), memory, part, values);
}

template <typename V>
void Dataset::write_together(bool takes_part, const V* values) {
  Dataspace whole = space();
  if (!takes_part) whole.select_none();
  write_together(Type::of<V>(), whole, whole, values);
}

void Dataset::resize(const Sizes& sizes) {
  check(H5Dset_extent(id(), sizes.data()), "H5Dset_extent", *this);
}

void Dataset::flush() {
  check(H5Dflush(id()), "H5Dflush", *this);
}

void Dataset::write_fill_value(std::int8_t value) {
  Attribute(id(), kFillValue, Type::of<std::int8_t>(), Dataspace({1}))
      .write(static_cast<long long>(value));
}

void Dataset::make_scale(const std::string& name) {
  check(H5DSset_scale(id(), name.c_str()), "H5DSset_scale " + name);
}

void Dataset::attach_scale(const Dataset& scale, std::size_t dimension) {
  check(H5DSattach_scale(id(), scale.id(), static_cast<unsigned>(dimension)), "H5DSattach_scale",
        *this);
}

template Properties& Properties::filled_with(float);
template Properties& Properties::filled_with(double);
template Properties& Properties::filled_with(std::int8_t);
template Properties& Properties::filled_with(std::int64_t);
template void Dataset::read(float*) const;
template void Dataset::read(double*) const;
template void Dataset::read(std::int8_t*) const;
template void Dataset::read(std::int64_t*) const;
template void Dataset::read(const Slab&, float*) const;
template void Dataset::read(const Slab&, double*) const;
template void Dataset::read(const Slab&, std::int8_t*) const;
template void Dataset::read(const Slab&, std::int64_t*) const;
template void Dataset::write(const float*);
template void Dataset::write(const double*);
template void Dataset::write_together(const Slab&, const float*);
template void Dataset::write_together(const Slab&, const double*);
template void Dataset::write_together(const Slab&, const std::int8_t*);
template void Dataset::write_together(const Slab&, const std::int64_t*);
template void Dataset::write_together(bool, const double*);
template void Dataset::write_together(bool, const std::int64_t*);

// ---- Groups and files.

std::vector<std::string> Group::names() const {
  std::vector<std::string> names;
  check(H5Literate(id(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect_link, &names),
        "H5Literate");
  std::sort(names.begin(), names.end());
  return names;
}

bool Group::has(const std::string& name) const {
  const InsideAccess access(make_properties(H5P_LINK_ACCESS));
  const htri_t found = H5Lexists(id(), name.c_str(), access.id());
  access.expect_inside(name);
  return found > 0;
}

bool Group::is_dataset(const std::string& name) const {
  const Object found = object(name);
  return H5Iget_type(found.id()) == H5I_DATASET;
}

Group Group::group(const std::string& name) const {
  const InsideAccess access(make_properties(H5P_GROUP_ACCESS));
  const hid_t group = H5Gopen2(id(), name.c_str(), access.id());
  access.expect_inside(name);
  return Group({group, H5Gclose, "H5Gopen " + name});
}

Dataset Group::dataset(const std::string& name, const Properties& wanted) const {
  const InsideAccess access(wanted.id() == H5P_DEFAULT
                                ? make_properties(H5P_DATASET_ACCESS)
                                : Handle(H5Pcopy(wanted.id()), H5Pclose, "H5Pcopy"));
  const hid_t found = H5Dopen2(id(), name.c_str(), access.id());
  access.expect_inside(name);
  Dataset dataset({found, H5Dclose, "H5Dopen " + name});
  dataset.expect_own_values(name);
  return dataset;
}

Object Group::object(const std::string& name) const {
  const InsideAccess access(make_properties(H5P_LINK_ACCESS));
  const hid_t found = H5Oopen(id(), name.c_str(), access.id());
  access.expect_inside(name);
  return Object({found, H5Oclose, "H5Oopen " + name});
}

Group Group::make_group(const std::string& name) {
  const Properties creation = Properties::ordered_group();
  return Group({H5Gcreate2(id(), name.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose,
                "H5Gcreate " + name});
}

Dataset Group::make_dataset(const std::string& name, const Type& type, const Dataspace& space,
                            const Properties& creation) {
  return Dataset({H5Dcreate2(id(), name.c_str(), type.id(), space.id(), H5P_DEFAULT, creation.id(),
                             H5P_DEFAULT),
                  H5Dclose, "H5Dcreate " + name});
}

void Group::make_link(const std::string& name, const std::string& path) {
  check(H5Lcreate_soft(path.c_str(), id(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
        "H5Lcreate_soft " + name);
}

void Group::remove(const std::string& name) {
  check(H5Ldelete(id(), name.c_str(), H5P_DEFAULT), "H5Ldelete " + name);
}

File File::open(const std::string& path) {
  return File({H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "H5Fopen " + path});
}

File File::open_to_change(const std::string& path) {
  return File({H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose, "H5Fopen " + path});
}

File File::create(const std::string& path) {
  return File(make_file(path, Properties::defaults(), Properties::defaults()));
}

void File::create_for_ranks(const std::string& path) {
  File file(make_file(path, Properties::ordered_file(), Properties::defaults()));
  file.close_file();
}

File File::open_together(const std::string& path, MPI_Comm comm) {
  const Properties access = Properties::parallel_access(comm);
  File file({H5Fopen(path.c_str(), H5F_ACC_RDWR, access.id()), H5Fclose, "H5Fopen " + path});
  watch_mpi(file.id());
  return file;
}

void File::flush() {
  check(H5Fflush(id(), H5F_SCOPE_GLOBAL), "H5Fflush");
}

std::string version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  check(H5get_libversion(&major, &minor, &release), "H5get_libversion");
  return fmt::format("{}.{}.{}", major, minor, release);
}

std::string crash_sentence(const std::string& path) {
  constexpr std::size_t kLongestPath = 600;
  const std::string shown = printable(path);
  return fmt::format(
      "{}: HDF5 crashed while it was read: the file is damaged, or was made to do harm: make or "
      "copy it again",
      shown.size() > kLongestPath ? shown.substr(shown.size() - kLongestPath) : shown);
}

std::string reason(const std::exception& error) {
  std::string text = error.what();
  if (dynamic_cast<const Hdf5Error*>(&error) == nullptr) return text;
  return fmt::format("HDF5 cannot read it ({})", text.substr(0, text.find(" failed: ")));
}

void expect_readable(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw InputError(fmt::format("{}: there is no such file: check the path", path));
  }
  if (std::filesystem::is_directory(path, error)) {
    throw InputError(fmt::format("{}: it is a directory: name a file in it", path));
  }
  if (!std::filesystem::is_regular_file(path, error)) {  // a pipe would be waited for
    throw InputError(fmt::format("{}: it is a device or a pipe: name a file", path));
  }
  if (access(path.c_str(), R_OK) != 0) {
    throw InputError(fmt::format("{}: it may not be read: check its permissions", path));
  }
}

bool is_hdf5(const std::string& path) {
  return H5Fis_hdf5(path.c_str()) > 0;
}

void expect_hdf5(const std::string& path) {
  try {
    if (is_hdf5(path)) {
      File::open(path);
      return;
    }
  } catch (const Hdf5Error&) {  // it begins as HDF5 does, but is cut off or locked
  }
  throw InputError(fmt::format(
      "{}: it is no HDF5 file, or one that is incomplete or still being written: make or copy it "
      "again",
      path));
}

}  // namespace flotilla::hdf5
