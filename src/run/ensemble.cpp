// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/ensemble.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/flow/golden.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/run/stopping.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"
#include "flow/circles.hpp"
#include "io/run_file.hpp"
#include "run/calibration.hpp"
#include "run/course.hpp"
#include "run/density_of_run.hpp"
#include "run/derived_outputs.hpp"
#include "run/facts.hpp"
#include "run/precision.hpp"
#include "run/run_outputs.hpp"
#include "run/schedule.hpp"
#include "run/shares.hpp"
#include "run/stall_watch.hpp"
#include "run/timetable.hpp"

namespace flotilla {
namespace {

StepSize initial_step_size(const RunConfig& config, Index dim) {
  return StepSize(
      config.step_size.value_or(elementary::exp(-elementary::log(static_cast<double>(dim)) / 6.0)));
}

Division division_of(const RunConfig& config, const Communicator& comm) {
  return {config.chains, config.tile_width, comm.size()};
}

/// Number of chains on the rank that has the most.
Index largest_share(const RunConfig& config, const Communicator& comm) {
  return division_of(config, comm).most() * config.tile_width;
}

/// What has to divide the tile width: the width of a TorchScript module.
Index width_unit(const FlowRecord& record) {
  if (!record.is_module()) return 1;
  return static_cast<Index>(record.layers.front().numbers.at("tile_width"));
}

/// @throws InputError if tiles do not fit the width of a TorchScript module
void expect_width(const RunConfig& config, const FlowRecord& record) {
  const Index width = width_unit(record);
  if (config.tile_width % width != 0) {
    throw InputError(
        fmt::format("--tile-width should be a multiple of {}, the width that the TorchScript file "
                    "was exported for, but is {}: change it, or export the module again",
                    width, config.tile_width));
  }
}

/// Steps of a block at least, where a tile is evaluated anew at the beginning of each.
constexpr Index kLeastSteps = 4;

template <typename T>
class Ensemble {
 public:
  /// @param density  of the target; null if it needs none
  /// @param own      makes the caller's own target; empty if the configuration names a target
  Ensemble(const RunConfig& config, const FlowRecord& record, const Density* density,
           const TargetMaker<T>& own, const Communicator& comm, ProgressObserver* observer)
      : config_(config),
        specification_(config.target),
        comm_(comm),
        observer_(comm.is_root() ? observer : nullptr),
        outputs_(config, comm, [this](const std::string& sentence) { note(sentence); }),
        course_(comm) {
    comm.together([&] {
      if (comm.is_root()) outputs_.take();
      if (record.is_module()) expect_golden<T>(record);
      flow_ = std::make_unique<Flow<T>>(record);
      circles_ = data_circles(record);
    });
    if (!own) specification_ = resolve_target(config_, *flow_, comm_);
    comm.together([&] {
      derived_ = DerivedOutputs(density);
      target_ = own ? own(*flow_) : make_target<T>(specification_, *flow_, density);
      if (target_ == nullptr) throw InputError("the program's own target was not made: it is null");
      prepare();
    });
    const RunFacts facts = run_facts(config, specification_, record, comm);
    outputs_.decide(facts);
    if (is_done()) return;
    if (kind() == Resumption::Kind::kStart) start();
    outputs_.open(course_, layout(), facts, draws_);
    note(uneven_shares(division_of(config, comm), config.superchains, width_unit(record)));
  }

  RunSummary run() {
    if (is_done()) {
      RunSummary summary;
      summary.draws = outputs_.resumption().committed;
      summary.was_complete = true;
      return summary;
    }
    try {
      const bool goes_on = course_.state.phase == Phase::kSampling || warm_up();
      return goes_on && sample() ? finish() : stop();
    } catch (const std::bad_alloc&) {
      // The ranks have not agreed on this failure. Unwinding would wait for the others in a
      // destructor.
      comm_.abort("out of memory in mid-run");
    } catch (const MpiError& error) {
      comm_.abort(error.what());
    } catch (const EnvironmentError&) {
      throw;                                 // the same on every rank
    } catch (const std::exception& error) {  // of a module or a target, perhaps on this rank only
      comm_.abort(error.what());
    }
  }

 private:
  Resumption::Kind kind() const { return outputs_.resumption().kind; }
  bool is_done() const { return kind() == Resumption::Kind::kDone; }

