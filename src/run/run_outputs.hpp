// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/run/convergence_report.hpp"
#include "io/facts.hpp"
#include "io/output_owner.hpp"
#include "io/run_file.hpp"
#include "run/course.hpp"
#include "run/report_log.hpp"
#include "run/resumption.hpp"

namespace flotilla {

/// The files that a run leaves: the run file, the reports beside it, and the checkpoint. It decides
/// whether a run begins, goes on or is extended, and puts its course back where it was.
///
/// Order of calls: take() on rank 0, decide(), then open() unless the run is done, and the rest.
template <typename T>
class RunOutputs {
 public:
  /// Told sentences for the user, on rank 0.
  using Note = std::function<void(const std::string& sentence)>;

  /// @param config  outlives this object, as comm does; it has the precision of the run
  RunOutputs(const RunConfig& config, const Communicator& comm, Note note);

  /// Makes this run the only one that writes its outputs, and removes what a dead one left. Not
  /// collective: rank 0 calls it, inside Communicator::together().
  /// @throws InputError if an output may not be replaced, or another process writes it
  void take();

  /// Decides what the run does about the output that is there. Collective.
  /// @param facts  those that a new run file would have
  /// @throws InputError as decide_resumption()
  void decide(const RunFacts& facts);

  /// What was decided; to start, before decide().
  const Resumption& resumption() const { return resumption_; }

  /// Opens the files as decided. A run that goes on has its course back then. Collective.
  /// @param start  a draw of each chain where it starts; not read if the run goes on
  /// @throws InputError, EnvironmentError, Hdf5Error, the same on every rank
  void open(Course<T>& course, const RunFileLayout& layout, const RunFacts& facts,
            const DrawBlock<T>& start);

  /// Writes draws of each chain. Collective; parameters as RunFile::append().
  void append(Phase phase, const DrawBlock<T>& block,
              const std::vector<std::vector<double>>& derived, StepSize step_size) {
    file_->append(phase, block, derived, step_size);
  }

  /// Writes what warm-up learnt. Collective.
  void write_adaptation(const std::vector<AdaptationWindow>& windows) {
    file_->write_adaptation(windows);
  }

  /// Writes a measured number before the end. Collective.
  void write_measured(const std::string& name, double value) { file_->write_measured(name, value); }

  /// Forces draws to the disk. Collective. @param waiting  those that fill no chunk too
  void save_draws(bool waiting) { file_->save(waiting); }

  /// Writes a checkpoint, which may speak of saved draws only. Where the run goes on, so it does
  /// after a failure, which is told: the checkpoint before it counts. Collective.
  /// @param stops  the run ends here
  /// @throws EnvironmentError if the run ends here and the checkpoint cannot be written
  void save_checkpoint(Course<T>& course, bool stops);

  /// Bytes of the last checkpoint; 0 before the first.
  double checkpoint_bytes() const { return checkpoint_bytes_; }

  /// Adds a line to the reports. @param seconds  since the start of sampling
  void append_report(const ConvergenceReport& report, double seconds) {
    log_->append(report, seconds);
  }

  /// Writes the measured numbers, and closes all files as complete. Collective.
  /// @param early  the run ended before its last draw
  void finish(const std::vector<std::pair<std::string, double>>& measured, bool early);

 private:
  void begin(const RunFacts& facts, const RunFileLayout& layout, const DrawBlock<T>& start);
  void go_on(Course<T>& course, const RunFileLayout& layout);
  void extend(Course<T>& course, const RunFileLayout& layout, const RunFacts& facts);
  void restore(Course<T>& course);
  void expect_state(const RunState& state) const;
  void forget_last_report(Course<T>& course) const;
  void open_log(const std::string& before);
  DrawsSoFar so_far(const RunState& state, const RunFileLayout& layout) const;
  CheckpointPlace checkpoint() const;

  const RunConfig& config_;
  const Communicator& comm_;
  Note note_;
  std::optional<OutputOwner> owner_;  ///< on rank 0; released last
  Resumption resumption_;
  std::string run_id_;
  std::unique_ptr<RunFile<T>> file_;
  std::unique_ptr<ReportLog> log_;  ///< null without reports
  double checkpoint_bytes_ = 0.0;
};

}  // namespace flotilla
