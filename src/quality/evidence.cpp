// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/quality/evidence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "flotilla/core/error.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/run/recorded.hpp"
#include "flotilla/target/density.hpp"
#include "flotilla/target/registry.hpp"
#include "quality/base_draws.hpp"
#include "quality/run_flow.hpp"
#include "run/density_of_run.hpp"

namespace flotilla {
namespace {

constexpr double kMostDraws = 1U << 24U;          // of q_Z: every rank holds a number of each
constexpr Index kMostRunDraws = Index{1} << 22U;  // of the run: the same
constexpr Index kFewestDraws = 6;                 // of a chain: halves of three have an ESS
constexpr Index kSlabValues = Index{1} << 20U;    // of z, read at a time
constexpr Index kWidth = 64;                      // points that are evaluated together
constexpr double kSameDensity = 0.25;             // nats: as much as float may move l

/// The draws of a run that are used: of each chain every step-th, and the last one.
struct Selection {
  RunVariable z;
  RunVariable lp;
  Index step = 1;

  Index per_chain() const { return (z.draws - 1) / step + 1; }
  bool has(Index draw) const { return (z.draws - 1 - draw) % step == 0; }
};

Selection select_draws(const RunReader& run) {
  if (!run.has_group("unconstrained_posterior")) {
    throw InputError(fmt::format(
        "{}: the evidence needs the latent draws z, which --no-latent has left out: sample again",
        run.path()));
  }
  Selection selection = {run.variable("unconstrained_posterior", "z"),
                         run.variable("sample_stats", "lp")};
  expect_same_draws(run.path(), selection.z, selection.lp);
  if (selection.z.draws < kFewestDraws) {
    throw InputError(
        fmt::format("{}: the evidence needs at least {} draws of each chain, but it has {}: sample "
                    "more",
                    run.path(), kFewestDraws, selection.z.draws));
  }
  const Index all = selection.z.chains * selection.z.draws;
  selection.step = std::min((all - 1) / kMostRunDraws + 1, selection.z.draws / kFewestDraws);
  return selection;
}

/// log pi - log q_Z at the draws of a run, from what the file holds.
class RunRatios {
 public:
  RunRatios(const RunReader& run, const Selection& selection, const Base<double>& base)
      : run_(run),
        selection_(selection),
        base_(base),
        points_(base.dim(), kWidth),
        density_(1, kWidth) {}

  /// Of a chain's selected draws, in order, appended to `out`. @throws InputError if one is not
  /// finite
  void append(Index chain, std::vector<double>& out) {
    const Index dim = base_.dim();
    const Index most = std::max<Index>(1, kSlabValues / dim);
    for (Index first = 0; first < selection_.z.draws; first += most) {
      const Index count = std::min(most, selection_.z.draws - first);
      z_.resize(static_cast<std::size_t>(count * dim));
      lp_.resize(static_cast<std::size_t>(count));
      run_.read(selection_.z, {chain, 1, first, count, 0, dim}, z_.data());
      run_.read(selection_.lp, {chain, 1, first, count, 0, 1}, lp_.data());
      for (Index d = 0; d < count; ++d) {
        if (selection_.has(first + d)) take(d, out);
      }
    }
    evaluate(out);
  }

 private:
  void take(Index draw, std::vector<double>& out) {
    for (Index i = 0; i < base_.dim(); ++i) {
      points_(i, waiting_) = z_[static_cast<std::size_t>(draw * base_.dim() + i)];
    }
    out.push_back(lp_[static_cast<std::size_t>(draw)]);
    if (++waiting_ == kWidth) evaluate(out);
  }

  /// Subtracts log q_Z from the log densities that wait for it, the last ones of `out`.
  void evaluate(std::vector<double>& out) {
    density_.fill(0.0);
    base_.add_log_density(points_, 1.0, density_);
    for (Index c = 0; c < waiting_; ++c) {
      double& ratio = out[out.size() - static_cast<std::size_t>(waiting_ - c)];
      ratio -= density_(0, c);
      if (std::isfinite(ratio)) continue;
      throw InputError(
          fmt::format("{}: log pi - log q_Z should be finite at every draw, but is {} at one",
                      run_.path(), ratio));
    }
    waiting_ = 0;
  }

  const RunReader& run_;
  const Selection& selection_;
  const Base<double>& base_;
  Batch<double> points_;
  PerChain density_;
  Index waiting_ = 0;  ///< columns of points_ that are in use
  std::vector<double> z_;
  std::vector<double> lp_;
};

/// The last draws of some chains of a run: z [dim x kWidth], the last chain repeated, and lp.
struct LastDraws {
  LastDraws(const RunReader& run, const Selection& selection) : z(selection.z.dim, kWidth) {
    const Index last = selection.z.draws - 1;
    chains = std::min(kWidth, selection.z.chains);
    std::vector<double> points(static_cast<std::size_t>(chains * z.dim()));
    lp.resize(static_cast<std::size_t>(chains));
    run.read(selection.z, {0, chains, last, 1, 0, z.dim()}, points.data());
    run.read(selection.lp, {0, chains, last, 1, 0, 1}, lp.data());
    for (Index c = 0; c < kWidth; ++c) {
      const double* point = points.data() + std::min(c, chains - 1) * z.dim();
      for (Index i = 0; i < z.dim(); ++i) z(i, c) = point[i];
    }
  }

