// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "io/facts.hpp"

namespace flotilla {

/// What a run with --resume does.
struct Resumption {
  enum class Kind { kStart, kGoOn, kExtend, kDone };

  Kind kind = Kind::kStart;
  std::string run_id;  ///< of the run that goes on
  std::string note;    ///< one sentence for the user; empty: nothing to say
  std::string seam;    ///< what differs, if the bits may; empty: nothing
  Index draws = 0;     ///< that the run file was made for
  Index committed_warmup = 0;
  Index committed = 0;  ///< draws of each chain that are in it
};

/// Looks at the run file and the checkpoint of a configuration, and decides. Rank 0 looks, all
/// agree. Collective.
///
/// @param config  with the precision that the run computes in
/// @param facts   those that a new run file would have
/// @throws InputError, the same on every rank, naming every difference if the file holds another
/// run; if the checkpoint is damaged; if a run cannot be extended
Resumption decide_resumption(const RunConfig& config, const RunFacts& facts,
                             const Communicator& comm);

/// The number of a run, by which a checkpoint knows its run file.
std::string run_id_of(const RunFacts& facts);
/// The same facts with the number of another run.
RunFacts with_run_id(RunFacts facts, const std::string& run_id);

/// Says in a run file from which draw on another program made its draws. Rank 0 calls it while no
/// rank has the file open.
void record_seam(const std::string& path, Index draw, const std::string& seam);

}  // namespace flotilla
