// SPDX-License-Identifier: BSD-3-Clause
#include "io/output_owner.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "flotilla/core/error.hpp"
#include "io/replace_file.hpp"

namespace flotilla {
namespace {

constexpr const char* kSignature = "flotilla: ";

// An owner signs right after it has taken the lock.
constexpr int kLooksForSignature = 50;
constexpr std::chrono::milliseconds kBetweenLooks{20};

/// "run.h5" and "run" share their reports, "run.jsonl", and so their lock.
std::string lock_name(const std::string& output) {
  const std::filesystem::path path(output);
  return (path.extension() == ".h5" ? std::filesystem::path(path).replace_extension("").string()
                                    : output) +
         ".lock";
}

std::string read_text(int file) {
  std::array<char, 512> text{};
  const ssize_t size = pread(file, text.data(), text.size(), 0);
  return size <= 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
}

/// "process 7 on vm, since ..." of a lock's text; empty if nobody has signed yet.
std::string owner_in(const std::string& text, const std::string& lock) {
  if (text.empty()) return "";
  if (!text.starts_with(kSignature)) {
    throw InputError(fmt::format(
        "{} exists and is no lock of flotilla: move it, or choose another output", lock));
  }
  const std::size_t begin = std::string(kSignature).size();
  return text.substr(begin, text.find('\n') - begin);
}

/// Whether a file is still the one of this name.
bool is_named(int file, const std::string& path) {
  struct stat open {};
  struct stat named {};
  return fstat(file, &open) == 0 && lstat(path.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

/// Locks a whole file. @return 0 or errno
int lock_whole(int file) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  // Of the open file, not of the process: it also excludes a second run in the same process.
  return fcntl(file, F_OFD_SETLK, &whole) == 0 ? 0 : errno;
}

}  // namespace

OutputOwner::OutputOwner(const std::string& output) : output_(output), lock_(lock_name(output)) {
  take();
  try {
    sign();
  } catch (...) {
    close(file_);
    throw;
  }
}

OutputOwner::~OutputOwner() {
  // First the name, while the lock is held: who opened the file before finds that it has no name.
  if (is_named(file_, lock_)) unlink(lock_.c_str());
  close(file_);
}

void OutputOwner::take() {
  while (!try_to_take()) {
  }
}

/// @return false if the lock was removed by its owner meanwhile
bool OutputOwner::try_to_take() {
  file_ = open(lock_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const bool is_new = file_ >= 0;
  if (!is_new && errno == EEXIST) {
    file_ = open(lock_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (file_ < 0 && errno == ENOENT) return false;
  }
  if (file_ < 0) {
    throw InputError(
        fmt::format("cannot write {}: {}: choose an output in a directory that exists "
                    "and may be written to",
                    output_, std::strerror(errno)));
  }
  const int refusal = lock_whole(file_);
  const bool has_no_locks = refusal != 0 && refusal != EAGAIN && refusal != EACCES;
  std::string owner;
  try {
    owner = owner_in(read_text(file_), lock_);
    const bool is_owned = has_no_locks ? !is_new : refusal != 0;
    for (int look = 0; is_owned && owner.empty() && look < kLooksForSignature; ++look) {
      std::this_thread::sleep_for(kBetweenLooks);
      owner = owner_in(read_text(file_), lock_);
    }
    if (is_owned && is_named(file_, lock_)) {
      throw InputError(fmt::format(
          "{} is being written by {}: wait for its end, or choose another output{}", output_,
          owner.empty() ? "a process that has just started" : owner,
          has_no_locks ? fmt::format("; if it is no longer running, remove {}", lock_) : ""));
    }
  } catch (...) {
    close(file_);
    throw;
  }
  if (!is_named(file_, lock_)) {
    close(file_);
    return false;
  }
  dead_ = owner;
  return true;
}

void OutputOwner::sign() {
  const std::string text =
      fmt::format("{}process {} on {}, since {:%Y-%m-%dT%H:%M:%SZ}\n", kSignature, getpid(),
                  host_name(), fmt::gmtime(std::chrono::system_clock::now()));
  const bool signed_whole =
      ftruncate(file_, 0) == 0 &&
      pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (signed_whole) return;
  const int reason = errno;
  unlink(lock_.c_str());
  throw EnvironmentError(fmt::format("cannot write {}: {}: free some space, or write elsewhere",
                                     lock_, std::strerror(reason)));
}

std::string OutputOwner::remove_leftovers() const {
  const std::filesystem::path path(output_);
  return remove_leftovers(directory_of(output_), path.filename().string());
}

std::string OutputOwner::remove_leftovers(const std::string& folder,
                                          const std::string& file) const {
  std::vector<std::string> removed;
  std::error_code unknown;
  for (const auto& entry : std::filesystem::directory_iterator(folder, unknown)) {
    const std::string name = entry.path().filename().string();
    if (!is_unfinished_name(name, file)) continue;
    if (std::filesystem::remove(entry.path(), unknown)) removed.push_back(name);
  }
  if (removed.empty()) return "";
  return fmt::format("removed what {} left unfinished: {}",
                     dead_.empty() ? "a process that died" : dead_, fmt::join(removed, ", "));
}

}  // namespace flotilla
