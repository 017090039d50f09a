// SPDX-License-Identifier: BSD-3-Clause

// The file of a checkpoint: a preface, what ranks share, and the records of tiles. Each has its
// checksum. Records begin on pages of their own, so that no two ranks write the same page: over a
// network that loses one of the writes.
#include "io/checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "flotilla/core/error.hpp"
#include "io/replace_file.hpp"
#include "io/sha256.hpp"

namespace flotilla {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kDigest = 64;  // hexadecimal digits
constexpr const char* kName = "flotilla checkpoint";
constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kByteOrder = 0x0102030405060708U;

/// The first bytes of the file.
struct Preface {
  std::array<char, 32> name{};
  std::uint64_t version = kVersion;
  std::uint64_t byte_order = kByteOrder;
  std::uint64_t shared_bytes = 0;
  std::uint64_t record_bytes = 0;  ///< of a tile, without its checksum
  std::uint64_t tiles = 0;

  std::string bytes() const {
    return {reinterpret_cast<const char*>(this), sizeof(Preface)};  // NOLINT: its bytes
  }
};
static_assert(sizeof(Preface) == 72, "no padding: every byte is written and checked");

std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

std::string digest(const std::string& one, const std::string& other = "") {
  Sha256 hash;
  hash.add(one);
  hash.add(other);
  return hash.hex();
}

/// Where records begin, and how far they lie apart.
std::uint64_t first_record(const Preface& preface) {
  return whole_pages(sizeof(Preface) + preface.shared_bytes + kDigest);
}
std::uint64_t record_stride(const Preface& preface) {
  return whole_pages(preface.record_bytes + kDigest);
}
std::uint64_t file_size(const Preface& preface) {
  return first_record(preface) + preface.tiles * record_stride(preface);
}

/// A file that is being written; closed at the end.
class OpenFile {
 public:
  OpenFile(const std::string& path, const std::string& known_as, int flags)
      : known_as_(known_as), file_(open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (file_ < 0) fail_to_write(known_as_);
  }
  ~OpenFile() {
    if (file_ >= 0) close(file_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  void write(std::uint64_t place, const std::string& bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t written =
          pwrite(file_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(place + done));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail_to_write(known_as_);
      done += static_cast<std::size_t>(written);
    }
  }
  void resize(std::uint64_t size) const {
    if (ftruncate(file_, static_cast<off_t>(size)) != 0) fail_to_write(known_as_);
  }
  /// Forces it to the disk and closes it; either may be the first to tell of a failure.
  void finish() {
    if (fsync(file_) != 0) fail_to_write(known_as_);
    const int closed = close(file_);
    file_ = -1;
    if (closed != 0) fail_to_write(known_as_);
  }

 private:
  std::string known_as_;
  int file_;
};

}  // namespace

std::string checkpoint_path(const std::string& output) {
  const std::filesystem::path path(output);
  if (path.extension() != ".h5") return output + ".checkpoint";
  return std::filesystem::path(path).replace_extension(".checkpoint").string();
}

void expect_checkpoint_free(const std::string& output) {
  const std::string path = checkpoint_path(output);
  expect_replaceable(path, true);
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown) || CheckpointReader::is_checkpoint(path) ||
      std::filesystem::file_size(path, unknown) == 0) {
    return;
  }
  throw InputError(fmt::format(
      "{} exists and is no checkpoint, where this run's would go: choose another output", path));
}

void remove_checkpoint(const std::string& output) {
  std::error_code unknown;
  std::filesystem::remove(checkpoint_path(output), unknown);
}

