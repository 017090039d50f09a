// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>

#include "flotilla/parallel/communicator.hpp"
#include "io/hdf5.hpp"

namespace flotilla {

/// An HDF5 file that all ranks write together.
///
/// A write fails on some ranks only; the others then wait for these in a call of MPI, and so would
/// any attempt to close the file. So a failure is told where it happens and ends the program on all
/// ranks, before anything that is open is closed. Everything is collective.
class SharedFile {
 public:
  /// Makes the file and sets space aside for it. @param path  as users know it
  /// @param unfinished  its name while it is made, on rank 0; removed if making it fails
  /// @param advice  what the user can do about a full disk
  /// @throws EnvironmentError if the disk has fewer bytes left, or the file cannot be made
  SharedFile(const Communicator& comm, std::string path, std::string unfinished, double bytes,
             const std::string& advice);
  /// Opens a file that is there, under its own name.
  SharedFile(const Communicator& comm, std::string path);
  /// Closes it.
  ~SharedFile();
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;

  /// To be read and changed inside together() alone.
  hdf5::File& contents() { return file_; }

  /// Runs work on the file, which may be collective. Whatever fails in it ends the program.
  /// @param doing  names the work in the sentence: "writing draws"
  void together(const std::string& doing, const std::function<void()>& work);

  /// The file has its own name now, and stays after a failure.
  /// @param worth  ends the sentence that tells of a failure: what the file holds by then
  void keep(const std::string& worth);

  /// Closes it, and looks whether that succeeds.
  void close();

 private:
  void make_empty() const;
  [[noreturn]] void end(const std::string& doing, const hdf5::Failure& failure) const;

  const Communicator* comm_;
  std::string path_;
  std::string unfinished_;  ///< empty once the file has its own name
  std::string worth_ = "no output was made";
  hdf5::File file_;
};

}  // namespace flotilla
