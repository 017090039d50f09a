// flotilla summary RUN.h5: whether the chains have met, and what their draws are worth.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "flotilla/quality/diagnosis.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

constexpr std::size_t kMostRows = 20;  // more quantities than this are told by their extremes
constexpr std::size_t kWorstRows = 5;

struct Call {
  std::string run;
  DiagnosisConfig what;
  double max_rhat = 1.01;
  double min_ess = 400.0;
  bool all = false;
  bool json = false;
  bool csv = false;
  bool strict = false;
};

/// A switch that decides how the figures are printed.
Option manner(const char* name, bool& place, const char* help) {
  return {.name = name,
          .place = &place,
          .kind = OptionKind::kManner,
          .group = OptionGroup::kOutput,
          .help = help};
}

std::vector<Option> options_of(Call& call) {
  return {
      {.name = "run",
       .place = &call.run,
       .kind = OptionKind::kRun,
       .help = "run file",
       .positional = true,
       .required = true},
      {.name = "group",
       .place = &call.what.group,
       .help = "group of draws: posterior, unconstrained_posterior, or with warmup_ before it"},
      {.name = "var",
       .place = &call.what.variables,
       .help = "variables of the group, as in x,lp",
       .otherwise = "its draws, lp, log_det_jacobian"},
      {.name = "max-rhat",
       .place = &call.max_rhat,
       .group = OptionGroup::kStopping,
       .help = "threshold of R-hat; of nested R-hat where there are superchains",
       .range = {.low = 1.0}},
      {.name = "min-ess",
       .place = &call.min_ess,
       .group = OptionGroup::kStopping,
       .help = "threshold of bulk and tail effective sample size",
       .range = {.low = 0.0}},
      manner("all", call.all, "list every coordinate, however many there are"),
      manner("json", call.json, "print JSON, every coordinate in it"),
      manner("csv", call.csv, "print a line of CSV for every coordinate"),
      manner("strict", call.strict, "exit with 3 where a threshold is not met"),
  };
}

/// One figure of a quantity: where it comes from, what it is called, and when it is worst.
struct Column {
  const char* name;
  const char* title;
  double QuantitySummary::*figure;
};

constexpr Column kColumns[] = {
    {"mean", "mean", &QuantitySummary::mean},
    {"mcse_mean", "mcse", &QuantitySummary::mcse_mean},
    {"sd", "sd", &QuantitySummary::sd},
    {"q5", "5 %", &QuantitySummary::q5},
    {"median", "50 %", &QuantitySummary::median},
    {"q95", "95 %", &QuantitySummary::q95},
    {"ess_bulk", "ESS bulk", &QuantitySummary::ess_bulk},
    {"ess_tail", "ESS tail", &QuantitySummary::ess_tail},
    {"rhat", "R-hat", &QuantitySummary::rhat},
    {"nested_rhat", "nested R-hat", &QuantitySummary::nested_rhat},
};

std::string figure(const Column& column, double value) {
  if (std::isnan(value)) return "-";
  const std::string name = column.name;
  if (name.find("rhat") != std::string::npos) return fmt::format("{:.4f}", value);
  if (name.find("ess") != std::string::npos) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}", value);
}

std::string table_row(const std::string& name, const QuantitySummary& summary, bool nested) {
  std::string line = fmt::format("{:<20}", name);
  for (const Column& column : kColumns) {
    if (!nested && column.figure == &QuantitySummary::nested_rhat) continue;
    line += fmt::format(" {:>{}}", figure(column, summary.*column.figure),
                        column.figure == &QuantitySummary::nested_rhat ? 12 : 9);
  }
  return line + "\n";
}

std::string table_head(bool nested) {
  std::string line(20, ' ');
  for (const Column& column : kColumns) {
    if (!nested && column.figure == &QuantitySummary::nested_rhat) continue;
    line += fmt::format(" {:>{}}", column.title,
                        column.figure == &QuantitySummary::nested_rhat ? 12 : 9);
  }
  return line + "\n";
}

/// Larger is worse; what is not defined is worst.
double badness(const QuantitySummary& summary, double QuantitySummary::*figure) {
  const double value = summary.*figure;
  if (std::isnan(value)) return HUGE_VAL;
  return figure == &QuantitySummary::rhat ? value : -value;
}

/// The quantities worth a row: all of few, else the worst by each measure and those of one row
/// alone, as lp.
std::vector<const NamedQuantity*> rows(const Diagnosis& diagnosis, bool all) {
  std::vector<const NamedQuantity*> chosen;
  const auto take = [&](const NamedQuantity* quantity) {
    if (std::find(chosen.begin(), chosen.end(), quantity) == chosen.end()) {
      chosen.push_back(quantity);
    }
  };
  const bool short_enough = all || diagnosis.quantities.size() <= kMostRows;
  if (!short_enough) {
    for (const auto measure :
         {&QuantitySummary::rhat, &QuantitySummary::ess_bulk, &QuantitySummary::ess_tail}) {
      std::vector<const NamedQuantity*> ordered;
      for (const NamedQuantity& quantity : diagnosis.quantities) ordered.push_back(&quantity);
      std::stable_sort(ordered.begin(), ordered.end(), [&](auto* a, auto* b) {
        return badness(a->summary, measure) > badness(b->summary, measure);
      });
      for (std::size_t i = 0; i < kWorstRows; ++i) take(ordered[i]);
    }
  }
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    if (short_enough || quantity.name.back() != ']') take(&quantity);
  }
  return chosen;
}

