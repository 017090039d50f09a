// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/study/study.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "flotilla/core/error.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/numbers.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/quality/comparison.hpp"
#include "flotilla/quality/diagnosis.hpp"
#include "flotilla/quality/figures.hpp"
#include "flotilla/run/ensemble.hpp"
#include "flotilla/run/measured.hpp"
#include "flotilla/run/remarks.hpp"
#include "io/output_owner.hpp"
#include "io/points.hpp"
#include "io/replace_file.hpp"
#include "io/sha256.hpp"
#include "quality/reference.hpp"
#include "run/report_log.hpp"
#include "run/stopwatch.hpp"
#include "study/cell_record.hpp"

namespace flotilla {
namespace {

std::string stem(const std::string& output) {
  return std::filesystem::path(output).replace_extension("").string();
}

std::string csv_of_runs(const StudyPlan& plan) {
  return stem(plan.output) + ".csv";
}

std::string csv_of_means(const StudyPlan& plan) {
  return stem(plan.output) + ".means.csv";
}

/// Collects the reports of a run. Called on the first rank of its group only.
class Listener final : public ProgressObserver {
 public:
  void reported(const ConvergenceReport& report) noexcept override { last_ = report; }
  void advanced(const Progress& progress) noexcept override {
    if (last_.draws == 0) return;
    reports_.emplace_back(last_, progress.seconds);
    last_ = {};
  }
  const std::vector<std::pair<ConvergenceReport, double>>& reports() const { return reports_; }

 private:
  ConvergenceReport last_;
  std::vector<std::pair<ConvergenceReport, double>> reports_;
};

/// The first report that satisfies a condition; all NaN if there is none.
template <typename Satisfies>
CellReport first_of(const std::vector<CellReport>& reports, Satisfies satisfies) {
  const auto found = std::find_if(reports.begin(), reports.end(), satisfies);
  return found == reports.end()
             ? CellReport{kUndefined, kUndefined, kUndefined, kUndefined, kUndefined, kUndefined}
             : *found;
}

/// The contents of a study's input files, each read once.
class Checksums {
 public:
  /// Identifies what an option reads; returns the numbers themselves if the option holds them.
  std::string of(const Option& option) {
    return known(current_text(option), [&] {
      if (const auto* const path = std::get_if<std::string*>(&option.place)) {
        const bool flow = option.kind == OptionKind::kFlow;
        return flow ? read_flow_file(**path).checksum : file_checksum(**path);
      }
      if (const auto* const location = std::get_if<Location*>(&option.place)) {
        return checksum(read_points(**location));
      }
      return checksum(read_numbers(std::get<Location>(*std::get<ContextSource*>(option.place))));
    });
  }

 private:
  /// Empty if the file cannot be read: the cell that needs it then fails when it runs.
  template <typename Read>
  std::string known(const std::string& place, Read read) {
    const auto [entry, is_new] = known_.try_emplace(place);
    if (!is_new) return entry->second;
    try {
      entry->second = read();
    } catch (const InputError&) {
    }
    return entry->second;
  }

  std::map<std::string, std::string> known_;
};

using Figures = std::vector<std::pair<std::string, double>>;

/// Appends the figures with new names. What warm-up found is told apart from the option that it
/// began with, because a study may vary the option.
void add_new(const Figures& figures, Figures& to) {
  for (const auto& [name, value] : figures) {
    const bool is_option = name == "step_size" || name == "global_fraction";
    const std::string known = is_option ? "final_" + name : name;
    const bool is_new =
        std::none_of(to.begin(), to.end(), [&](const auto& entry) { return entry.first == known; });
    if (is_new) to.emplace_back(known, value);
  }
}

/// The figures of a summary that have thresholds, each the worst over quantities.
Figures judged_figures(const Diagnosis& diagnosis) {
  Figures found;
  for (const QuantityFigure& figure : quantity_figures()) {
    if (figure.threshold == nullptr) continue;
    found.emplace_back(figure.name, worst_first(diagnosis, figure).front()->summary.*figure.value);
  }
  return found;
}

/// Figures that the run measured, and figures of its draws.
Figures figures_of_run(const RunSummary& summary, const Diagnosis& diagnosis) {
  Figures found;
  for (const MeasuredFigure& figure : measured_figures()) {
    found.emplace_back(figure.name, figure.of(summary));
  }
  for (const RunFigure& figure : run_figures()) {
    found.emplace_back(figure.name, figure.of(diagnosis));
  }
  return found;
}

/// Half the sum of the differences of weights: the share of draws in the wrong mode.
double mode_distance(const SampleQuality& sample, const std::vector<Estimate>& truth) {
  if (sample.modes.empty()) return kUndefined;
  double sum = 0.0;
  for (std::size_t k = 0; k < sample.modes.size(); ++k) {
    sum += std::abs(sample.modes[k].value - truth[k].value);
  }
  return 0.5 * sum;
}

/// Figures of the run, of naive draws, and of the reference's second half (the floor); then how far
/// the run's moments are from the true ones.
Figures quality_figures(const Comparison& comparison) {
  Figures found;
  for (const SampleQuality& sample : comparison.samples) {
    const std::string prefix = sample.name == "run"         ? ""
                               : sample.name == "reference" ? "floor_"
                                                            : sample.name + "_";
    for (const QualityMeasure& measure : kQualityMeasures) {
      found.emplace_back(prefix + measure.name, (sample.*measure.estimate).value);
    }
    found.emplace_back(prefix + "mode_distance", mode_distance(sample, comparison.modes));
    for (std::size_t k = 0; k < sample.modes.size(); ++k) {
      found.emplace_back(fmt::format("{}mode_{}", prefix, k), sample.modes[k].value);
    }
  }
  if (const std::optional<TruthScores>& truth = comparison.truth) {
    found.emplace_back("truth_farthest", truth->farthest().distance);
    found.emplace_back("truth_typical", truth->typical());
  }
  return found;
}

/// One group of ranks, working through its share of the cells.
class Group {
 public:
  Group(const StudyPlan& plan, const Communicator& comm, const std::optional<Reference>& reference)
      : plan_(plan), comm_(comm), reference_(reference) {}

