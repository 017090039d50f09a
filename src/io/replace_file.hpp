// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace flotilla {

/// A file that is written under a name of its own and renamed once it is complete. Whenever the
/// program or the machine dies, the path holds either the old file or the new one.
///
/// The name is "<path>.unfinished.<host>-<process>": of two processes each writes a file of its
/// own.
///
/// Not collective: if ranks write together, rank 0 holds it.
class FileReplacement {
 public:
  explicit FileReplacement(std::string path);
  FileReplacement(FileReplacement&& other) noexcept;
  FileReplacement& operator=(FileReplacement&&) = delete;
  /// Removes the unfinished file, unless it was renamed.
  ~FileReplacement();

  /// The name to write under.
  const std::string& unfinished() const { return unfinished_; }

  /// Forces the file to the disk, then renames it.
  /// @throws EnvironmentError
  void finish();

 private:
  std::string path_;
  std::string unfinished_;  ///< empty when there is nothing to remove
};

/// @throws EnvironmentError that names the file and what the system said of the last call
[[noreturn]] void fail_to_write(const std::string& path);

/// Whether a name is that of an unfinished file.
/// @param file  the name that it was to get; empty: any
bool is_unfinished_name(const std::string& name, const std::string& file);

/// The folder of a file, absolute.
std::string directory_of(const std::string& path);
/// The name of this machine.
std::string host_name();

/// Which file a path names, and its size.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;  ///< on the device
  std::uintmax_t size = 0;   ///< bytes

  /// Empty if there is no such file.
  static std::optional<FileIdentity> of(const std::string& path);
  bool same(const FileIdentity& other) const {
    return device == other.device && number == other.number;
  }
};

/// @param lost  ends the sentence: what is lost with the file
/// @throws EnvironmentError if the path no longer names the file that was written, or the file has
/// become smaller
void expect_still_there(const std::string& path, const FileIdentity& written,
                        const std::string& lost);

/// Returns once the disk holds what was written to a file. @throws EnvironmentError
void force_to_disk(const std::string& path);

/// Only a regular file may be replaced. A link is refused, wherever it leads: the renaming would
/// replace the link, and leave what it names as it was.
/// @throws InputError if the path is a folder, a link, a device or a pipe, or is a file and `force`
/// is false
void expect_replaceable(const std::string& path, bool force);

/// @param advice  what the user can do about it
/// @throws EnvironmentError if the disk of the path has fewer bytes left
void expect_space(const std::string& path, double bytes, const std::string& advice);

/// Has the file system set space aside for a file, beyond its end, if it can: then later writes
/// find no full disk.
/// @param path  as users know the file @param unfinished  its name for now
/// @throws EnvironmentError as above
void reserve_space(const std::string& path, const std::string& unfinished, double bytes,
                   const std::string& advice);
/// Gives back what was set aside beyond the end of the file.
void release_space(const std::string& path);

}  // namespace flotilla
