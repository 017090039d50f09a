// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace flotilla {

/// The right of one process to write an output and what lies beside it, from before the first file
/// is touched to after the last one is complete.
///
/// The owner holds a lock on "<output without .h5>.lock", which says who that is; the system takes
/// the lock back however the owner ends. So it holds wherever the file system's locks do: on this
/// machine; over NFS with its lock service (not with nolock or local_lock); on Lustre mounted with
/// flock. Where there are no locks at all, the existence of the file is the lock, and a dead
/// owner's has to be removed by hand.
///
/// Not collective: if ranks write together, rank 0 owns.
class OutputOwner {
 public:
  /// @throws InputError if another process owns the output, saying which and since when, or if
  /// nothing can be written beside it; EnvironmentError if the disk is full
  explicit OutputOwner(const std::string& output);
  /// Removes the lock.
  ~OutputOwner();
  OutputOwner(const OutputOwner&) = delete;
  OutputOwner& operator=(const OutputOwner&) = delete;

  /// Removes what owners that died left in a folder: a file of this name while it was unfinished,
  /// or any unfinished file if the name is empty.
  /// @return a sentence that says whose and which; empty if there were none
  std::string remove_leftovers(const std::string& folder, const std::string& file) const;
  /// The same for the output itself.
  std::string remove_leftovers() const;

 private:
  void take();
  bool try_to_take();
  void sign();

  std::string output_;
  std::string lock_;
  std::string dead_;  ///< what the lock of a dead owner said; empty if there was none
  int file_ = -1;
};

}  // namespace flotilla
