// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "flotilla/core/batch.hpp"

namespace flotilla {

namespace hdf5 {
class Dataset;
class File;
}  // namespace hdf5

/// A variable of a run file, [chain x draw] or [chain x draw x dim].
struct RunVariable {
  std::string name;
  Index chains = 0;
  Index draws = 0;  ///< of each chain that are complete
  Index dim = 1;
  bool scalar = false;     ///< it has no third dimension
  bool in_double = false;  ///< stored so; in float or less otherwise
  Index chunk_chains = 1;  ///< what lies together in the file
  Index chunk_draws = 1;
  std::shared_ptr<const hdf5::Dataset> dataset = {};  ///< for RunReader
};

/// A part of a variable: chains, draws and coordinates from a first one on.
struct RunSlab {
  Index first_chain = 0;
  Index chains = 0;
  Index first_draw = 0;
  Index draws = 0;
  Index first_coordinate = 0;
  Index coordinates = 1;

  Index size() const { return chains * draws * coordinates; }
};

/// A run file to read from, finished or not. Not collective: every rank opens it for itself.
class RunReader {
 public:
  /// @throws InputError where the path is no run file
  explicit RunReader(const std::string& path);

  const std::string& path() const { return path_; }

  /// @param group  as in "posterior" or "warmup_sample_stats"
  /// @throws InputError naming what the file has instead
  RunVariable variable(const std::string& group, const std::string& name) const;

  /// Reads a part, in the order [chain x draw x coordinate].
  ///
  /// @param out  slab.size() values of float or double @throws Hdf5Error
  /// Chunks are not cached: pieces that lie together are read as they are.
  template <typename T>
  void read(const RunVariable& variable, const RunSlab& slab, T* out) const;

  bool has_group(const std::string& name) const;
  bool has_fact(const std::string& name) const;
  /// An attribute of the run. @throws InputError where it is of the other kind
  std::string text(const std::string& name) const;
  /// NaN where the run has no such number, or has not yet.
  double number(const std::string& name) const;
  /// Superchains of the run, 0 where its chains have starts of their own.
  Index superchains() const;

 private:
  std::string path_;
  std::shared_ptr<const hdf5::File> file_;
};

}  // namespace flotilla