  /// All that a cell's figures depend on. Not collective.
  std::string key(std::size_t cell) const {
    StudyCell own = plan_.cells[cell];
    try {
      own.config = own.config.completed();
    } catch (const InputError&) {  // its run says so
    }
    const auto content = [this](const Option& option) { return files_.of(option); };
    std::string text =
        fmt::format("record 6\nreference = {} {}\nranks = {}\nrhat = {}\ness = {}\n[sample]\n",
                    plan_.reference, reference_ ? reference_->mean : std::vector<double>(),
                    plan_.ranks_per_run, plan_.rhat, plan_.ess);
    text += key_text(options_of(own.config), content);
    if (own.comparison) text += "[compare]\n" + key_text(options_of(*own.comparison), content);
    return text;
  }

  std::string path(std::size_t cell) const {
    return fmt::format("{}/{:04}.json", plan_.folder(), cell);
  }

  CellOutcome work(std::size_t cell) const {
    const Stopwatch clock;
    CellOutcome outcome;
    outcome.number = cell;
    outcome.cells = plan_.cells.size();
    std::string done;
    if (comm_.is_root()) {
      const std::optional<CellRecord> record = read_record(path(cell));
      if (record && record->key == key(cell) && record->message.empty()) {
        done = "done";
        outcome.unmet = record->unmet;
      }
    }
    comm_.broadcast(done);
    outcome.before = !done.empty();
    if (outcome.before) return outcome;
    CellRecord record;
    try {
      run(cell, record);
    } catch (const MpiError&) {
      throw;  // the study cannot go on
    } catch (const InputError& error) {
      record = failed(error);
    } catch (const EnvironmentError& error) {
      record = failed(error);
    }
    comm_.together([&] {
      if (!comm_.is_root()) return;
      if (!plan_.keep_runs) remove_run(plan_.cells[cell].config.output);
      record.key = key(cell);
      write_record(path(cell), record).finish();
    });
    outcome.message = record.message;
    outcome.unmet = record.unmet;
    outcome.seconds = clock.seconds();
    return outcome;
  }

 private:
  /// Collective within the group. Throws the same on all its ranks.
  void run(std::size_t cell, CellRecord& record) const {
    RunConfig config = plan_.cells[cell].config;
    config.checkpoint_every = 0.0;  // a study goes on cell by cell
    const FlowRecord flow = replicate_flow(comm_, config.flow, config.context);
    if (reference_ && static_cast<Index>(reference_->mean.size()) != flow.dim) {
      throw InputError(fmt::format("{}: its draws have {} coordinates, but the flow has {}",
                                   plan_.reference, reference_->mean.size(), flow.dim));
    }
    if (plan_.reference == "importance") expect_importance(flow.dim);
    const std::optional<ComparisonConfig>& comparison = plan_.cells[cell].comparison;
    if (comparison) expect_comparable(*comparison, flow.dim, comm_);
    Listener listener;
    const RunSummary summary = run_ensemble(config, flow, comm_, &listener);
    const Diagnosis diagnosis = diagnose(config.output, {}, comm_);
    std::optional<Reference> reference = reference_;
    if (plan_.reference == "importance") {
      RunConfig sampled = config;
      sampled.target = summary.target;
      reference = importance_reference(sampled, flow, comm_);
    }
    for (const auto& [report, seconds] : listener.reports()) {
      record.reports.push_back({static_cast<double>(report.draws), seconds, report.rhat,
                                report.nested_rhat, report.ess,
                                reference ? reference->error_of(report.means) : kUndefined});
    }
    record.unmet = fmt::format("{}", fmt::join(unmet_thresholds(config, summary), "; "));
    record.figures = figures(config, summary, diagnosis, reference, record.reports);
    if (comparison) {
      const Figures quality = quality_figures(compare(*comparison, comm_));
      record.figures.insert(record.figures.end(), quality.begin(), quality.end());
    }
  }

