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
#include "flotilla/sampler/adaptation.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"
#include "io/output_owner.hpp"
#include "io/run_file.hpp"
#include "parallel/exchange.hpp"
#include "run/calibration.hpp"
#include "run/convergence_monitor.hpp"
#include "run/density_of_run.hpp"
#include "run/derived_outputs.hpp"
#include "run/facts.hpp"
#include "run/precision.hpp"
#include "run/report_log.hpp"
#include "run/schedule.hpp"
#include "run/shares.hpp"
#include "run/stopwatch.hpp"

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
        exchange_(comm) {
    comm.together([&] {
      if (comm.is_root()) take_outputs();
      note(uneven_shares(division_of(config, comm), config.superchains, width_unit(record)));
      if (record.is_module()) expect_golden<T>(record);
      flow_ = std::make_unique<Flow<T>>(record);
    });
    if (!own) specification_ = resolve_target(config_, *flow_, comm_);
    comm.together([&] {
      derived_ = DerivedOutputs(density);
      target_ = own ? own(*flow_) : make_target<T>(specification_, *flow_, density);
      if (target_ == nullptr) throw InputError("the program's own target was not made: it is null");
      prepare();
    });
    start();
    file_ = std::make_unique<RunFile<T>>(comm, config.output, config.force, layout(),
                                         run_facts(config, specification_, record, comm),
                                         measured_names());
    comm.together([&] {
      pool_->look(draws_);
      // After the run file: creating that decides whether an existing run may be replaced.
      if (monitor_ != nullptr) log_ = std::make_unique<ReportLog>(comm, config.output);
    });
    file_->write_start(draws_);
  }

  RunSummary run() {
    try {
      return sample(warm_up());
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
  /// Makes this run the only one that writes its outputs.
  void take_outputs() {
    RunConfig config = config_;  // options_of() needs a configuration that can be changed
    check_outputs(options_of(config));
    expect_replaceable(config.output, true);
    owner_.emplace(config.output);
    if (config.report_every > 0) ReportLog::expect_free(config.output, config.force);
    expect_replaceable(config.output, config.force);
    note(owner_->remove_leftovers());
  }

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
    pool_ = std::make_unique<Pool<T>>(*kernel_, Random(config_.seed), tiling);
    if (config_.report_every > 0) {
      monitor_ =
          std::make_unique<ConvergenceMonitor<T>>(tiling, flow_->dim(), config_.superchain_width());
    }
    draws_ = DrawBlock<T>(flow_->dim(), tiling.local_chains(), schedule_.largest_draws(),
                          config_.latent);
  }

  Tuning warm_up() {
    Stopwatch clock;
    Adaptation adaptation = begin_adaptation();
    for (const Block block : schedule_.warmup) {
      const Tuning tuning = adaptation.current();
      WindowSums window{advance(block, tuning, clock), {}};
      if (adaptation.needs_spread()) window.spread = pool_->spread(tuning.scales).sums();
      windows_.push_back({tuning.step_size.value(), kUndefined, kUndefined});
      learn(post(window, clock), adaptation);
      if (config_.save_warmup) write(Phase::kWarmUp, tuning.step_size, clock);
      report(Phase::kWarmUp, block, tuning.step_size, clock);
    }
    learn(drain(clock), adaptation);
    file_->write_adaptation(windows_);
    warmup_seconds_ = clock.seconds();
    return std::move(adaptation).freeze();
  }

  Adaptation begin_adaptation() const {
    const Adaptive adaptive = {
        .step_size = config_.adapt,
        .damping = config_.adapt && kernel_->has_memory(),
        .scales = config_.adapt && config_.scale && kernel_->takes_scales(),
        .share = config_.adapt && !config_.global_fraction,
        .bounded_weight = has_bounded_weight(specification_.name),
    };
    const double target_accept = config_.wanted_acceptance();
    return {{initial_step_size(config_, flow_->dim())}, adaptive, target_accept, flow_->dim()};
  }

  RunSummary sample(const Tuning& tuning) {
    file_->write_measured("step_size", tuning.step_size.value());
    file_->write_measured("global_fraction", share_of(tuning));
    Stopwatch clock;
    bool met = false;
    for (const Block block : schedule_.sampling) {
      count(post({advance(block, tuning, clock), {}}, clock));
      write(Phase::kSampling, tuning.step_size, clock);
      drawn_ += block.draws();
      met = watch(block, clock);
      report(Phase::kSampling, block, tuning.step_size, clock, met);
      if (met) break;
    }
    count(drain(clock));
    RunSummary summary = summarise(tuning, clock);
    file_->finish(measured_facts(summary), drawn_ < config_.draws);
    comm_.together([&] {
      if (log_ != nullptr) log_->finish();
    });
    return summary;
  }

  double share_of(const Tuning& tuning) const {
    return tuning.global_fraction.value_or(kernel_->global_fraction());
  }

  MoveStatistics advance(const Block& block, const Tuning& tuning, Stopwatch& clock) {
    return clock.measure(Activity::kFlow, [&] { return pool_->advance(block, tuning, draws_); });
  }

  /// Posts this window's sums to the exchange. Returns those of the window before.
  std::optional<WindowSums> post(const WindowSums& window, Stopwatch& clock) {
    return clock.measure(Activity::kExchange,
                         [&] { return to_sums(exchange_.post(window.row())); });
  }

  std::optional<WindowSums> drain(Stopwatch& clock) {
    return clock.measure(Activity::kExchange, [&] { return to_sums(exchange_.drain()); });
  }

  static std::optional<WindowSums> to_sums(const std::optional<std::vector<std::int64_t>>& row) {
    if (!row) return std::nullopt;
    return WindowSums::of_row(*row);
  }

  void learn(const std::optional<WindowSums>& window, Adaptation& adaptation) {
    if (!window) return;
    const MoveTotals totals(window->moves);
    acceptance_rate_ = totals.local_acceptance_rate();
    AdaptationWindow& entry = windows_[learnt_++];
    entry.acceptance_rate = acceptance_rate_;
    entry.global_acceptance_rate = totals.global_acceptance_rate();
    adaptation.update(StepSize(entry.step_size), *window);
  }

  void count(const std::optional<WindowSums>& window) {
    if (!window) return;
    moves_.add(window->moves);
    acceptance_rate_ = MoveTotals(window->moves).local_acceptance_rate();
  }

  void write(Phase phase, StepSize step_size, Stopwatch& clock) {
    const auto* const derived =
        clock.measure(Activity::kFlow, [&] { return &derived_.of(draws_); });
    clock.measure(Activity::kOutput, [&] { file_->append(phase, draws_, *derived, step_size); });
  }

  /// Reports convergence if a report is due, and after the last draw. Returns whether the run may
  /// stop.
  bool watch(const Block& block, Stopwatch& clock) {
    if (monitor_ == nullptr) return false;
    return clock.measure(Activity::kExchange, [&] {
      monitor_->observe(draws_);
      // With thinning, a draw may end before a stretch does.
      const auto steps = static_cast<Index>(block.first_step - block.phase_start) + block.steps;
      const bool stretch_ends = steps % (config_.report_every * config_.thin) == 0;
      if (!stretch_ends && steps < config_.draws * config_.thin) return false;
      count(to_sums(exchange_.drain()));  // all moves so far, whatever the length of blocks
      ConvergenceReport& report = last_report_;
      report = monitor_->report(comm_, stretch_ends);
      report.acceptance_rate = moves_.local_acceptance_rate();
      report.global_acceptance_rate = moves_.global_acceptance_rate();
      report.mean_squared_jump = moves_.mean_squared_jump();
      log_->append(report, clock.seconds());
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

  /// @param stopped  the phase ends with this block, before its last step
  void report(Phase phase, const Block& block, StepSize step_size, const Stopwatch& clock,
              bool stopped = false) {
    if (observer_ == nullptr) return;
    const auto before = static_cast<Index>(block.first_step - block.phase_start);
    Progress progress;
    progress.phase = phase;
    progress.steps = before + block.steps;
    progress.steps_total = phase == Phase::kWarmUp ? config_.warmup : config_.draws * config_.thin;
    if (stopped) progress.steps_total = progress.steps;
    progress.seconds = clock.seconds();
    progress.chain_steps_per_second =
        static_cast<double>(progress.steps * config_.chains) / progress.seconds;
    progress.step_size = step_size.value();
    progress.acceptance_rate = acceptance_rate_;
    observer_->advanced(progress);
  }

  void start() {
    if (config_.start.empty()) {
      comm_.together([&] { pool_->start_from_base(config_.superchain_width()); });
      return;
    }
    const Tensor points = replicate_points(comm_, config_.start);
    comm_.together([&] { pool_->start_from(points, config_.superchain_width()); });
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
            .first_chain = pool_->tiling().first_chain(),
            .local_chains = pool_->tiling().local_chains(),
            .largest_share = largest_share(config_, comm_)};
  }

  RunSummary summarise(const Tuning& tuning, const Stopwatch& clock) const {
    const double seconds = clock.seconds();
    const auto mean_share = [&](Activity activity) {
      return comm_.mean(clock.seconds(activity) / seconds);
    };
    RunSummary summary;
    summary.draws = drawn_;
    summary.moves = moves_;
    summary.last_report = last_report_;
    summary.gradients = moves_.moves() * kernel_->gradients();
    summary.target = specification_;
    summary.step_size = tuning.step_size.value();
    summary.global_fraction = share_of(tuning);
    if (kernel_->has_memory()) summary.damping = tuning.damping;
    if (!tuning.scales.empty()) {
      const auto [least, most] = std::minmax_element(tuning.scales.begin(), tuning.scales.end());
      summary.smallest_scale = *least;
      summary.largest_scale = *most;
    }
    summary.warmup_seconds = comm_.largest(warmup_seconds_);
    summary.sampling_seconds = comm_.largest(seconds);
    summary.chain_steps_per_second = moves_.moves() / summary.sampling_seconds;
    summary.flow_share = mean_share(Activity::kFlow);
    summary.exchange_share = mean_share(Activity::kExchange);
    summary.output_share = mean_share(Activity::kOutput);
    return summary;
  }

  const RunConfig& config_;
  Specification specification_;  ///< of the target; resolved
  const Communicator& comm_;
  ProgressObserver* observer_;
  std::optional<OutputOwner> owner_;  ///< on rank 0; released last
  std::unique_ptr<Flow<T>> flow_;
  DerivedOutputs derived_;
  std::unique_ptr<Target<T>> target_;
  std::unique_ptr<Kernel<T>> kernel_;
  Schedule schedule_;
  std::unique_ptr<Pool<T>> pool_;
  DrawBlock<T> draws_;
  StatisticsExchange exchange_;
  std::unique_ptr<RunFile<T>> file_;
  std::unique_ptr<ConvergenceMonitor<T>> monitor_;  ///< null without reports; likewise the next
  std::unique_ptr<ReportLog> log_;

  std::vector<AdaptationWindow> windows_;
  std::size_t learnt_ = 0;
  Index drawn_ = 0;
  ConvergenceReport last_report_;
  MoveTotals moves_;
  double acceptance_rate_ = kUndefined;
  double warmup_seconds_ = 0.0;
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