  /// Tells the observer a sentence, unless it is empty.
  void note(const std::string& sentence) {
    if (observer_ != nullptr && !sentence.empty()) observer_->noted(sentence);
  }

  /// Makes everything that belongs to this rank.
  void prepare() {
    kernel_ = std::make_unique<Kernel<T>>(*flow_, *target_, make_local_move<T>(config_.kernel),
                                          config_.global_fraction.value_or(GlobalShare::kInitial));
    schedule_ = make_schedule(config_, flow_->dim() * static_cast<Index>(sizeof(T)),
                              largest_share(config_, comm_));
    const Tiling tiling =
        Tiling::share(config_.chains, config_.tile_width, comm_.rank(), comm_.size());
    course_.pool = std::make_unique<Pool<T>>(*kernel_, Random(config_.seed), tiling);
    course_.adaptation = begin_adaptation();
    timetable_ = std::make_unique<Timetable>(comm_, intervals());
    stall_watch_ = std::make_unique<StallWatch>(
        fmt::format("rank {}", comm_.rank()),
        std::chrono::duration<double>(comm_.size() > 1 ? 60.0 * config_.stall_timeout : 0.0));
    if (config_.report_every > 0) {
      course_.monitor =
          std::make_unique<ConvergenceMonitor<T>>(tiling, circles_, config_.superchain_width());
    }
    draws_ = DrawBlock<T>(flow_->dim(), tiling.local_chains(), schedule_.largest_draws(),
                          config_.latent);
  }

  /// @return whether the run goes on
  bool warm_up() {
    while (course_.state.steps < schedule_.warmup.steps()) {
      const Block block = schedule_.warmup.after(course_.state.steps, timetable_->steps());
      const Tuning tuning = course_.adaptation->current();
      course_.window.merge(advance(block, tuning));
      if (schedule_.warmup.ends_with(block)) end_window(tuning);
      if (config_.save_warmup) write(Phase::kWarmUp, tuning.step_size);
      course_.state.steps += block.steps;
      report(block, tuning.step_size);
      if (!keep_time(block)) return false;
    }
    learn(with_ranks(Activity::kExchange, [&] { return to_sums(course_.exchange.drain()); }));
    outputs_.write_adaptation(course_.state.windows);
    course_.tuning = std::move(*course_.adaptation).freeze();
    course_.state.warmup_seconds = course_.clock.seconds();
    course_.state.phase = Phase::kSampling;
    course_.state.steps = 0;
    course_.clock = Stopwatch();
    save();
    return true;
  }

  void end_window(const Tuning& tuning) {
    WindowSums sums{std::exchange(course_.window, {}), {}};
    if (course_.adaptation->needs_spread()) {
      sums.spread = course_.pool->spread(tuning.scales).sums();
    }
    course_.state.windows.push_back({tuning.step_size.value(), kUndefined, kUndefined});
    learn(post(sums));
  }

  Intervals intervals() const {
    using Seconds = std::chrono::duration<double>;
    return {.checkpoint = Seconds(60.0 * config_.checkpoint_every),
            .walltime = Seconds(config_.walltime_seconds()),
            .least_steps = kernel_->may_know() ? 1 : kLeastSteps};
  }

  Adaptation begin_adaptation() const {
    const Adaptive adaptive = {
        .step_size = config_.adapt,
        .damping = config_.adapt && kernel_->has_memory(),
        .scales = config_.adapt && config_.scale && kernel_->takes_scales(),
        .share = config_.adapt && !config_.global_fraction,
        .bounded_weight = has_bounded_weight(specification_.name),
    };
    return {{initial_step_size(config_, flow_->dim())},
            adaptive,
            config_.wanted_acceptance(),
            flow_->dim()};
  }

  /// @return whether the run goes on
  bool sample() {
    outputs_.write_measured("step_size", course_.tuning.step_size.value());
    outputs_.write_measured("global_fraction", share_of(course_.tuning));
    while (!course_.state.suffices && course_.state.steps < schedule_.sampling.steps()) {
      const Block block = schedule_.sampling.after(course_.state.steps, timetable_->steps());
      count(post({advance(block, course_.tuning), {}}));
      write(Phase::kSampling, course_.tuning.step_size);
      course_.state.steps += block.steps;
      course_.state.drawn += block.draws();
      course_.state.suffices = watch(block);
      report(block, course_.tuning.step_size);
      if (!keep_time(block)) return false;
    }
    return true;
  }

