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

/// Everything that decides what a run draws, and where its draws go. The defaults are the
/// program's.
struct RunConfig {
  std::string flow;  ///< flow file
  std::string output = "run.h5";
  bool force = false;  ///< replace an existing output
  Location start;      ///< of points in data space [n x dim]; empty: draws of q_Z

  ContextSource context;  ///< of a conditional flow; an empty list: none

  Index chains = 1024;    ///< of the whole run, [1, 2^27]
  Index superchains = 0;  ///< chains of one start from one point; divides chains; 0: all apart
  Index warmup = 1000;    ///< steps
  Index draws = 1000;     ///< kept of each chain
  Index thin = 1;         ///< steps from one kept draw to the next
  std::uint64_t seed = 1;
  Index tile_width = 64;  ///< chains in a tile, a multiple of 32

  Specification target = {"tempered", {}};     ///< a row of target_registry()
  Specification kernel = {"metric-mala", {}};  ///< a row of kernel_registry()
  double global_fraction = 0.1;                ///< probability of a global move, [0, 1]
  std::optional<double> step_size;  ///< to begin warm-up with; dim^(-1/6) where not given
  double target_accept = 0.574;
  Index exchange_every = 10;  ///< steps of a window of warm-up
  bool adapt = true;          ///< whether warm-up changes the step size

  std::string precision = "float";  ///< or "double"
  bool save_warmup = false;
  bool latent = true;  ///< whether z is stored beside x

  Index report_every = 100;          ///< draws from one report of convergence to the next; 0: none
  std::optional<double> until_rhat;  ///< stop at the first report with R-hat no larger (nested
                                     ///< R-hat where there are superchains),
  std::optional<double> until_ess;   ///< and an effective sample size no smaller

  /// Chains that start from one point.
  Index superchain_width() const { return superchains > 0 ? chains / superchains : 1; }
  bool may_stop_early() const { return until_rhat || until_ess; }

  /// @throws InputError naming the first option that is out of range, and its range
  void validate() const;

  /// The same, with all parameters of its target and its kernel in it.
  RunConfig completed() const;

  /// The whole configuration as TOML, with absolute paths, as run files record it: read_options()
  /// makes the same configuration of it, in any folder.
  /// @throws InputError where a path cannot stand in TOML
  std::string text() const;
};

/// The table of a run's options, bound to a configuration that outlives it.
std::vector<Option> options_of(RunConfig& run);

}  // namespace flotilla
