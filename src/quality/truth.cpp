// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/truth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "flotilla/core/error.hpp"
#include "flotilla/diagnostics/chain_draws.hpp"
#include "flotilla/diagnostics/effective_size.hpp"
#include "flotilla/diagnostics/moments.hpp"
#include "flotilla/diagnostics/quantity.hpp"
#include "flotilla/io/run_reader.hpp"
#include "io/toml.hpp"
#include "quality/series.hpp"

namespace flotilla {
namespace {

constexpr Index kMostDrawsHeld = Index{1} << 24U;  // of a quantity: they are held in memory

/// What a file says of one variable. Each array has one number, for all coordinates, or one for
/// each; it is empty if the file does not have it.
struct TrueVariable {
  std::string name;
  std::vector<double> mean;
  std::vector<double> sd;
  std::vector<double> mean_error;
  std::vector<double> sd_error;
};

/// A key of a variable's section: the one table of them.
struct TruthKey {
  const char* name;
  std::vector<double> TrueVariable::*numbers;
  double least;  ///< that it can be
};

constexpr TruthKey kKeys[] = {
    {"mean", &TrueVariable::mean, -HUGE_VAL},
    {"sd", &TrueVariable::sd, 0.0},
    {"mean_error", &TrueVariable::mean_error, 0.0},
    {"sd_error", &TrueVariable::sd_error, 0.0},
};

/// What a run says of one coordinate.
struct RunMoments {
  double mean = kUndefined;
  double mean_error = kUndefined;
  double sd = kUndefined;
  double sd_error = kUndefined;
  double rhat = kUndefined;
};

/// A kind of moment: what a run says of it, and what is known.
struct MomentKind {
  const char* name;
  double RunMoments::*value;
  double RunMoments::*error;
  std::vector<double> TrueVariable::*truth;
  std::vector<double> TrueVariable::*unsure;
};

constexpr MomentKind kKinds[] = {
    {"mean", &RunMoments::mean, &RunMoments::mean_error, &TrueVariable::mean,
     &TrueVariable::mean_error},
    {"sd", &RunMoments::sd, &RunMoments::sd_error, &TrueVariable::sd, &TrueVariable::sd_error},
};

/// The numbers of RunMoments, to send.
constexpr double RunMoments::*kSent[] = {&RunMoments::mean, &RunMoments::mean_error,
                                         &RunMoments::sd, &RunMoments::sd_error, &RunMoments::rhat};

// ---- The truth.

/// Appends the numbers of a value, which may be arrays in arrays, in their order.
void append_numbers(const TomlValue& value, const std::string& subject, double least,
                    std::vector<double>& out) {
  if (const auto* const list = std::get_if<std::vector<TomlValue>>(&value.value)) {
    for (const TomlValue& one : *list) append_numbers(one, subject, least, out);
    return;
  }
  const auto* const whole = std::get_if<std::int64_t>(&value.value);
  const auto* const real = std::get_if<double>(&value.value);
  const double number = whole != nullptr ? static_cast<double>(*whole) : real ? *real : HUGE_VAL;
  if (std::isinf(number) || number < least) {
    throw InputError(fmt::format("{} should be {} or an array of such but has {}", subject,
                                 least == 0.0 ? "a number of at least 0" : "a finite number",
                                 to_toml(value)));
  }
  out.push_back(number);
}

void take(const TomlEntry& entry, const std::string& path, std::vector<TrueVariable>& truth) {
  const std::string subject = fmt::format("{}:{}: '{}'", path, entry.line, entry.key);
  if (entry.section.empty()) {
    throw InputError(
        fmt::format("{} should stand in the section of a variable, such as [x]", subject));
  }
  if (truth.empty() || truth.back().name != entry.section)
    truth.emplace_back().name = entry.section;
  const auto* const key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                       [&](const TruthKey& one) { return entry.key == one.name; });
  if (key == std::end(kKeys)) {
    throw InputError(fmt::format(
        "{} should be mean, sd, mean_error or sd_error: nothing else is known", subject));
  }
  std::vector<double>& numbers = truth.back().*key->numbers;
  append_numbers(entry.value, subject, key->least, numbers);
  if (numbers.empty()) throw InputError(fmt::format("{} has no number", subject));
}

std::vector<TrueVariable> parse_truth(const std::string& text, const std::string& path) {
  std::vector<TrueVariable> truth;
  for (const TomlEntry& entry : parse_toml(text, path)) take(entry, path, truth);
  if (truth.empty()) {
    throw InputError(
        fmt::format("{}: expected moments, such as mean = 0 in a section [x], found none", path));
  }
  return truth;
}

/// On every rank. Rank 0 reads. Collective.
std::vector<TrueVariable> replicate_truth(const std::string& path, const Communicator& comm) {
  std::string text;
  comm.together([&] {
    if (comm.is_root()) text = read_text_file(path);
  });
  comm.broadcast(text);
  std::vector<TrueVariable> truth;
  comm.together([&] { truth = parse_truth(text, path); });
  return truth;
}

void expect_fit(const TrueVariable& variable, Index dim, const std::string& path) {
  for (const TruthKey& key : kKeys) {
    const std::size_t count = (variable.*key.numbers).size();
    if (count <= 1 || count == static_cast<std::size_t>(dim)) continue;
    throw InputError(
        fmt::format("{}: '{}' of [{}] should have 1 number or {}, one for each coordinate, but has "
                    "{}",
                    path, key.name, variable.name, dim, count));
  }
}

/// Of a coordinate; `otherwise` if the file does not have it.
double number_of(const std::vector<double>& numbers, Index coordinate, double otherwise) {
  if (numbers.empty()) return otherwise;
  return numbers.size() == 1 ? numbers.front() : numbers[static_cast<std::size_t>(coordinate)];
}

// ---- The run.

/// The Monte Carlo standard error of the mean of all draws.
double error_of_mean(const ChainDraws& draws) {
  Moments all;
  for (const Moments& chain : chain_moments(draws)) all.merge(chain);
  return std::sqrt(all.variance() / effective_size(split_chains(draws)));
}

RunMoments moments_of(const ChainDraws& draws) {
  const QuantitySummary summary = summarise(draws, 0);
  // A variance has the error of the mean of the squares, by the ESS of these.
  ChainDraws squares = draws;
  for (double& value : squares.values) value = (value - summary.mean) * (value - summary.mean);
  return {summary.mean, summary.mcse_mean, summary.sd, error_of_mean(squares) / (2.0 * summary.sd),
          summary.rhat};
}

/// Of all coordinates of a variable. Every rank computes its share. Collective.
std::vector<RunMoments> moments_of(const RunReader& reader, const RunVariable& variable,
                                   const Communicator& comm) {
  const Index first = variable.dim * comm.rank() / comm.size();
  const Index end = variable.dim * (comm.rank() + 1) / comm.size();
  std::vector<double> own;
  comm.together([&] {
    for_each_coordinate(reader, variable, {first, end - first}, [&](const ChainDraws& draws) {
      const RunMoments found = moments_of(draws);
      for (const auto number : kSent) own.push_back(found.*number);
    });
  });
  const std::vector<double> all = comm.gather(own);
  std::vector<RunMoments> moments(all.size() / std::size(kSent));
  auto next = all.begin();
  for (RunMoments& one : moments) {
    for (const auto number : kSent) one.*number = *next++;
  }
  return moments;
}

/// In joint standard errors. Draws that are all the same have no error: they are the truth or not.
double distance(const MomentScore& score) {
  const double apart = std::abs(score.value - score.truth);
  const double joint = std::hypot(std::isnan(score.error) ? 0.0 : score.error, score.unsure);
  if (apart == 0.0) return 0.0;
  return joint > 0.0 && std::isfinite(apart) ? apart / joint : HUGE_VAL;
}

void score(const TrueVariable& truth, const std::string& name, Index coordinate,
           const RunMoments& run, TruthScores& scores) {
  for (const MomentKind& kind : kKinds) {
    MomentScore one;
    one.truth = number_of(truth.*kind.truth, coordinate, kUndefined);
    if (std::isnan(one.truth)) continue;
    one.name = fmt::format("{} of {}", kind.name, name);
    one.value = run.*kind.value;
    one.error = run.*kind.error;
    one.unsure = number_of(truth.*kind.unsure, coordinate, 0.0);
    one.distance = distance(one);
    scores.moments.push_back(std::move(one));
  }
  if (std::isnan(scores.rhat) || run.rhat > scores.rhat) {
    scores.rhat = run.rhat;
    scores.rhat_of = name;
  }
}

/// Looks the variables up. They may be longer than what is held in memory: then their first draws
/// are used.
std::vector<RunVariable> variables_of(const RunReader& reader,
                                      const std::vector<TrueVariable>& truth,
                                      const std::string& path) {
  std::vector<RunVariable> variables;
  for (const TrueVariable& one : truth) {
    variables.push_back(reader.variable("posterior", one.name));
    RunVariable& variable = variables.back();
    expect_fit(one, variable.dim, path);
    if (variable.draws < 1) {
      throw InputError(
          fmt::format("{}: no draw is complete yet: wait for its first block", reader.path()));
    }
    variable.draws = std::clamp<Index>(kMostDrawsHeld / variable.chains, 1, variable.draws);
  }
  return variables;
}

}  // namespace