/// Quantiles over coordinates of one figure, undefined ones left out.
std::string spread(const Diagnosis& diagnosis, const Column& column) {
  std::vector<double> values;
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    const double value = quantity.summary.*column.figure;
    if (!std::isnan(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  std::string line = fmt::format("{:<20}", column.title);
  for (const double p : {0.0, 0.05, 0.5, 0.95, 1.0}) {
    const auto place =
        static_cast<std::size_t>(std::llround(p * (static_cast<double>(values.size()) - 1.0)));
    line += fmt::format(" {:>9}", values.empty() ? "-" : figure(column, values[place]));
  }
  return line + "\n";
}

std::string spreads(const Diagnosis& diagnosis) {
  std::string text = fmt::format("\n{:<20} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
                                 fmt::format("of {} quantities", diagnosis.quantities.size()),
                                 "least", "5 %", "50 %", "95 %", "most");
  for (const Column& column : kColumns) {
    const std::string name = column.name;
    if (name.find("ess") == std::string::npos && name.find("rhat") == std::string::npos) continue;
    if (column.figure == &QuantitySummary::nested_rhat && diagnosis.superchains == 0) continue;
    text += spread(diagnosis, column);
  }
  return text;
}

std::string number(double value, const char* format = "{:.4g}") {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value);
}

std::string table(const Diagnosis& diagnosis, const Call& options) {
  const bool nested = diagnosis.superchains > 0;
  std::string text = fmt::format(
      "{}: {}, {} chains{}, {} draws each{}\n\n", diagnosis.run, diagnosis.group, diagnosis.chains,
      nested ? fmt::format(" in {} superchains", diagnosis.superchains) : "", diagnosis.draws,
      diagnosis.exact ? "" : ", ranked in classes");
  text += table_head(nested);
  const std::vector<const NamedQuantity*> chosen = rows(diagnosis, options.all);
  for (const NamedQuantity* quantity : chosen) {
    text += table_row(quantity->name, quantity->summary, nested);
  }
  if (chosen.size() < diagnosis.quantities.size()) text += spreads(diagnosis);
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("  {:<32}{}\n", name, value);
  };
  text += "\n";
  line("acceptance rate, local", number(diagnosis.acceptance_rate, "{:.3f}"));
  line("acceptance rate, global", number(diagnosis.global_acceptance_rate, "{:.3f}"));
  line("step size", number(diagnosis.step_size));
  line("mean squared jump", number(diagnosis.mean_squared_jump));
  line("diverging draws", number(diagnosis.diverging, "{:.0f}"));
  line("smallest ESS per second", number(diagnosis.smallest_ess() / diagnosis.sampling_seconds));
  line("smallest ESS per gradient", number(diagnosis.smallest_ess() / diagnosis.gradients));
  return text + "\n";
}

nlohmann::ordered_json json_number(double value) {
  // JSON has no infinity: a number that no reader can have is a word.
  if (std::isinf(value)) return value > 0.0 ? "inf" : "-inf";
  return std::isnan(value) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value);
}

std::string json(const Diagnosis& diagnosis, const Call& options,
                 const std::vector<std::string>& failures) {
  nlohmann::ordered_json all;
  all["run"] = diagnosis.run;
  all["group"] = diagnosis.group;
  all["chains"] = diagnosis.chains;
  all["draws"] = diagnosis.draws;
  all["superchains"] = diagnosis.superchains;
  all["exact"] = diagnosis.exact;
  all["converged"] = failures.empty();
  all["failures"] = failures;
  all["thresholds"] = {{"max_rhat", options.max_rhat}, {"min_ess", options.min_ess}};
  all["sampling"] = {
      {"acceptance_rate", json_number(diagnosis.acceptance_rate)},
      {"global_acceptance_rate", json_number(diagnosis.global_acceptance_rate)},
      {"step_size", json_number(diagnosis.step_size)},
      {"mean_squared_jump", json_number(diagnosis.mean_squared_jump)},
      {"diverging", diagnosis.diverging},
      {"warmup_seconds", json_number(diagnosis.warmup_seconds)},
      {"sampling_seconds", json_number(diagnosis.sampling_seconds)},
      {"gradients", json_number(diagnosis.gradients)},
      {"ess_per_second", json_number(diagnosis.smallest_ess() / diagnosis.sampling_seconds)},
      {"ess_per_gradient", json_number(diagnosis.smallest_ess() / diagnosis.gradients)},
  };
  all["quantities"] = nlohmann::ordered_json::array();
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    nlohmann::ordered_json entry = {{"name", quantity.name}};
    for (const Column& column : kColumns) {
      entry[column.name] = json_number(quantity.summary.*column.figure);
    }
    entry["non_finite"] = quantity.summary.non_finite;
    all["quantities"].push_back(entry);
  }
  return all.dump(2) + "\n";
}