  static CellRecord failed(const std::exception& error) {
    CellRecord record;
    record.message = error.what();
    return record;
  }

  static void remove_run(const std::string& output) {
    std::error_code unknown;
    std::filesystem::remove(output, unknown);
    std::filesystem::remove(ReportLog::path_beside(output), unknown);
  }

  Figures figures(const RunConfig& config, const RunSummary& summary, const Diagnosis& diagnosis,
                  const std::optional<Reference>& reference,
                  const std::vector<CellReport>& reports) const {
    std::vector<double> means;
    for (const NamedQuantity& quantity : diagnosis.quantities) {
      if (quantity.name.front() == 'x') means.push_back(quantity.summary.mean);
    }
    const auto member = config.superchains > 0 ? &CellReport::nested_rhat : &CellReport::rhat;
    const CellReport met =
        first_of(reports, [&](const CellReport& r) { return r.*member <= plan_.rhat; });
    const CellReport worth =
        first_of(reports, [&](const CellReport& r) { return r.ess >= plan_.ess; });
    Figures found = {{"draws_kept", static_cast<double>(summary.draws)}};
    add_new(judged_figures(diagnosis), found);
    add_new({{"error", reference ? reference->error_of(means) : kUndefined},
             {"reference_ess", reference ? reference->ess : kUndefined},
             {"draws_to_rhat", met.draws},
             {"seconds_to_rhat", met.seconds},
             {"draws_to_ess", worth.draws},
             {"seconds_to_ess", worth.seconds}},
            found);
    add_new(figures_of_run(summary, diagnosis), found);
    return found;
  }

  const StudyPlan& plan_;
  const Communicator& comm_;
  const std::optional<Reference>& reference_;
  mutable Checksums files_;
};

/// A study may only replace a study: not a flow, a run or other data.
void expect_study_or_nothing(const std::string& output) {
  std::error_code unknown;
  if (!std::filesystem::exists(output, unknown)) return;
  if (!is_tables(output, {"runs", "means", "reports"})) {
    throw InputError(fmt::format(
        "{} exists and is not the output of a study: choose another one with -o", output));
  }
}

/// Gives finished cells their records if an earlier call numbered them differently: one more seed
/// or row moves all later cells. Rank 0 does this before anything runs.
void move_records(const StudyPlan& plan, const Group& group) {
  if (plan.keep_runs) return;  // run files are numbered too, and are not moved
  std::map<std::string, CellRecord> known;
  std::error_code unknown;  // what cannot be read is made again
  for (const auto& entry : std::filesystem::directory_iterator(plan.folder(), unknown)) {
    if (entry.path().extension() != ".json") continue;
    std::optional<CellRecord> record = read_record(entry.path().string());
    if (record && record->message.empty()) known.insert_or_assign(record->key, std::move(*record));
  }
  std::vector<FileReplacement> moved;  // all are written before any replaces another
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const auto found = known.find(group.key(i));
    if (found == known.end()) continue;
    const std::optional<CellRecord> here = read_record(group.path(i));
    if (here && here->key == found->first) continue;
    moved.push_back(write_record(group.path(i), found->second));
  }
  for (FileReplacement& record : moved) record.finish();
}

/// Rank 0 does this once all groups are done. Counts the cells that failed and those unmet.
void collect(const StudyPlan& plan, const Group& group, StudyOutcome& outcome) {
  std::vector<CellRecord> records;
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    std::optional<CellRecord> record = read_record(group.path(i));
    if (!record || record->key != group.key(i)) {
      throw EnvironmentError(fmt::format("{} is not what was written to it", group.path(i)));
    }
    outcome.failed += record->message.empty() ? 0U : 1U;
    outcome.unmet += record->unmet.empty() ? 0U : 1U;
    records.push_back(std::move(*record));
  }
  const std::vector<Table> tables = tables_of(plan, records);
  write_tables(plan.output, tables);
  write_csv(csv_of_runs(plan), tables[0]);
  write_csv(csv_of_means(plan), tables[1]);
}

