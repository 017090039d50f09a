// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/sampler/draw_block.hpp"
#include "flotilla/sampler/pool.hpp"
#include "flotilla/sampler/step_size.hpp"
#include "flotilla/target/density.hpp"
#include "io/draw_checksums.hpp"
#include "io/facts.hpp"
#include "io/hdf5.hpp"
#include "io/replace_file.hpp"
#include "io/shared_file.hpp"
#include "io/waiting_draws.hpp"

namespace flotilla {

class GroupBuilder;

/// The sizes of a run file. Those of the file do not depend on the number of ranks: only the last
/// three do.
struct RunFileLayout {
  Index dim = 0;
  Index chains = 0;                      ///< of the whole run
  Index draws = 0;                       ///< of each chain
  Index warmup_draws = 0;                ///< of each chain; 0: no warm-up groups
  Index windows = 0;                     ///< of adaptation; 0: no adaptation group
  Index superchains = 0;                 ///< recorded for each chain; 0: not recorded
  bool latent = true;                    ///< whether z is stored too
  std::vector<DerivedVariable> derived;  ///< stored beside x
  Index chunk_chains = 0;  ///< chunk shape of points [chunk_chains x chunk_draws x dim]
  Index chunk_draws = 0;
  Index first_chain = 0;    ///< of this rank
  Index local_chains = 0;   ///< of this rank
  Index largest_share = 0;  ///< number of chains on the rank that has the most

  /// Number of tiles of the whole run; a chunk is as wide as a tile.
  Index tiles() const;

  /// Bytes of the derived variables of one draw of one chain.
  std::size_t derived_bytes() const;

  /// Bytes that the file takes at so many bytes per scalar, chunks in full; at most a few per cent
  /// and 256 KiB too many.
  double bytes(std::size_t scalar) const;
};

/// How far the draws of a run file count when a run goes on, of each chain. Later ones are made
/// again.
struct DrawsSoFar {
  Index warmup = 0;
  Index sampling = 0;
  Index committed_warmup = 0;  ///< those that the file has; at least as many
  Index committed = 0;
};

/// One window of warm-up as the adaptation saw it, summed over all ranks.
struct AdaptationWindow {
  double step_size = 0.0;  ///< of the window's local moves
  double acceptance_rate = 0.0;
  double global_acceptance_rate = 0.0;

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(step_size, acceptance_rate, global_acceptance_rate);
  }
};

/// The HDF5 file of a run. All ranks write it together; ArviZ and xarray read it.
///
/// All space is allocated when the file is created, and future draws read as missing: NaN, or -1 in
/// flags, which become truth values at the end. Sampling touches no metadata, so the file can be
/// opened at any moment, even if the run is killed. `draws_committed` tells how many draws of each
/// chain are good, the group `checksums` what their bytes add up to, and the attribute `status` of
/// every group whether that is all. Draws wait until they fill a chunk, or until save(). The file
/// gets its name by publish(). Everything is collective and throws the same on every rank; a failed
/// write ends the program: see SharedFile.
template <typename T>
class RunFile {
 public:
  /// @param facts     written to the root group, in this order
  /// @param measured  names of numbers that finish() writes; NaN until then
  /// @throws InputError if the path cannot be written, or exists and `force` is false;
  /// EnvironmentError if the disk is too small; Hdf5Error
  RunFile(const Communicator& comm, const std::string& path, bool force,
          const RunFileLayout& layout, const RunFacts& facts,
          const std::vector<std::string>& measured);
  /// Opens the file of a run that goes on. @param layout  that it was made with, but for the ranks
  /// @throws Hdf5Error; a failure in mid-way ends the program
  RunFile(const Communicator& comm, const std::string& path, const RunFileLayout& layout,
          const DrawsSoFar& so_far);
  ~RunFile();
  RunFile(const RunFile&) = delete;
  RunFile& operator=(const RunFile&) = delete;

  /// Gives a new file its name, in place of what had it.
  void publish();

  /// Writes where the chains start. @param block  one draw of each chain; only x is used
  void write_start(const DrawBlock<T>& block);

