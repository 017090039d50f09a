// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace flotilla {

/// A file that is written as "<path>.unfinished" and renamed once it is complete. Whenever the
/// program or the machine dies, the path holds either the old file or the new one.
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

/// The name under which FileReplacement writes.
std::string unfinished_name(const std::string& path);

/// @throws InputError, with the system's reason, if FileReplacement cannot write there, the path is
/// a directory, or it exists and `force` is false
void expect_replaceable(const std::string& path, bool force);

/// @param advice  what the user can do about it
/// @throws EnvironmentError if the disk of the path has fewer bytes left
void expect_space(const std::string& path, double bytes, const std::string& advice);

}  // namespace flotilla