  RunSummary finish() {
    StopSignals::heeded();
    timetable_->finish();
    count(to_sums(course_.exchange.drain()));
    save();
    RunSummary summary = summarise(course_.tuning);
    outputs_.finish(measured_facts(summary), course_.state.drawn < config_.draws);
    return summary;
  }

  /// The end of a run that goes on some other time: all is in its files.
  RunSummary stop() {
    timetable_->finish();
    RunSummary summary;
    summary.draws = course_.state.drawn;
    summary.target = specification_;
    summary.stopped_by = stopped_by_;
    summary.may_go_on = config_.checkpoint_every > 0.0;
    return summary;
  }

  /// Does what is due at the end of a block. Returns whether the run goes on.
  bool keep_time(const Block& block) {
    const Due due = with_ranks(Activity::kExchange,
                               [&] { return timetable_->agree(block.steps, block_seconds_); });
    if (!due.stop.empty()) {
      StopSignals::heeded();
      stopped_by_ = due.stop;
      save();
      return course_.state.phase == Phase::kSampling &&
             (course_.state.suffices || course_.state.steps == schedule_.sampling.steps());
    }
    if (due.checkpoint) {
      save();
    } else if (due.flush || due.write) {
      const StopSignals::Unhurried unhurried;
      with_ranks(Activity::kOutput, [&] { outputs_.save_draws(due.write); });
      timetable_->done(due, std::nullopt);
    }
    return true;
  }

  /// Writes a checkpoint, and before it all draws that it speaks of.
  void save() {
    const StopSignals::Unhurried unhurried;
    const Stopwatch clock;
    with_ranks(Activity::kOutput, [&] { outputs_.save_draws(true); });
    if (config_.checkpoint_every == 0.0) return;
    with_ranks(Activity::kOutput, [&] { outputs_.save_checkpoint(course_, !stopped_by_.empty()); });
    timetable_->done({}, clock.seconds());
    checkpoint_seconds_ += clock.seconds();
  }

  double share_of(const Tuning& tuning) const {
    return tuning.global_fraction.value_or(kernel_->global_fraction());
  }

  /// Work in which this rank waits for the others.
  template <typename Work>
  auto with_ranks(Activity activity, Work work) {
    const char* const doing = activity == Activity::kOutput ? "writing" : "exchanging sums";
    const StallWatch::Waiting waiting(*stall_watch_, doing, course_.state.steps);
    return course_.clock.measure(activity, work);
  }

  MoveStatistics advance(const Block& block, const Tuning& tuning) {
    const Stopwatch block_clock;
    MoveStatistics moves = course_.clock.measure(
        Activity::kFlow, [&] { return course_.pool->advance(block, tuning, draws_); });
    block_seconds_ = block_clock.seconds();
    return moves;
  }

  /// Posts this window's sums to the exchange. Returns those of the window before.
  std::optional<WindowSums> post(const WindowSums& window) {
    return with_ranks(Activity::kExchange,
                      [&] { return to_sums(course_.exchange.post(window.row())); });
  }

  static std::optional<WindowSums> to_sums(const std::optional<std::vector<std::int64_t>>& row) {
    if (!row) return std::nullopt;
    return WindowSums::of_row(*row);
  }

  void learn(const std::optional<WindowSums>& window) {
    if (!window) return;
    const MoveTotals totals(window->moves);
    course_.state.acceptance_rate = totals.local_acceptance_rate();
    AdaptationWindow& entry = course_.state.windows.at(course_.state.learnt++);
    entry.acceptance_rate = course_.state.acceptance_rate;
    entry.global_acceptance_rate = totals.global_acceptance_rate();
    course_.adaptation->update(StepSize(entry.step_size), *window);
  }

  void count(const std::optional<WindowSums>& window) {
    if (!window) return;
    course_.state.moves.add(window->moves);
    course_.state.acceptance_rate = MoveTotals(window->moves).local_acceptance_rate();
  }

