// SPDX-License-Identifier: BSD-3-Clause
#include "quality/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/quality/diagnosis.hpp"
#include "flotilla/sampler/pool.hpp"
#include "flotilla/target/registry.hpp"
#include "quality/base_draws.hpp"
#include "run/calibration.hpp"
#include "run/density_of_run.hpp"

namespace flotilla {
namespace {

/// Draws of the base density: their images x, and log pi - log q_Z of each.
struct Weighted {
  std::vector<double> x;  ///< [draw x dim]
  std::vector<double> log_weight;
};

Weighted draw(const Flow<double>& flow, const Target<double>& target, const Random& random,
              const Tiling& tiling) {
  Weighted found;
  const auto keep = [&](const BaseTile& tile) {
    for (Index c = 0; c < tile.count; ++c) {
      found.log_weight.push_back(tile.log_ratio(0, c));
      for (Index i = 0; i < flow.dim(); ++i) found.x.push_back(tile.x(i, c));
    }
  };
  for_each_base_tile(flow, target, random, Purpose::kNaive, tiling, keep);
  return found;
}

/// Weighs the draws of all ranks, in the order of tiles. Every rank gets the result.
Reference weigh(const Weighted& own, Index dim, const Communicator& comm) {
  const std::vector<double> x = comm.gather(own.x);
  std::vector<double> weight = comm.gather(own.log_weight);
  const double largest = *std::max_element(weight.begin(), weight.end());
  double sum = 0.0;
  double squares = 0.0;
  for (double& value : weight) {
    value = std::isinf(value) ? 0.0 : elementary::exp(value - largest);
    sum += value;
    squares += value * value;
  }
  Reference reference;
  reference.ess = sum * sum / squares;
  for (Index i = 0; i < dim; ++i) {
    const auto place = [&](std::size_t k) {
      return x[k * static_cast<std::size_t>(dim) + static_cast<std::size_t>(i)];
    };
    double mean = 0.0;
    double variance = 0.0;
    for (std::size_t k = 0; k < weight.size(); ++k) {
      if (weight[k] > 0.0) mean += weight[k] / sum * place(k);
    }
    for (std::size_t k = 0; k < weight.size(); ++k) {
      const double distance = weight[k] > 0.0 ? place(k) - mean : 0.0;
      variance += weight[k] / sum * distance * distance;
    }
    reference.mean.push_back(mean);
    reference.sd.push_back(std::sqrt(variance));
  }
  return reference;
}

}  // namespace

double Reference::error_of(const std::vector<double>& means) const {
  double sum = 0.0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double distance = (means.at(i) - mean[i]) / sd[i];
    sum += distance * distance;
  }
  return std::sqrt(sum / static_cast<double>(mean.size()));
}

void expect_importance(Index dim) {
  if (dim <= kReferenceDim) return;
  throw InputError(fmt::format(
      "a reference by importance sampling is for at most {} dimensions, but the flow has {}: name "
      "a long run instead",
      kReferenceDim, dim));
}

Reference importance_reference(const RunConfig& config, const FlowRecord& record,
                               const Communicator& comm) {
  expect_importance(record.dim);
  std::unique_ptr<Flow<double>> flow;
  comm.together([&] { flow = std::make_unique<Flow<double>>(record); });
  const std::unique_ptr<Density> density = density_of_run(config, record.dim, comm);
  const std::unique_ptr<Target<double>> target =
      make_target(resolve_target(config, *flow, comm), *flow, density.get());
  const Tiling tiling = Tiling::share(kReferenceDraws, config.tile_width, comm.rank(), comm.size());
  Weighted own;
  comm.together([&] {
    if (tiling.tiles > 0) own = draw(*flow, *target, Random(config.seed), tiling);
  });
  return weigh(own, record.dim, comm);
}

Reference run_reference(const std::string& run, const Communicator& comm) {
  DiagnosisConfig what;
  what.variables = {"x"};
  const Diagnosis diagnosis = diagnose(run, what, comm);
  Reference reference;
  reference.ess = diagnosis.smallest_ess();
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    reference.mean.push_back(quantity.summary.mean);
    reference.sd.push_back(quantity.summary.sd);
  }
  return reference;
}

}  // namespace flotilla