double write_checkpoint(const Communicator& comm, const std::string& path,
                        const std::string& shared, const TileShare& share,
                        const std::function<std::string(Index tile)>& tile) {
  std::optional<FileReplacement> replacement;
  std::string name;
  Preface preface;
  std::string layout;
  comm.together([&] {
    std::string record;
    if (share.own > 0) record = tile(0);
    preface.record_bytes = record.size();
    if (!comm.is_root()) return;
    // Rank 0 has tiles unless there are fewer than ranks; a run has at least one.
    std::copy_n(kName, std::strlen(kName), preface.name.begin());
    preface.shared_bytes = shared.size();
    preface.tiles = static_cast<std::uint64_t>(share.all);
  });
  preface.record_bytes =
      static_cast<std::uint64_t>(comm.largest(static_cast<double>(preface.record_bytes)));
  comm.together([&] {
    if (!comm.is_root()) return;
    replacement.emplace(path);
    name = replacement->unfinished();
    OpenFile file(name, path, O_WRONLY | O_CREAT | O_TRUNC);
    file.resize(file_size(preface));
    file.write(0, preface.bytes() + shared + digest(preface.bytes(), shared));
    file.finish();
    layout = preface.bytes();
  });
  comm.broadcast(name);
  comm.broadcast(layout);
  comm.together([&] {
    if (share.own == 0) return;
    std::memcpy(&preface, layout.data(), sizeof(Preface));
    OpenFile file(name, path, O_WRONLY);
    for (Index t = 0; t < share.own; ++t) {
      const std::string record = tile(t);
      if (record.size() != preface.record_bytes) {
        throw EnvironmentError("records of tiles differ in size");
      }
      file.write(first_record(preface) +
                     static_cast<std::uint64_t>(share.first + t) * record_stride(preface),
                 record + digest(record));
    }
    file.finish();
  });
  comm.together([&] {
    if (comm.is_root()) replacement->finish();
  });
  return static_cast<double>(file_size(preface));
}

bool CheckpointReader::is_checkpoint(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  std::array<char, 32> found{};
  const ssize_t size = pread(file, found.data(), std::strlen(kName), 0);
  close(file);
  return size == static_cast<ssize_t>(std::strlen(kName)) && std::string(found.data()) == kName;
}

CheckpointReader::CheckpointReader(const std::string& path)
    : path_(path), file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  struct stat found {};
  if (file_ < 0 || fstat(file_, &found) != 0) {
    throw InputError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  }
  try {
    bytes_ = static_cast<std::uint64_t>(found.st_size);
    Preface preface;
    if (!S_ISREG(found.st_mode) || bytes_ < sizeof(Preface)) refuse("it is no checkpoint");
    const std::string bytes = read(0, sizeof(Preface));
    std::memcpy(&preface, bytes.data(), sizeof(Preface));
    if (std::string(preface.name.data(), strnlen(preface.name.data(), preface.name.size())) !=
        kName) {
      refuse("it is no checkpoint");
    }
    if (preface.byte_order != kByteOrder) refuse("it was written on a machine of another kind");
    if (preface.version != kVersion) {
      refuse(fmt::format("its version is {}, but this program reads version {}", preface.version,
                         kVersion));
    }
    // Every size is held against the file before anything is allocated or multiplied.
    if (preface.shared_bytes > bytes_ || preface.record_bytes > bytes_ || preface.tiles > bytes_ ||
        (preface.tiles > 0 && record_stride(preface) > bytes_ / preface.tiles) ||
        file_size(preface) != bytes_) {
      refuse("its size is not what it says: it is damaged, or was cut");
    }
    shared_ = read(sizeof(Preface), preface.shared_bytes);
    if (read(sizeof(Preface) + preface.shared_bytes, kDigest) != digest(bytes, shared_)) {
      refuse("its checksum differs: it is damaged");
    }
    record_bytes_ = preface.record_bytes;
    first_record_ = first_record(preface);
    tiles_ = static_cast<Index>(preface.tiles);
  } catch (...) {
    close(file_);
    throw;
  }
}

CheckpointReader::~CheckpointReader() {
  close(file_);
}

std::string CheckpointReader::tile(Index tile) const {
  const std::uint64_t begin =
      first_record_ + static_cast<std::uint64_t>(tile) * whole_pages(record_bytes_ + kDigest);
  std::string record = read(begin, record_bytes_);
  if (read(begin + record_bytes_, kDigest) != digest(record)) {
    refuse(fmt::format("the checksum of tile {} differs: it is damaged", tile));
  }
  return record;
}

std::string CheckpointReader::read(std::uint64_t begin, std::uint64_t size) const {
  if (begin > bytes_ || size > bytes_ - begin) refuse("it is cut");
  std::string bytes(size, '\0');
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t got =
        pread(file_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(std::strerror(errno));
    if (got == 0) refuse("it is cut");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

void CheckpointReader::refuse(const std::string& what) const {
  throw InputError(
      fmt::format("cannot go on from {}: {}: remove it to begin the run again from its first step",
                  path_, what));
}

}  // namespace flotilla