  void write(Phase phase, StepSize step_size) {
    const auto* const derived =
        course_.clock.measure(Activity::kFlow, [&] { return &derived_.of(draws_); });
    with_ranks(Activity::kOutput, [&] { outputs_.append(phase, draws_, *derived, step_size); });
  }

  /// Reports convergence if a report is due, and after the last draw. Returns whether the run may
  /// stop.
  bool watch(const Block& block) {
    if (course_.monitor == nullptr) return false;
    return with_ranks(Activity::kExchange, [&] {
      course_.monitor->observe(draws_);
      // With thinning, a draw may end before a stretch does.
      const auto steps = static_cast<Index>(block.first_step - block.phase_start) + block.steps;
      const bool stretch_ends = steps % (config_.report_every * config_.thin) == 0;
      if (!stretch_ends && steps < config_.draws * config_.thin) return false;
      count(to_sums(course_.exchange.drain()));  // all moves so far, whatever the length of blocks
      ConvergenceReport& report = course_.state.last_report;
      report = course_.monitor->report(comm_, stretch_ends);
      report.acceptance_rate = course_.state.moves.local_acceptance_rate();
      report.global_acceptance_rate = course_.state.moves.global_acceptance_rate();
      report.mean_squared_jump = course_.state.moves.mean_squared_jump();
      outputs_.append_report(report, course_.clock.seconds());
      if (observer_ != nullptr) observer_->reported(report);
      return suffices(report);
    });
  }

  /// Whether a report meets the thresholds. NaN never does.
  bool suffices(const ConvergenceReport& report) const {
    const double rhat = config_.superchains > 0 ? report.nested_rhat : report.rhat;
    return config_.may_stop_early() && (!config_.until_rhat || rhat <= *config_.until_rhat) &&
           (!config_.until_ess || report.ess >= *config_.until_ess);
  }

  void report(const Block& block, StepSize step_size) {
    if (observer_ == nullptr) return;
    const auto before = static_cast<Index>(block.first_step - block.phase_start);
    Progress progress;
    progress.phase = course_.state.phase;
    progress.steps = before + block.steps;
    progress.steps_total =
        course_.state.phase == Phase::kWarmUp ? config_.warmup : config_.draws * config_.thin;
    if (course_.state.suffices) progress.steps_total = progress.steps;
    progress.seconds = course_.clock.seconds();
    progress.chain_steps_per_second =
        static_cast<double>(progress.steps * config_.chains) / progress.seconds;
    progress.step_size = step_size.value();
    progress.acceptance_rate = course_.state.acceptance_rate;
    observer_->advanced(progress);
  }

  /// Places the chains.
  void start() {
    const Tensor points = config_.start.empty() ? Tensor() : replicate_points(comm_, config_.start);
    comm_.together([&] {
      if (config_.start.empty()) {
        course_.pool->start_from_base(config_.superchain_width());
      } else {
        course_.pool->start_from(points, config_.superchain_width());
      }
      course_.pool->look(draws_);
    });
  }

  RunFileLayout layout() const {
    return {.dim = flow_->dim(),
            .chains = config_.chains,
            .draws = config_.draws,
            .warmup_draws = config_.save_warmup ? config_.warmup / config_.thin : 0,
            .windows = schedule_.warmup.size(),
            .superchains = config_.superchains,
            .latent = config_.latent,
            .derived = derived_.variables(),
            .chunk_chains = config_.tile_width,
            .chunk_draws = schedule_.chunk_draws,
            .first_chain = course_.pool->tiling().first_chain(),
            .local_chains = course_.pool->tiling().local_chains(),
            .largest_share = largest_share(config_, comm_)};
  }

