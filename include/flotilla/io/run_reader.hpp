// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/circle.hpp"

namespace flotilla {

namespace hdf5 {
class Dataset;
class File;
class Group;
}  // namespace hdf5

/// A variable of a run file, [chain x draw] or [chain x draw x shape]. What lies behind chain and
/// draw counts as one dimension, in C order.
struct RunVariable {
  std::string name;
  Index chains = 0;
  Index draws = 0;                   ///< complete draws of each chain
  Index dim = 1;                     ///< product of the shape
  std::vector<Index> shape = {};     ///< empty for [chain x draw]
  bool scalar = false;               ///< true for [chain x draw]: no third dimension
  bool in_double = false;            ///< stored in double; else in float or smaller
  std::vector<Circle> circles = {};  ///< of each coordinate of x or z if some are on circles
  Index chunk_chains = 1;            ///< the shape of a chunk in the file
  Index chunk_draws = 1;
  std::shared_ptr<const hdf5::Dataset> dataset = {};  ///< used by RunReader
};

/// A part of a variable: ranges of chains, draws and coordinates.
struct RunSlab {
  Index first_chain = 0;
  Index chains = 0;
  Index first_draw = 0;
  Index draws = 0;
  Index first_coordinate = 0;
  Index coordinates = 1;

  Index size() const { return chains * draws * coordinates; }
};

/// @throws InputError if two variables of a run differ in their chains or draws
void expect_same_draws(const std::string& run, const RunVariable& one, const RunVariable& other);

/// Reads a run file, finished or not, wherever it comes from. Not collective: every rank opens the
/// file for itself.
class RunReader {
 public:
  /// @throws InputError if the path is not a run file
  explicit RunReader(const std::string& path);

  /// Whether an HDF5 file has what makes it a run file; false for any other file. Not collective.
  static bool is_run_file(const std::string& path);

  const std::string& path() const { return path_; }

  /// Looks up a variable.
  ///
  /// @param group  as in "posterior" or "warmup_sample_stats"
  /// @throws InputError that names the variables of the file, if it is missing; InputError if its
  /// values are no numbers of the file itself, or its shape is beyond the limits
  RunVariable variable(const std::string& group, const std::string& name) const;

  /// Reads a part of a variable, in the order [chain x draw x coordinate]. Chunks are not cached:
  /// read along the chunks.
  ///
  /// @param out  slab.size() values of float or double
  /// @throws InputError if the file is damaged
  template <typename T>
  void read(const RunVariable& variable, const RunSlab& slab, T* out) const;

  /// The variables of a group that have chains and draws, in the order of their names.
  /// @throws InputError if the file is damaged
  std::vector<std::string> variable_names(const std::string& group) const;

  bool has_group(const std::string& name) const;
  /// Whether the run has an attribute of this name.
  bool has_fact(const std::string& name) const;
  /// A text attribute of the run. @throws InputError if it is not a text
  std::string text(const std::string& name) const;
  /// A number attribute of the run; NaN if the run does not have it (yet). @throws InputError if it
  /// is not a number
  double number(const std::string& name) const;

 private:
  /// Complete draws, according to the file's record of the group's phase.
  Index committed_draws(const std::string& group) const;
  template <typename T>
  void read_some(const RunVariable& variable, const RunSlab& slab, T* out) const;
  static RunVariable variable_of(const hdf5::Group& group, const std::string& name,
                                 Index committed);

  std::string path_;
  std::shared_ptr<const hdf5::File> file_;
};

}  // namespace flotilla