  /// Writes one of the measured numbers before the end, so that a killed run has it.
  void write_measured(const std::string& name, double value);

  /// Appends a block of draws. Writes and commits those that fill a chunk, or end their phase.
  ///
  /// @param derived    of each variable of the layout, [chains x draws x size]
  /// @param step_size  of the block's local moves
  /// @throws EnvironmentError if somebody has removed or replaced the file
  void append(Phase phase, const DrawBlock<T>& block,
              const std::vector<std::vector<double>>& derived, StepSize step_size);

  /// Forces all that was written to the disk. @param waiting  first writes the draws that wait
  void save(bool waiting);

  /// Writes the adaptation group. Missing windows stay NaN.
  void write_adaptation(const std::vector<AdaptationWindow>& windows);

  /// Writes the measured numbers, marks the file as complete and closes it.
  ///
  /// @param early  the run stopped early: every variable is cut after its last draw, so that it
  ///               does not end in NaN
  void finish(const std::vector<std::pair<std::string, double>>& measured, bool early = false);

 private:
  /// A dataset, and those of its draws that are not written yet.
  template <typename V>
  struct Variable {
    hdf5::Dataset dataset;
    WaitingDraws<V> waiting;
  };

  /// Checksums of the draws of a block, a chunk of the file, and where they are written.
  struct ChecksumTable {
    hdf5::Dataset dataset;  ///< [block x tile x variable]
    DrawChecksums sums;     ///< of this rank's tiles
  };

  /// The variables of one phase, and how far their draws are.
  struct DrawSet {
    Variable<T> x;
    std::vector<Variable<double>> derived;
    Variable<T> z;
    DrawProgress points;            ///< of these
    ChecksumTable point_checksums;  ///< likewise, in this order

    Variable<double> lp;
    Variable<double> acceptance_rate;
    Variable<double> step_size;
    Variable<std::int8_t> diverging;
    Variable<double> log_det_jacobian;
    Variable<std::int8_t> is_global;
    Variable<std::int8_t> accepted;
    DrawProgress statistics;             ///< of these
    ChecksumTable statistics_checksums;  ///< likewise, in this order

    hdf5::Dataset committed;
    Index draws = 0;  ///< of each chain, committed
  };

  void create(const RunFacts& facts, const std::vector<std::string>& measured);
  DrawProgress progress(Index draws, Index chunk, std::size_t bytes) const;
  void create_draw_set(const std::string& prefix, Index draws, const RunFacts& facts, DrawSet& set);
  void create_start(const RunFacts& facts);
  void create_adaptation(const RunFacts& facts);
  void add_derived(GroupBuilder& data, DrawSet& set) const;
  void create_checksums(const std::string& prefix, const RunFacts& facts, DrawSet& set);
  void open();
  void open_draw_set(const std::string& prefix, Index draws, DrawSet& set);
  void size_draw_set(Index draws, DrawSet& set) const;
  void recall_checksums(DrawSet& set);
  void keep(DrawSet& set, const DrawBlock<T>& block,
            const std::vector<std::vector<double>>& derived, Index first, Index count);
  void write_waiting(DrawSet& set, bool all);
  void write(DrawSet& set, bool points, bool statistics);
  void write_checksums(ChecksumTable& table, const DrawProgress& progress, Index committed);
  void commit(DrawSet& set);
  void flush();
  void tell_worth();
  void expect_still_there() const;
  void shorten() const;

  const Communicator* comm_;
  RunFileLayout layout_;
  std::string path_;
  std::optional<FileReplacement> replacement_;  ///< on rank 0, while the file is being made
  std::optional<SharedFile> file_;              // declared before its contents, so that it is
                                                // closed last
  hdf5::Dataset start_;
  DrawSet warmup_;
  DrawSet sampling_;
  std::array<hdf5::Dataset, 3> adaptation_;
  std::vector<double> step_sizes_;
  Index sampling_draws_ = 0;  ///< set when the file is closed
  bool published_ = false;    ///< the file has its own name
  FileIdentity made_;         ///< likewise, on rank 0
  Index confirmed_ = 0;       ///< draws of each chain that a flush has forced to the disk
};

}  // namespace flotilla
