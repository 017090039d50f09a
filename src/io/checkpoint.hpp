// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>

#include "flotilla/core/batch.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// Which tiles of a run a rank has.
struct TileShare {
  Index all = 0;    ///< tiles of the whole run
  Index first = 0;  ///< of this rank
  Index own = 0;    ///< number of this rank's tiles
};

/// The file's path: "run.checkpoint" beside "run.h5".
std::string checkpoint_path(const std::string& output);

/// @throws InputError if a file that is no checkpoint has the name of this output's
void expect_checkpoint_free(const std::string& output);
/// Removes the checkpoint of a run that was replaced, if there is one.
void remove_checkpoint(const std::string& output);

/// Writes a checkpoint: what all ranks share, and a record of every tile. It takes the place of the
/// one before once it is whole on the disk. Collective.
///
/// @param shared  that of rank 0 is written
/// @param tile    the record of a tile, counted within this rank; all have the same size
/// @return bytes of the file
/// @throws EnvironmentError, the same on every rank; then the one before is still there
double write_checkpoint(const Communicator& comm, const std::string& path,
                        const std::string& shared, const TileShare& share,
                        const std::function<std::string(Index tile)>& tile);

/// A checkpoint that is read. Every rank opens it for itself. Whatever is read has the checksum
/// that was written.
class CheckpointReader {
 public:
  /// @throws InputError if the file is no checkpoint, is damaged, or is that of another version or
  /// machine; it allocates no more than the size of the file
  explicit CheckpointReader(const std::string& path);
  ~CheckpointReader();
  CheckpointReader(const CheckpointReader&) = delete;
  CheckpointReader& operator=(const CheckpointReader&) = delete;

  /// Whether a file begins as checkpoints of any version do.
  static bool is_checkpoint(const std::string& path);

  const std::string& shared() const { return shared_; }
  /// Tiles of the whole run.
  Index tiles() const { return tiles_; }
  /// The record of a tile of the run. @throws InputError as above
  std::string tile(Index tile) const;

 private:
  std::string read(std::uint64_t begin, std::uint64_t size) const;
  [[noreturn]] void refuse(const std::string& what) const;

  std::string path_;
  int file_ = -1;
  std::uint64_t bytes_ = 0;  ///< of the file
  std::uint64_t record_bytes_ = 0;
  std::uint64_t first_record_ = 0;
  Index tiles_ = 0;
  std::string shared_;
};

}  // namespace flotilla