  RunSummary summarise(const Tuning& tuning) const {
    const double seconds = course_.clock.seconds();
    const auto mean_share = [&](Activity activity) {
      return comm_.mean(course_.clock.seconds(activity) / seconds);
    };
    RunSummary summary;
    summary.draws = course_.state.drawn;
    summary.moves = course_.state.moves;
    summary.last_report = course_.state.last_report;
    summary.gradients = course_.state.moves.moves() * kernel_->gradients();
    summary.target = specification_;
    summary.step_size = tuning.step_size.value();
    summary.global_fraction = share_of(tuning);
    if (kernel_->has_memory()) summary.damping = tuning.damping;
    if (!tuning.scales.empty()) {
      const auto [least, most] = std::minmax_element(tuning.scales.begin(), tuning.scales.end());
      summary.smallest_scale = *least;
      summary.largest_scale = *most;
    }
    summary.warmup_seconds = comm_.largest(course_.state.warmup_seconds);
    summary.sampling_seconds = comm_.largest(seconds);
    summary.chain_steps_per_second = course_.state.moves.moves() / summary.sampling_seconds;
    summary.checkpoint_megabytes = outputs_.checkpoint_bytes() * 1e-6;
    summary.checkpoint_seconds = checkpoint_seconds_;
    summary.flow_share = mean_share(Activity::kFlow);
    summary.exchange_share = mean_share(Activity::kExchange);
    summary.output_share = mean_share(Activity::kOutput);
    return summary;
  }

  const RunConfig& config_;
  Specification specification_;  ///< of the target; resolved
  const Communicator& comm_;
  ProgressObserver* observer_;
  RunOutputs<T> outputs_;  ///< its owner is released last
  std::unique_ptr<Flow<T>> flow_;
  std::vector<Circle> circles_;  ///< of the coordinates of x
  DerivedOutputs derived_;
  std::unique_ptr<Target<T>> target_;
  std::unique_ptr<Kernel<T>> kernel_;
  Schedule schedule_;
  DrawBlock<T> draws_;
  Course<T> course_;
  std::unique_ptr<Timetable> timetable_;
  std::unique_ptr<StallWatch> stall_watch_;
  double block_seconds_ = 0.0;  ///< that the last block took
  std::string stopped_by_;
  double checkpoint_seconds_ = 0.0;
};

template <typename T>
std::string precision_of() {
  return std::is_same_v<T, float> ? "float" : "double";
}

/// A caller's own target must not have the name of one in the registry: the run file would mislead.
template <typename T>
void expect_own_target(const RunConfig& config) {
  RunConfig rest = config;
  rest.target = RunConfig().target;
  rest.validate();
  for (const TargetRow& row : target_registry()) {
    if (config.target.name != row.choice.name) continue;
    throw InputError(fmt::format(
        "the program's own target should have a name of its own, but '{}' is in the registry",
        config.target.name));
  }
  if (config.target.name.empty()) throw InputError("a target of the program's own has no name");
  if (config.precision != "auto" && config.precision != precision_of<T>()) {
    throw InputError(fmt::format("the program's own target computes in {}, but --precision is {}",
                                 precision_of<T>(), config.precision));
  }
}

/// The same configuration with the precision that the run computes in.
RunConfig with_precision(RunConfig config, const FlowRecord& record, const Density* density,
                         const Communicator& comm, ProgressObserver* observer) {
  expect_width(config, record);
  const Precision precision = resolve_precision(config, record, density, comm);
  const bool told = comm.is_root() && observer != nullptr && !precision.reason.empty();
  if (told) observer->noted(precision.reason);
  config.precision = precision.name;
  return config;
}

}  // namespace

RunSummary run_ensemble(const RunConfig& config, const FlowRecord& record, const Communicator& comm,
                        ProgressObserver* observer) {
  config.validate();
  const std::unique_ptr<Density> density = density_of_run(config, record.dim, comm);
  const RunConfig run = with_precision(config, record, density.get(), comm, observer);
  if (run.precision == "double") {
    return Ensemble<double>(run, record, density.get(), {}, comm, observer).run();
  }
  return Ensemble<float>(run, record, density.get(), {}, comm, observer).run();
}

template <typename T>
RunSummary run_ensemble(const RunConfig& config, const FlowRecord& record,
                        const TargetMaker<T>& own, const Communicator& comm,
                        ProgressObserver* observer) {
  expect_own_target<T>(config);
  RunConfig run = config;
  run.precision = precision_of<T>();
  run = with_precision(run, record, nullptr, comm, observer);
  return Ensemble<T>(run, record, nullptr, own, comm, observer).run();
}

template RunSummary run_ensemble(const RunConfig&, const FlowRecord&, const TargetMaker<float>&,
                                 const Communicator&, ProgressObserver*);
template RunSummary run_ensemble(const RunConfig&, const FlowRecord&, const TargetMaker<double>&,
                                 const Communicator&, ProgressObserver*);

}  // namespace flotilla
