// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/verification.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <tuple>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/golden.hpp"
#include "flotilla/io/replication.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/run/recorded.hpp"
#include "io/run_blocks.hpp"
#include "io/sha256.hpp"
#include "quality/recomputation.hpp"
#include "quality/run_flow.hpp"
#include "run/density_of_run.hpp"

namespace flotilla {
namespace {

using Verdict = Finding::Verdict;

constexpr std::size_t kMostNamed = 10;  // faults of one kind, in a sentence
constexpr double kMostRecomputed = 1U << 24U;

/// "a; b; and 3 more". A rank names no more than it may.
std::string named(const std::vector<std::string>& faults, std::size_t all) {
  const auto end =
      faults.begin() + static_cast<std::ptrdiff_t>(std::min(faults.size(), kMostNamed));
  std::string text = fmt::format("{}", fmt::join(faults.begin(), end, "; "));
  if (all > kMostNamed) text += fmt::format("; and {} more", all - kMostNamed);
  return text;
}

Finding structure_finding(const RunStructure& structure) {
  if (!structure.faults.empty()) {
    return {"structure", Verdict::kFailed, named(structure.faults, structure.faults.size())};
  }
  return {"structure", Verdict::kPassed,
          fmt::format("{} variables in {} groups of draws", structure.variables.size(),
                      structure.groups)};
}

/// What all ranks found in the blocks. Collective.
BlockFindings of_all_ranks(const BlockFindings& own, const Communicator& comm) {
  BlockFindings all;
  for (const double checksums : comm.gather({static_cast<double>(own.checksums)})) {
    all.checksums += static_cast<Index>(checksums);
  }
  for (const double bytes : comm.gather({own.bytes})) all.bytes += bytes;
  std::vector<double> numbers;
  for (const BlockFault& fault : own.faults) {
    for (const Index number : {fault.variable, static_cast<Index>(fault.kind), fault.first_chain,
                               fault.chains, fault.first_draw, fault.draws}) {
      numbers.push_back(static_cast<double>(number));
    }
  }
  const std::vector<double> gathered = comm.gather(numbers);
  for (auto at = gathered.begin(); at != gathered.end(); at += 6) {
    const auto whole = [&](int i) { return static_cast<Index>(at[i]); };
    all.faults.push_back({.variable = whole(0),
                          .kind = static_cast<BlockFaultKind>(whole(1)),
                          .first_chain = whole(2),
                          .chains = whole(3),
                          .first_draw = whole(4),
                          .draws = whole(5)});
  }
  // Whatever the number of ranks, faults are named in the same order.
  std::sort(all.faults.begin(), all.faults.end(), [](const BlockFault& a, const BlockFault& b) {
    return std::tie(a.variable, a.first_draw, a.first_chain) <
           std::tie(b.variable, b.first_draw, b.first_chain);
  });
  return all;
}

Finding blocks_finding(const RunStructure& structure, const BlockFindings& found) {
  if (!found.faults.empty()) {
    std::vector<std::string> texts;
    for (const BlockFault& fault : found.faults) {
      if (texts.size() < kMostNamed) texts.push_back(text_of(fault, structure));
    }
    return {structure.checksums ? "checksums" : "draws", Verdict::kFailed,
            named(texts, found.faults.size())};
  }
  if (!structure.checksums) {
    return {"checksums", Verdict::kNoted,
            "the file has none, as those of earlier versions; no committed draw is missing"};
  }
  return {"checksums", Verdict::kPassed,
          fmt::format("{} blocks of draws add up to theirs, {:.3g} MB", found.checksums,
                      found.bytes * 1e-6)};
}

Finding recomputed_finding(const Recomputed& found, double tolerance) {
  const double equal = found.equal;
  if (found.beyond > 0.0) {
    return {
        found.name, Verdict::kFailed,
        fmt::format("{} of {} recomputed values differ by more than {:g}; most at chain {}, "
                    "draw {}, by {:.3g}",
                    found.beyond, found.values, tolerance, found.chain, found.draw, found.largest)};
  }
  if (equal == found.values) {
    return {found.name, Verdict::kPassed,
            fmt::format("{} values recomputed, all equal to the last bit", found.values)};
  }
  return {found.name, Verdict::kPassed,
          fmt::format("{} values recomputed, {} equal to the last bit, the others to {:.2g} (may "
                      "differ by {:g})",
                      found.values, equal, found.largest, tolerance)};
}

/// The flow that was sampled, or the reason why there is none to compare with. Collective.
struct FlowFound {
  std::optional<FlowRecord> record;
  Finding finding;  ///< where there is no record
};

FlowFound flow_of(const RunReader& run, const std::string& given, const Communicator& comm) {
  const auto without = [](Verdict verdict, const std::string& why) {
    return FlowFound{std::nullopt, {"flow", verdict, why}};
  };
  if (!given.empty()) {
    const FlowRecord record = replicate_flow(comm, given);
    const std::string expected =
        run.has_fact("flow_checksum") ? run.text("flow_checksum") : "no flow_checksum";
    if (record.checksum != expected) {
      return without(Verdict::kFailed, fmt::format("{} is {}, but the run records {}", given,
                                                   record.checksum, expected));
    }
  }
  try {
    return {flow_record_of_run(run, given, comm), {}};
  } catch (const InputError& error) {
    return without(given.empty() ? Verdict::kNoted : Verdict::kFailed,
                   fmt::format("nothing was recomputed: {}", error.what()));
  }
}

/// Whether a file is no longer the one that a run records. Collective.
bool has_changed(const RunReader& run, const std::string& path, const std::string& fact,
                 const Communicator& comm) {
  double changed = 0.0;
  comm.together([&] {
    if (!comm.is_root() || !run.has_fact(fact)) return;
    std::error_code unknown;
    if (!std::filesystem::is_regular_file(path, unknown)) return;  // opening it says more
    if (file_checksum(path) != run.text(fact)) changed = 1.0;
  });
  return comm.largest(changed) > 0.0;
}

/// What log pi is recomputed with. Why it is not, where it cannot be.
struct TargetFound {
  Specification target;
  std::unique_ptr<Density> density;
  std::string obstacle;
};

TargetFound target_of(const RunReader& run, Index dim, const Communicator& comm) {
  TargetFound found;
  try {
    DensitySource source;
    comm.together([&] {
      found.target = recorded_target(run);
      source = recorded_density(run);
    });
    if (has_changed(run, source.path, "density_checksum", comm) ||
        has_changed(run, source.observation, "observation_checksum", comm)) {
      throw InputError(fmt::format("{} has changed since", source.path + source.observation));
    }
    found.density = density_of(source, dim, comm);
  } catch (const InputError& error) {
    found.obstacle = error.what();
  }
  return found;
}

/// Collective.
std::vector<Finding> recomputed_findings(const VerificationConfig& config, const RunReader& run,
                                         const Communicator& comm) {
  FlowFound flow = flow_of(run, config.flow, comm);
  if (!flow.record) return {flow.finding};
  if (!run.has_group("unconstrained_posterior")) {
    return {{"x = f(z)", Verdict::kNoted, "nothing was recomputed: --no-latent has left z out"}};
  }
  const TargetFound target = target_of(run, flow.record->dim, comm);
  const bool in_double = run.text("precision") == "double";
  const Recomputation what = {
      .points = config.points,
      .tolerance = config.tolerance.value_or(in_double ? kDoubleTolerance : kFloatTolerance),
      .log_density = target.obstacle.empty(),
      .target = target.target,
      .density = target.density.get()};
  std::vector<Finding> findings;
  for (const Recomputed& found : recompute(run, *flow.record, what, comm)) {
    findings.push_back(recomputed_finding(found, what.tolerance));
  }
  if (!what.log_density) {
    findings.push_back({"sample_stats/lp", Verdict::kNoted,
                        fmt::format("it was not recomputed: {}", target.obstacle)});
  }
  return findings;
}

}  // namespace

std::vector<Option> options_of(VerificationConfig& verification) {
  return {
      {.name = "run",
       .place = &verification.run,
       .kind = OptionKind::kRun,
       .help = "run file",
       .positional = true,
       .required = true},
      {.name = "flow",
       .place = &verification.flow,
       .kind = OptionKind::kFlow,
       .help = "the run's flow file, if it has moved",
       .otherwise = "the one that the run names"},
      {.name = "points",
       .place = &verification.points,
       .group = OptionGroup::kHowMuch,
       .help = "draws to recompute, of all chains together; whole tiles are",
       .range = {1, kMostRecomputed}},
      {.name = "tolerance",
       .place = &verification.tolerance,
       .group = OptionGroup::kHow,
       .help = "by how much what is recomputed may differ, relative to values above 1",
       .range = {.low = 0.0},
       .otherwise = fmt::format("{:g} for a run in float, {:g} in double", kFloatTolerance,
                                kDoubleTolerance)},
  };
}

void VerificationConfig::validate() const {
  VerificationConfig verification = *this;  // options_of() needs one that can be changed
  check_options(options_of(verification));
}

Verification verify_run(const VerificationConfig& config, const Communicator& comm) {
  config.validate();
  std::optional<RunReader> run;
  RunStructure structure;
  BlockFindings blocks;
  comm.together([&] {
    run.emplace(config.run);
    structure = look_at_structure(*run);
  });
  comm.together([&] { blocks = look_at_blocks(*run, structure, comm.rank(), comm.size()); });
  Verification found = {.run = config.run,
                        .complete = structure.complete,
                        .chains = structure.chains,
                        .draws = structure.draws,
                        .room = structure.room,
                        .findings = {}};
  found.findings = {structure_finding(structure),
                    blocks_finding(structure, of_all_ranks(blocks, comm))};
  try {
    for (Finding& finding : recomputed_findings(config, *run, comm)) {
      found.findings.push_back(std::move(finding));
    }
  } catch (const InputError& error) {
    // What is wrong with the file was found before; with a flow that was named, it is the reason.
    if (structure.faults.empty()) throw;
    found.findings.push_back(
        {"x = f(z)", Verdict::kNoted, fmt::format("nothing was recomputed: {}", error.what())});
  }
  return found;
}

}  // namespace flotilla
