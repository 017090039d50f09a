// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace flotilla {

/// A file that is written as "<path>.unfinished" and takes its own name once it is whole: who opens
/// the path finds the old file or the new one, whenever the program or the machine dies.
///
/// Not collective: where ranks write together, rank 0 holds it.
class FileReplacement {
 public:
  explicit FileReplacement(std::string path);
  FileReplacement(FileReplacement&& other) noexcept;
  FileReplacement& operator=(FileReplacement&&) = delete;
  /// Removes the unfinished file, unless it has its own name by now.
  ~FileReplacement();

  /// The name to write under.
  const std::string& unfinished() const { return unfinished_; }

  /// Puts what was written on the disk and gives it its own name.
  /// @throws EnvironmentError
  void finish();

 private:
  std::string path_;
  std::string unfinished_;  ///< empty once there is nothing to remove
};

/// The name that FileReplacement writes under.
std::string unfinished_name(const std::string& path);

/// @throws InputError, with the system's own reason, where FileReplacement cannot write there, the
///         path is a directory, or it exists and `force` is false
void expect_replaceable(const std::string& path, bool force);

/// @param advice  what to do about it
/// @throws EnvironmentError where the disk below a path has not so many bytes left
void expect_space(const std::string& path, double bytes, const std::string& advice);

}  // namespace flotilla
