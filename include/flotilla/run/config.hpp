// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/location.hpp"
#include "flotilla/core/parameter.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// All that decides what a run draws, and where its draws go. The defaults are those of the
/// program.
struct RunConfig {
  std::string flow;  ///< flow file
  std::string output = "run.h5";
  bool force = false;              ///< replace an existing output
  bool resume = false;             ///< go on with the run in the output; begin it if there is none
  bool accept_seam = false;        ///< go on with a program that makes other bits, and record it
  double checkpoint_every = 10.0;  ///< minutes; 0: no checkpoints
  double stall_timeout = 30.0;     ///< minutes that a rank waits for others; 0: for ever
  std::string max_walltime;        ///< stop in time, "55m"; empty: no limit
  Location start;  ///< points in data space [n x dim] to start from; empty: draws of q_Z

  std::string density;       ///< library of the density, where the target needs one
  std::string density_args;  ///< what it is opened with
  std::string observe;       ///< observation whose likelihood is the density; empty: none

  ContextSource context;  ///< context of a conditional flow; an empty list: none

  Index chains = 256;     ///< of the whole run, [1, 2^27]
  Index superchains = 0;  ///< groups of chains that start at one point; divides chains; 0: none
  Index warmup = 300;     ///< steps
  Index draws = 3000;     ///< kept draws of each chain
  Index thin = 1;         ///< steps per kept draw
  std::uint64_t seed = 1;
  Index tile_width = 64;  ///< chains in a tile; a multiple of 32

  Specification target = {"tempered", {}};  ///< a row of target_registry()
  Specification kernel = {"ghmc", {}};      ///< a row of kernel_registry()
  std::optional<double> global_fraction;    ///< probability of a global move, in [0, 1]; empty:
                                            ///< warm-up finds it
  std::optional<double> step_size;          ///< initial step size of warm-up; empty: dim^(-1/6)
  std::optional<double> target_accept;  ///< acceptance rate of local moves that warm-up aims at, in
                                        ///< (0, 1); empty: the kernel's own
  Index exchange_every = 10;  ///< steps in a window of warm-up; at most a twentieth of warm-up
  bool adapt = true;          ///< whether warm-up adapts the step size and all else that it can
  bool scale = true;  ///< whether warm-up finds scales of latent coordinates, where they are of use

  std::string precision = "auto";  ///< "float", "double", or whichever of the two holds the draws
  bool save_warmup = false;        ///< whether draws of warm-up are stored
  bool latent = true;              ///< whether z is stored too

  Index report_every = 100;          ///< draws between two reports of convergence; 0: no reports
  std::optional<double> until_rhat;  ///< stop at the first report whose R-hat (nested R-hat with
                                     ///< superchains) is at most this,
  std::optional<double> until_ess;   ///< and whose effective sample size is at least this

  /// Number of chains that start from one point.
  Index superchain_width() const { return superchains > 0 ? chains / superchains : 1; }
  /// The acceptance rate of local moves that warm-up aims at: `target_accept`, or else the kernel's
  /// own.
  /// @throws InputError if no kernel has this name
  double wanted_acceptance() const;
  /// Whether a convergence report may end the run.
  bool may_stop_early() const { return until_rhat || until_ess; }

  /// Seconds that the run may take; 0: no limit. @throws InputError if max_walltime is no duration
  double walltime_seconds() const;

  /// @throws InputError naming the first option that is out of range, and its range
  void validate() const;

  /// The same configuration with every parameter of its target and its kernel filled in.
  RunConfig completed() const;

  /// The whole configuration as TOML with absolute paths, as run files record it. read_options()
  /// gives the same configuration back, in any folder.
  /// @throws InputError if a path cannot be written in TOML
  std::string text() const;
};

/// The options of a run as a table. It points into `run`, which must outlive it.
std::vector<Option> options_of(RunConfig& run);

}  // namespace flotilla