std::string csv(const Diagnosis& diagnosis) {
  std::string text = "name";
  for (const Column& column : kColumns) text += fmt::format(",{}", column.name);
  text += ",non_finite\n";
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    text += quantity.name;
    for (const Column& column : kColumns) {
      const double value = quantity.summary.*column.figure;
      text += std::isnan(value) ? "," : fmt::format(",{}", value);
    }
    text += fmt::format(",{}\n", quantity.summary.non_finite);
  }
  return text;
}

/// The quantity that is worst by one measure.
const NamedQuantity& worst(const Diagnosis& diagnosis, double QuantitySummary::*figure,
                           double sign) {
  const auto badness_of = [&](const NamedQuantity& quantity) {
    const double value = quantity.summary.*figure;
    return std::isnan(value) ? HUGE_VAL : sign * value;
  };
  return *std::max_element(
      diagnosis.quantities.begin(), diagnosis.quantities.end(),
      [&](const auto& a, const auto& b) { return badness_of(a) < badness_of(b); });
}

/// What is not as it should be, each with what to try; empty where the draws can be trusted as far
/// as figures can say.
std::vector<std::string> failures(const Diagnosis& diagnosis, const Call& options) {
  std::vector<std::string> found;
  double non_finite = 0.0;
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    non_finite += quantity.summary.non_finite;
  }
  if (non_finite > 0.0) {
    found.push_back(
        fmt::format("{:.0f} draws are not finite: verify the flow, or use --precision "
                    "double",
                    non_finite));
  }
  const auto expect = [&](double QuantitySummary::*figure, const char* title, double sign,
                          double threshold, const char* option, const char* advice) {
    const NamedQuantity& quantity = worst(diagnosis, figure, sign);
    const double value = quantity.summary.*figure;
    if (sign * value <= sign * threshold) return;
    if (std::isnan(value)) {
      found.push_back(
          fmt::format("{} of {} is not defined: it needs two chains of four finite draws that vary",
                      title, quantity.name));
      return;
    }
    found.push_back(fmt::format("{} of {} is {:.{}f}, {} {} {:g}: {}", title, quantity.name, value,
                                sign > 0.0 ? 3 : 0, sign > 0.0 ? "above" : "below", option,
                                threshold, advice));
  };
  const char* disagree =
      "the chains disagree: warm up and sample longer, make more global moves "
      "(--global-fraction), or choose a target that chains can cross";
  const char* short_run =
      "keep more draws, let more steps pass between them (--thin), or run more "
      "chains";
  // Superchains are there to be compared when chains are too short for R-hat.
  if (diagnosis.superchains == 0) {
    expect(&QuantitySummary::rhat, "R-hat", 1.0, options.max_rhat, "--max-rhat", disagree);
  } else {
    expect(&QuantitySummary::nested_rhat, "nested R-hat", 1.0, options.max_rhat, "--max-rhat",
           disagree);
  }
  expect(&QuantitySummary::ess_bulk, "bulk ESS", -1.0, options.min_ess, "--min-ess", short_run);
  expect(&QuantitySummary::ess_tail, "tail ESS", -1.0, options.min_ess, "--min-ess", short_run);
  return found;
}

std::string verdict(const std::vector<std::string>& failures, const Call& options, bool nested) {
  if (failures.empty()) {
    return fmt::format("converged: {} at most {:g} and ESS at least {:g} for every quantity\n",
                       nested ? "nested R-hat" : "R-hat", options.max_rhat, options.min_ess);
  }
  return fmt::format("not converged:\n  {}\n", fmt::join(failures, "\n  "));
}

int summary(const Communicator& comm, const Command& command, const Words& words) {
  Call options;
  if (!read_command_line(comm, command, options_of(options), words)) return 0;
  if (options.json && options.csv) throw InputError("--json and --csv exclude each other: choose");
  const Diagnosis diagnosis = diagnose(options.run, options.what, comm);
  const std::vector<std::string> found = failures(diagnosis, options);
  if (comm.is_root()) {
    if (options.json) {
      show(json(diagnosis, options, found));
    } else if (options.csv) {
      show(csv(diagnosis));
    } else {
      show(table(diagnosis, options) + verdict(found, options, diagnosis.superchains > 0));
    }
    if (options.strict && !found.empty()) {
      fmt::print(stderr, "flotilla: not converged: {}\n", fmt::join(found, "; "));
    }
  }
  return options.strict && !found.empty() ? kVerdict : 0;
}

}  // namespace

Command summary_command() {
  return {.name = "summary",
          .summary = "Says whether the chains of a run have met, and what their draws are worth.",
          .examples = {"flotilla summary run.h5",
                       "flotilla summary run.h5 --strict --max-rhat 1.05 && echo converged",
                       "mpirun -n 4 flotilla summary run.h5 --var x --json"},
          .verdict = "with --strict: a threshold is not met",
          .options = default_options<Call>,
          .run = summary};
}

}  // namespace flotilla::app
