// SPDX-License-Identifier: BSD-3-Clause
#include "io/replace_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

constexpr const char* kUnfinishedMark = ".unfinished.";

[[noreturn]] void refuse_space(const std::string& path, double bytes, const std::string& advice) {
  std::error_code unknown;
  const std::string folder = directory_of(path);
  const std::filesystem::space_info space = std::filesystem::space(folder, unknown);
  throw EnvironmentError(fmt::format(
      "cannot write {}: it takes {:.3g} MB, but {} has {:.3g} MB left: {}", path, bytes * 1e-6,
      folder, unknown ? 0.0 : static_cast<double>(space.available) * 1e-6, advice));
}

/// Returns once the disk holds what was written to a file, or a renaming in a folder.
/// @param flags  of open()
bool put_on_disk(const std::string& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC);
  if (file < 0) return (flags & O_DIRECTORY) != 0;  // a folder may be written to and not be read
  // Some file systems cannot do this, for folders above all. Then nothing more can be done.
  const bool done = fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP;
  const int reason = errno;
  close(file);
  errno = reason;
  return done;
}

}  // namespace

void fail_to_write(const std::string& path) {
  throw EnvironmentError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
}

bool is_unfinished_name(const std::string& name, const std::string& file) {
  return file.empty() ? name.find(kUnfinishedMark) != std::string::npos
                      : name.starts_with(file + kUnfinishedMark);
}

std::string directory_of(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::absolute(path, unknown).parent_path().string();
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unknown host";
}

FileReplacement::FileReplacement(std::string path)
    : path_(std::move(path)),
      unfinished_(fmt::format("{}{}{}-{}", path_, kUnfinishedMark, host_name(), getpid())) {}

FileReplacement::FileReplacement(FileReplacement&& other) noexcept
    : path_(std::move(other.path_)), unfinished_(std::exchange(other.unfinished_, {})) {}

FileReplacement::~FileReplacement() {
  if (!unfinished_.empty()) unlink(unfinished_.c_str());
}

void FileReplacement::finish() {
  if (!put_on_disk(unfinished_, O_RDONLY)) fail_to_write(path_);  // names the path that users know
  if (std::rename(unfinished_.c_str(), path_.c_str()) != 0) fail_to_write(path_);
  unfinished_.clear();
  // The new name is to last too, if the file system can do that.
  if (!put_on_disk(directory_of(path_), O_RDONLY | O_DIRECTORY)) fail_to_write(path_);
}

std::optional<FileIdentity> FileIdentity::of(const std::string& path) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) return std::nullopt;
  return FileIdentity{found.st_dev, found.st_ino, static_cast<std::uintmax_t>(found.st_size)};
}

void expect_still_there(const std::string& path, const FileIdentity& written,
                        const std::string& lost) {
  const std::optional<FileIdentity> found = FileIdentity::of(path);
  const char* const what = !found                  ? "is gone"
                           : !found->same(written) ? "is another file than the one that was made"
                           : found->size < written.size ? "was cut"
                                                        : nullptr;
  if (what == nullptr) return;
  throw EnvironmentError(fmt::format("{} {}: {}", path, what, lost));
}

void force_to_disk(const std::string& path) {
  if (!put_on_disk(path, O_RDONLY)) fail_to_write(path);
}

void expect_replaceable(const std::string& path, bool force) {
  std::error_code unknown;
  const std::filesystem::file_status found = std::filesystem::symlink_status(path, unknown);
  if (!std::filesystem::exists(found)) return;
  if (std::filesystem::is_directory(found)) {
    throw InputError(fmt::format("{} is a directory: give the output a file name", path));
  }
  if (std::filesystem::is_symlink(found)) {
    throw InputError(fmt::format("{} is a link: name the file itself as the output", path));
  }
  if (!std::filesystem::is_regular_file(found)) {
    throw InputError(
        fmt::format("{} is a device or a pipe: give the output the name of a file", path));
  }
  if (force) return;
  throw InputError(
      fmt::format("{} exists already: choose another output, or replace it with --force", path));
}

void expect_space(const std::string& path, double bytes, const std::string& advice) {
  std::error_code unknown;
  const std::filesystem::space_info space = std::filesystem::space(directory_of(path), unknown);
  if (unknown || static_cast<double>(space.available) >= bytes) return;
  refuse_space(path, bytes, advice);
}

void reserve_space(const std::string& path, const std::string& unfinished, double bytes,
                   const std::string& advice) {
  const int file = open(unfinished.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) fail_to_write(path);
  // Not posix_fallocate(): where the file system cannot, that writes every block.
  const bool refused = fallocate(file, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) != 0;
  const int reason = errno;
  close(file);
  if (!refused) return;
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG) refuse_space(path, bytes, advice);
}

void release_space(const std::string& path) {
  std::error_code unknown;
  const std::uintmax_t size = std::filesystem::file_size(path, unknown);
  if (!unknown) std::filesystem::resize_file(path, size, unknown);
}

}  // namespace flotilla
