// SPDX-License-Identifier: BSD-3-Clause
#include "io/replace_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

[[noreturn]] void fail(const std::string& path) {
  throw EnvironmentError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
}

std::filesystem::path folder_of(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::absolute(path, unknown).parent_path();
}

/// Returns once the disk holds what was written to a file, or a renaming in a folder.
/// @param flags  of open()
bool put_on_disk(const std::string& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC);
  if (file < 0) return false;
  // Some file systems cannot do this, for folders above all. Then nothing more can be done.
  const bool done = fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP;
  const int reason = errno;
  close(file);
  errno = reason;
  return done;
}

}  // namespace

std::string unfinished_name(const std::string& path) {
  return path + ".unfinished";
}

FileReplacement::FileReplacement(std::string path)
    : path_(std::move(path)), unfinished_(unfinished_name(path_)) {}

FileReplacement::FileReplacement(FileReplacement&& other) noexcept
    : path_(std::move(other.path_)), unfinished_(std::exchange(other.unfinished_, {})) {}

FileReplacement::~FileReplacement() {
  if (!unfinished_.empty()) unlink(unfinished_.c_str());
}

void FileReplacement::finish() {
  if (!put_on_disk(unfinished_, O_RDONLY)) fail(path_);
  if (std::rename(unfinished_.c_str(), path_.c_str()) != 0) fail(path_);
  unfinished_.clear();
  put_on_disk(folder_of(path_).string(),
              O_RDONLY | O_DIRECTORY);  // makes the new name durable, if the file system can
}

void expect_replaceable(const std::string& path, bool force) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown)) {
    throw InputError(fmt::format("{} is a directory: give the output a file name", path));
  }
  if (std::filesystem::exists(path, unknown) && !force) {
    throw InputError(
        fmt::format("{} exists already: choose another output, or replace it with --force", path));
  }
  const int file = open(unfinished_name(path).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
  if (file < 0) {
    throw InputError(
        fmt::format("cannot write {}: {}: choose an output in a directory that exists "
                    "and may be written to",
                    path, std::strerror(errno)));
  }
  close(file);
}

void expect_space(const std::string& path, double bytes, const std::string& advice) {
  std::error_code unknown;
  const std::filesystem::path folder = folder_of(path);
  const std::filesystem::space_info space = std::filesystem::space(folder, unknown);
  if (unknown || static_cast<double>(space.available) >= bytes) return;
  throw EnvironmentError(fmt::format(
      "cannot write {}: it takes {:.3g} MB, but {} has {:.3g} MB left: {}", path, bytes * 1e-6,
      folder.string(), static_cast<double>(space.available) * 1e-6, advice));
}

}  // namespace flotilla