  Index chains;
  Batch<double> z;
  std::vector<double> lp;
};

/// @throws InputError if the target does not have the log densities that the run recorded: then its
/// density, or the data of that density, is no longer what was sampled
void expect_target_of_run(const RunReader& run, const Selection& selection,
                          const Flow<double>& flow, const Target<double>& target) {
  const LastDraws draws(run, selection);
  Batch<double> x = draws.z;
  PerChain log_det(1, kWidth);
  PerChain found(1, kWidth);
  Cotangents<double> cotangents(flow.dim(), kWidth);
  cotangents.wants_x_bar = false;
  Tape<double> tape(flow.tape_shape(), kWidth);
  log_det.fill(0.0);
  flow.forward(x, log_det, tape);
  target.evaluate(draws.z, x, log_det, found, cotangents);
  std::vector<double> deviations;
  for (Index c = 0; c < draws.chains; ++c) {
    const double deviation = std::abs(found(0, c) - draws.lp[static_cast<std::size_t>(c)]);
    deviations.push_back(std::isfinite(deviation) ? deviation : HUGE_VAL);
  }
  std::sort(deviations.begin(), deviations.end());
  const double median = deviations[deviations.size() / 2];
  if (median <= kSameDensity) return;
  throw InputError(fmt::format(
      "{}: its target should have the log densities that it recorded, but half of them differ by "
      "{:.3g} nats or more: the density or its data has changed since: sample again",
      run.path(), median));
}

/// The ratios of all selected draws of a run. Ranks share the chains. Collective.
ChainDraws run_ratios(const RunReader& run, const Selection& selection, const Base<double>& base,
                      const Communicator& comm) {
  const Tiling share =
      Tiling::share(selection.z.chains, selection.z.chunk_chains, comm.rank(), comm.size());
  std::vector<double> own;
  comm.together([&] {
    RunRatios ratios(run, selection, base);
    for (Index c = share.first_chain(); c < share.end_chain(); ++c) ratios.append(c, own);
  });
  ChainDraws all(selection.z.chains, selection.per_chain());
  all.values = comm.gather(own);
  return all;
}

/// The ratios at fresh draws of q_Z. Ranks share them. Collective.
std::vector<double> base_ratios(const EvidenceConfig& config, const Flow<double>& flow,
                                const Target<double>& target, const Communicator& comm) {
  const Tiling share = Tiling::share(config.draws, kWidth, comm.rank(), comm.size());
  std::vector<double> own;
  comm.together([&] {
    for_each_base_tile(flow, target, Random(config.seed), Purpose::kEvidence, share,
                       [&](const BaseTile& tile) {
                         for (Index c = 0; c < tile.count; ++c) {
                           own.push_back(tile.log_ratio(0, c));
                         }
                       });
  });
  return comm.gather(own);
}

}  // namespace

std::vector<Option> options_of(EvidenceConfig& evidence) {
  return {
      {.name = "run",
       .place = &evidence.run,
       .kind = OptionKind::kRun,
       .help = "run file",
       .positional = true,
       .required = true},
      {.name = "flow",
       .place = &evidence.flow,
       .kind = OptionKind::kFlow,
       .help = "the run's flow file, if it has moved",
       .otherwise = "the one that the run names"},
      {.name = "seed", .place = &evidence.seed, .help = "of the fresh draws"},
      {.name = "draws",
       .place = &evidence.draws,
       .group = OptionGroup::kHowMuch,
       .help = "fresh draws of the base density",
       .range = {kFewestBridgeDraws, kMostDraws}},
  };
}

void EvidenceConfig::validate() const {
  EvidenceConfig evidence = *this;  // options_of() needs a configuration that can be changed
  check_options(options_of(evidence));
}

std::string refusal(const Evidence& evidence) {
  const BridgeEstimate& bridge = evidence.bridge;
  const double fewest = smaller(bridge.run_draws, bridge.base_draws);
  if (fewest >= kFewestBridgeDraws && std::isfinite(bridge.log_evidence)) return "";
  if (std::isnan(bridge.log_evidence)) {
    return fmt::format("none of {} draws of the base density has a density under the target",
                       evidence.base_draws);
  }
  return fmt::format(
      "the estimate would stand on {:.3g} independent draws of the run and {:.3g} draws of the "
      "base "
      "density that lie where the other density does, and needs {:g} of each",
      bridge.run_draws, bridge.base_draws, kFewestBridgeDraws);
}

Evidence estimate_evidence(const EvidenceConfig& config, const Communicator& comm) {
  config.validate();
  std::optional<RunReader> run;
  Selection selection;
  DensitySource source;
  Evidence found;
  comm.together([&] {
    run.emplace(config.run);
    selection = select_draws(*run);
    found.target = recorded_target(*run);
    source = recorded_density(*run);
  });
  const std::unique_ptr<Flow<double>> flow = flow_of_run(*run, config.flow, selection.z.dim, comm);
  const std::unique_ptr<Density> density = density_of(source, flow->dim(), comm);
  std::unique_ptr<Target<double>> target;
  comm.together([&] {
    target = make_target(found.target, *flow, density.get());
    expect_target_of_run(*run, selection, *flow, *target);
  });
  const ChainDraws of_run = run_ratios(*run, selection, flow->base(), comm);
  const std::vector<double> of_base = base_ratios(config, *flow, *target, comm);
  found.run_draws = static_cast<Index>(of_run.values.size());
  found.base_draws = config.draws;
  found.non_finite =
      std::count(of_base.begin(), of_base.end(), -std::numeric_limits<double>::infinity());
  found.bridge = bridge_estimate(of_run, of_base);
  found.importance = importance_estimate(of_base);
  return found;
}

}  // namespace flotilla
