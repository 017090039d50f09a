// SPDX-License-Identifier: BSD-3-Clause
#include "run/run_outputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "flotilla/core/error.hpp"
#include "io/checkpoint.hpp"
#include "io/replace_file.hpp"
#include "io/run_copy.hpp"
#include "run/facts.hpp"
#include "run/shares.hpp"

namespace flotilla {

template <typename T>
RunOutputs<T>::RunOutputs(const RunConfig& config, const Communicator& comm, Note note)
    : config_(config), comm_(comm), note_(std::move(note)) {}

template <typename T>
void RunOutputs<T>::take() {
  RunConfig config = config_;  // options_of() needs a configuration that can be changed
  check_outputs(options_of(config));
  expect_replaceable(config.output, true);
  owner_.emplace(config.output);
  const bool replaces = config.force || config.resume;
  if (config.report_every > 0) ReportLog::expect_free(config.output, replaces);
  expect_replaceable(config.output, replaces);
  expect_checkpoint_free(config.output);
  note_(owner_->remove_leftovers());
  const std::filesystem::path checkpoint(checkpoint_path(config.output));
  note_(owner_->remove_leftovers(directory_of(config.output), checkpoint.filename().string()));
}

template <typename T>
void RunOutputs<T>::decide(const RunFacts& facts) {
  if (config_.resume) resumption_ = decide_resumption(config_, facts, comm_);
  note_(resumption_.note);
}

template <typename T>
void RunOutputs<T>::open(Course<T>& course, const RunFileLayout& layout, const RunFacts& facts,
                         const DrawBlock<T>& start) {
  switch (resumption_.kind) {
    case Resumption::Kind::kStart:
      begin(facts, layout, start);
      break;
    case Resumption::Kind::kGoOn:
      go_on(course, layout);
      break;
    case Resumption::Kind::kExtend:
      extend(course, layout, facts);
      break;
    case Resumption::Kind::kDone:
      break;
  }
}

/// A run from its first step.
template <typename T>
void RunOutputs<T>::begin(const RunFacts& facts, const RunFileLayout& layout,
                          const DrawBlock<T>& start) {
  run_id_ = run_id_of(facts);
  file_ = std::make_unique<RunFile<T>>(comm_, config_.output, config_.force || config_.resume,
                                       layout, facts, measured_names());
  file_->publish();
  comm_.together([&] {
    // After the run file: creating that decides whether an existing run may be replaced.
    if (comm_.is_root()) remove_checkpoint(config_.output);
    open_log("");
  });
  file_->write_start(start);
}

/// A run that was stopped or killed.
template <typename T>
void RunOutputs<T>::go_on(Course<T>& course, const RunFileLayout& layout) {
  restore(course);
  if (!resumption_.seam.empty()) {
    comm_.together([&] {
      if (comm_.is_root()) record_seam(config_.output, course.state.drawn, resumption_.seam);
    });
  }
  file_ = std::make_unique<RunFile<T>>(comm_, config_.output, layout, so_far(course.state, layout));
  comm_.together([&] { open_log(course.reports); });
}

/// A run that was made for fewer draws: in a longer file, which gets its name once it holds what
/// the shorter one held.
template <typename T>
void RunOutputs<T>::extend(Course<T>& course, const RunFileLayout& layout, const RunFacts& facts) {
  restore(course);
  file_ = std::make_unique<RunFile<T>>(comm_, config_.output, true, layout,
                                       with_run_id(facts, run_id_), measured_names());
  copy_draws(comm_, config_.output, layout, so_far(course.state, layout), *file_);
  if (course.state.phase == Phase::kSampling) file_->write_adaptation(course.state.windows);
  file_->publish();
  comm_.together([&] { open_log(course.reports); });
}

/// Reads a checkpoint back.
template <typename T>
void RunOutputs<T>::restore(Course<T>& course) {
  run_id_ = resumption_.run_id;
  restore_course(comm_, checkpoint(), course);
  comm_.together([&] {
    expect_state(course.state);
    forget_last_report(course);
  });
  const bool warm = course.state.phase == Phase::kSampling;
  note_(fmt::format("{} goes on after {} of {} {}", config_.output,
                    warm ? course.state.drawn : course.state.steps,
                    warm ? config_.draws : config_.warmup, warm ? "draws" : "steps of warm-up"));
}

/// @throws InputError if the checkpoint speaks of draws that the run file does not have
template <typename T>
void RunOutputs<T>::expect_state(const RunState& state) const {
  const std::string path = checkpoint_path(config_.output);
  const Index steps = state.phase == Phase::kWarmUp ? config_.warmup : config_.draws * config_.thin;
  const bool within = state.steps >= 0 && state.steps <= steps && state.drawn >= 0 &&
                      state.learnt <= state.windows.size();
  if (!within) throw InputError(fmt::format("{} is damaged: it has impossible counts", path));
  if (state.drawn <= resumption_.committed) return;
  throw InputError(fmt::format(
      "{} was written after {} draws, but {} has {}: put back the run file that belongs to it, "
      "or remove the checkpoint to begin the run again",
      path, state.drawn, config_.output, resumption_.committed));
}

/// A run reports after its last draw, wherever that is. A longer one does not report there.
template <typename T>
void RunOutputs<T>::forget_last_report(Course<T>& course) const {
  RunState& state = course.state;
  const bool at_end = state.drawn == config_.draws;
  if (config_.report_every == 0 || at_end || state.drawn % config_.report_every == 0) return;
  if (state.last_report.draws != state.drawn) return;
  state.suffices = false;
  state.last_report = {};  // or a run that stops right here and goes on would forget one more
  const std::size_t end_of_last = course.reports.rfind('\n');
  if (end_of_last == std::string::npos) return;
  const std::size_t end = course.reports.rfind('\n', end_of_last - 1);
  course.reports.resize(end == std::string::npos ? 0 : end + 1);
}

/// @param before  lines of the same run
template <typename T>
void RunOutputs<T>::open_log(const std::string& before) {
  if (config_.report_every == 0) return;
  log_ = std::make_unique<ReportLog>(comm_, config_.output, before);
}

template <typename T>
DrawsSoFar RunOutputs<T>::so_far(const RunState& state, const RunFileLayout& layout) const {
  const bool warm = state.phase == Phase::kSampling;
  return {.warmup = warm ? layout.warmup_draws
                         : std::min(layout.warmup_draws, state.steps / config_.thin),
          .sampling = state.drawn,
          .committed_warmup = resumption_.committed_warmup,
          .committed = resumption_.committed};
}

template <typename T>
CheckpointPlace RunOutputs<T>::checkpoint() const {
  const Index tiles = Division{config_.chains, config_.tile_width, comm_.size()}.tiles();
  return {checkpoint_path(config_.output), run_id_, tiles};
}

template <typename T>
void RunOutputs<T>::save_checkpoint(Course<T>& course, bool stops) {
  if (log_ != nullptr) course.reports = log_->text();
  try {
    checkpoint_bytes_ = save_course(comm_, checkpoint(), course);
  } catch (const MpiError&) {
    throw;
  } catch (const EnvironmentError& error) {
    if (stops) throw;
    if (comm_.is_root()) {
      fmt::print(stderr, "flotilla: {}: the run goes on, and the checkpoint before it counts\n",
                 error.what());
    }
  }
}

template <typename T>
void RunOutputs<T>::finish(const std::vector<std::pair<std::string, double>>& measured,
                           bool early) {
  file_->finish(measured, early);
  comm_.together([&] {
    if (log_ != nullptr) log_->finish();
  });
}

template class RunOutputs<float>;
template class RunOutputs<double>;

}  // namespace flotilla