/// Makes this study the only one that writes its outputs. Rank 0 does this before anything runs.
/// @return see StudyOutcome::removed
std::string take_outputs(const StudyPlan& plan, std::optional<OutputOwner>& owner) {
  const std::vector<std::string> outputs = {plan.output, csv_of_runs(plan), csv_of_means(plan)};
  for (const std::string& output : outputs) expect_replaceable(output, true);
  owner.emplace(plan.output);
  expect_study_or_nothing(plan.output);
  std::error_code error;
  std::filesystem::create_directories(plan.folder(), error);
  if (error) {
    throw InputError(
        fmt::format("cannot write {}: {}: choose another output", plan.folder(), error.message()));
  }
  std::string removed = owner->remove_leftovers(plan.folder(), "");
  for (const std::string& output : outputs) {
    const std::string more = owner->remove_leftovers(
        directory_of(output), std::filesystem::path(output).filename().string());
    removed += (removed.empty() || more.empty() ? "" : "; ") + more;
  }
  return removed;
}

}  // namespace

std::string StudyPlan::folder() const {
  return stem(output) + ".cells";
}

std::vector<Option> options_of(StudyPlan& plan) {
  return {
      {.name = "output",
       .place = &plan.output,
       .kind = OptionKind::kOutput,
       .group = OptionGroup::kOutput,
       .help = "HDF5 file of all figures; CSV files and a folder of runs go beside it"},
      {.name = "ranks-per-run",
       .place = &plan.ranks_per_run,
       .group = OptionGroup::kHow,
       .help = "ranks that make one run together",
       .range = {.low = 1.0}},
      {.name = "keep-runs",
       .place = &plan.keep_runs,
       .group = OptionGroup::kOutput,
       .help = "whether run files stay in the folder of runs"},
      {.name = "reference",
       .place = &plan.reference,
       .kind = OptionKind::kRun,
       .help = "what means are held against: importance, or a run file",
       .choices = {"importance"}},
      {.name = "rhat",
       .place = &plan.rhat,
       .group = OptionGroup::kStopping,
       .help = "R-hat that draws_to_rhat waits for",
       .range = {.low = 1.0}},
      {.name = "ess",
       .place = &plan.ess,
       .group = OptionGroup::kStopping,
       .help = "effective sample size that draws_to_ess waits for",
       .range = {.low = 0.0, .open = true}},
  };
}

void StudyPlan::validate() const {
  StudyPlan plan = *this;  // options_of() needs a plan that can be changed
  check_options(options_of(plan));
  if (std::filesystem::path(output).extension() != ".h5") {
    throw InputError(fmt::format("output should end in .h5 but is '{}'", output));
  }
  if (cells.empty()) throw InputError("a study should have at least one run: give it a flow");
  for (const StudyCell& cell : cells) {
    if (cell.comparison) cell.comparison->validate();
  }
}

StudyOutcome run_study(const StudyPlan& plan, const Communicator& comm,
                       const std::function<void(const CellOutcome&)>& told) {
  plan.validate();
  std::optional<OutputOwner> owner;  // on rank 0
  std::string removed;
  comm.together([&] {
    if (comm.is_root()) removed = take_outputs(plan, owner);
  });
  const auto width = static_cast<int>(std::min<Index>(plan.ranks_per_run, comm.size()));
  const int groups = comm.size() / width;
  // Ranks left over form a group of their own without work.
  const int own = std::min(comm.rank() / width, groups);
  const Communicator part(comm, own);
  std::optional<Reference> reference;
  if (!plan.reference.empty() && plan.reference != "importance") {
    reference = run_reference(plan.reference, comm);
  }
  const Group group(plan, part, reference);
  comm.together([&] {
    if (comm.is_root()) move_records(plan, group);
  });
  std::int64_t before = 0;
  for (std::size_t cell = 0; cell < plan.cells.size(); ++cell) {
    if (static_cast<int>(cell % static_cast<std::size_t>(groups)) != own) continue;
    CellOutcome outcome;
    try {
      outcome = group.work(cell);
    } catch (const std::exception& error) {
      comm.abort(error.what());  // the other groups do not know of the failure
    }
    if (!part.is_root()) continue;
    before += outcome.before ? 1 : 0;
    told(outcome);
  }
  const std::int64_t all_before = comm.begin_sum({before}).wait().front();
  StudyOutcome outcome;
  outcome.cells = plan.cells.size();
  outcome.before = static_cast<std::size_t>(all_before);
  outcome.removed = removed;
  comm.together([&] {
    if (comm.is_root()) collect(plan, group, outcome);
  });
  for (std::size_t* count : {&outcome.failed, &outcome.unmet}) {
    *count = static_cast<std::size_t>(comm.largest(static_cast<double>(*count)));
  }
  return outcome;
}

}  // namespace flotilla
