// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>

#include "flotilla/core/batch.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "io/facts.hpp"
#include "io/hdf5.hpp"
#include "io/replace_file.hpp"
#include "io/shared_file.hpp"

namespace flotilla {

/// Points of a flow, one after another.
template <typename T>
struct PointRows {
  std::vector<T> x;                 ///< [points x dim], C order
  std::vector<T> z;                 ///< the same
  std::vector<double> log_det;      ///< [points], log|det dx/dz|
  std::vector<double> log_density;  ///< [points], log q_X

  std::size_t size() const { return log_det.size(); }
};

/// An HDF5 file of points that all ranks write together: datasets x and z [n x dim],
/// log_det_jacobian and log_density [n].
///
/// The file gets its name when it is finished. Everything is collective and throws the same on
/// every rank; a failed write ends the program: see SharedFile. T is float or double.
template <typename T>
class PointFile {
 public:
  /// @throws InputError if the path cannot be written, or exists and `force` is false;
  /// EnvironmentError if the disk is too small; Hdf5Error
  PointFile(const Communicator& comm, const std::string& path, bool force, Index points, Index dim,
            const RunFacts& facts);
  PointFile(const PointFile&) = delete;
  PointFile& operator=(const PointFile&) = delete;

  /// Writes this rank's rows, from row `first` on. A rank without rows takes part too.
  void write(Index first, const PointRows<T>& rows);

  /// Writes the facts known only at the end, closes the file and gives it its name.
  void finish(const RunFacts& facts);

 private:
  void create(Index points, Index dim, const RunFacts& facts);

  const Communicator* comm_;
  std::string path_;
  std::optional<FileReplacement> replacement_;  ///< on rank 0 only
  std::optional<SharedFile> file_;              // declared before its contents, so that it is
                                                // closed last
  hdf5::Dataset x_;
  hdf5::Dataset z_;
  hdf5::Dataset log_det_;
  hdf5::Dataset log_density_;
  Index dim_;
};

}  // namespace flotilla
