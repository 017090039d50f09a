// SPDX-License-Identifier: BSD-3-Clause
#include "io/variable_text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace flotilla::hdf5 {
namespace {

// Layout: HDF5 File Format Specification 3.0, III.E "Global heap" and IV.A.2.d, a variable-length
// type's reference into it.
static_assert(std::endian::native == std::endian::little, "HDF5's own numbers are little-endian");

constexpr std::size_t kReferenceBytes = 16;
constexpr std::size_t kHeaderBytes = 16;  // of a collection and of an object in it
constexpr std::uint64_t kAlignment = 8;
constexpr const char* kRawReference = "raw reference into a global heap";

/// Where a text lies.
struct HeapReference {
  std::uint32_t length = 0;  ///< of the text [bytes]
  std::uint64_t collection = 0;
  std::uint32_t object = 0;  ///< in the collection; 0: none
};

[[noreturn]] void refuse(const std::string& what) {
  throw InputError(fmt::format(
      "a text of variable length is damaged: {}: write the file again, or its texts with fixed "
      "length",
      what));
}

template <typename V>
V number_at(const char* bytes) {
  V value{};
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// A conversion that changes nothing: HDF5 hands over what the file holds.
herr_t keep_raw(hid_t /*from*/, hid_t to, H5T_cdata_t* call, std::size_t /*count*/,
                std::size_t /*stride*/, std::size_t /*background_stride*/, void* /*values*/,
                void* /*background*/, hid_t /*transfer*/) {
  if (call->command != H5T_CONV_INIT) return 0;
  call->need_bkg = H5T_BKG_NO;
  char* const tag = H5Tget_tag(to);
  const bool ours = tag != nullptr && std::string_view(tag) == kRawReference;
  H5free_memory(tag);
  return ours ? 0 : -1;
}

Type raw_reference() {
  Type type({H5Tcreate(H5T_OPAQUE, kReferenceBytes), H5Tclose, "H5Tcreate"});
  if (H5Tset_tag(type.id(), kRawReference) < 0) throw Hdf5Error("H5Tset_tag failed");
  return type;
}

void register_raw_reading() {
  static const bool kRegistered = [] {
    const Handle text(H5Tcopy(H5T_C_S1), H5Tclose, "H5Tcopy");
    const Type raw = raw_reference();
    return H5Tset_size(text.id(), H5T_VARIABLE) >= 0 &&
           H5Tregister(H5T_PERS_SOFT, "raw text", text.id(), raw.id(), keep_raw) >= 0;
  }();
  if (!kRegistered) throw Hdf5Error("H5Tregister failed");
}

HeapReference read_reference(hid_t attribute) {
  register_raw_reading();
  std::array<char, kReferenceBytes> bytes{};
  if (H5Aread(attribute, raw_reference().id(), bytes.data()) < 0) {
    throw Hdf5Error("H5Aread failed: a text of variable length cannot be read");
  }
  return {number_at<std::uint32_t>(bytes.data()), number_at<std::uint64_t>(bytes.data() + 4),
          number_at<std::uint32_t>(bytes.data() + 12)};
}

/// The bytes of an open HDF5 file, read beside HDF5. Addresses are those of its reference.
class Bytes {
 public:
  explicit Bytes(hid_t object)
      : file_(H5Iget_file_id(object), H5Fclose, "H5Iget_file_id"),
        creation_(H5Fget_create_plist(file_.id()), H5Pclose, "H5Fget_create_plist") {
    void* descriptor = nullptr;
    if (H5Fget_vfd_handle(file_.id(), H5P_DEFAULT, &descriptor) < 0 ||
        H5Pget_userblock(creation_.id(), &base_) < 0) {
      throw Hdf5Error("H5Fget_vfd_handle failed");
    }
    descriptor_ = *static_cast<const int*>(descriptor);
    std::size_t address_bytes = 0;
    std::size_t length_bytes = 0;
    H5Pget_sizes(creation_.id(), &address_bytes, &length_bytes);
    if (address_bytes != 8 || length_bytes != 8) refuse("addresses do not have 8 bytes");
  }

  void read(std::uint64_t address, char* out, std::size_t size) const {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 62U;
    if (address > kMost || pread(descriptor_, out, size, static_cast<off_t>(base_ + address)) !=
                               static_cast<ssize_t>(size)) {
      refuse("it lies outside the file");
    }
  }

 private:
  Handle file_;
  Handle creation_;
  int descriptor_ = -1;
  hsize_t base_ = 0;
};

/// Finds an object of a collection. Returns the address of its bytes, at least `length` of them.
std::uint64_t find_object(const Bytes& bytes, const HeapReference& reference) {
  std::array<char, kHeaderBytes> header{};
  bytes.read(reference.collection, header.data(), header.size());
  if (std::string_view(header.data(), 4) != "GCOL" || header[4] != 1) refuse("it has no heap");
  const auto size = number_at<std::uint64_t>(header.data() + 8);
  std::uint64_t place = kHeaderBytes;
  while (place < size && size - place >= kHeaderBytes) {
    bytes.read(reference.collection + place, header.data(), header.size());
    const auto index = number_at<std::uint16_t>(header.data());
    const auto held = number_at<std::uint64_t>(header.data() + 8);
    place += kHeaderBytes;
    if (index == 0 || held > size - place) break;  // free space begins, or the heap is damaged
    if (index == reference.object) {
      if (held < reference.length) refuse("it is shorter than the file says");
      return reference.collection + place;
    }
    place += (held + kAlignment - 1) / kAlignment * kAlignment;
  }
  refuse("it is not where the file says");
}

}  // namespace

std::string read_variable_text(hid_t attribute, std::size_t most) {
  const HeapReference reference = read_reference(attribute);
  if (reference.length == 0 || reference.object == 0) return "";
  if (reference.length > most) {
    refuse(fmt::format("it should have {} bytes, and at most {} are read", reference.length, most));
  }
  const Bytes bytes(attribute);
  std::string text(reference.length, '\0');
  bytes.read(find_object(bytes, reference), text.data(), text.size());
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace flotilla::hdf5