const MomentScore& TruthScores::farthest() const {
  return *std::max_element(
      moments.begin(), moments.end(),
      [](const MomentScore& a, const MomentScore& b) { return a.distance < b.distance; });
}

std::size_t TruthScores::apart() const {
  return static_cast<std::size_t>(std::count_if(
      moments.begin(), moments.end(), [](const MomentScore& one) { return !one.agrees(); }));
}

double TruthScores::typical() const {
  double sum = 0.0;
  for (const MomentScore& one : moments) sum += one.distance * one.distance;
  return std::sqrt(sum / static_cast<double>(moments.size()));
}

void expect_truth(const std::string& path, Index dim, const Communicator& comm) {
  for (const TrueVariable& variable : replicate_truth(path, comm)) {
    if (variable.name == "x") expect_fit(variable, dim, path);
  }
}

TruthScores hold_against_truth(const std::string& run, const std::string& truth,
                               const Communicator& comm) {
  const std::vector<TrueVariable> known = replicate_truth(truth, comm);
  std::optional<RunReader> reader;
  std::vector<RunVariable> variables;
  comm.together([&] {
    reader.emplace(run);
    variables = variables_of(*reader, known, truth);
  });
  TruthScores scores;
  for (std::size_t v = 0; v < known.size(); ++v) {
    // A run in progress commits draws meanwhile. All ranks look at the draws that all of them saw.
    RunVariable& variable = variables[v];
    variable.draws = static_cast<Index>(-comm.largest(-static_cast<double>(variable.draws)));
    const std::vector<RunMoments> found = moments_of(*reader, variable, comm);
    for (Index i = 0; i < variable.dim; ++i) {
      score(known[v], coordinate_name(variable, i), i, found[static_cast<std::size_t>(i)], scores);
    }
  }
  if (scores.moments.empty()) {
    throw InputError(fmt::format("{}: none of its moments is known: all are nan", truth));
  }
  return scores;
}

}  // namespace flotilla
