// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

/// finiteness += 0 * rows. It stays zero if every value is finite, else it becomes NaN.
template <typename T>
void probe(const Batch<T>& rows, Batch<T>& finiteness) {
  T* probe = finiteness.row(0);
  for (Index i = 0; i < rows.dim(); ++i) {
    const T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) probe[c] += T{0} * row[c];
  }
}

/// out <- |a - b|^2 of each chain, [1 x chains].
void squared_distance(const Batch<double>& a, const Batch<double>& b, PerChain& out) {
  out.fill(0.0);
  double* sum = out.row(0);
  for (Index i = 0; i < a.dim(); ++i) {
    const double* one = a.row(i);
    const double* other = b.row(i);
    for (Index c = 0; c < a.stride(); ++c) {
      const double gap = one[c] - other[c];
      sum[c] += gap * gap;
    }
  }
}

double scale_of(const std::vector<double>& scales, Index i) {
  return scales.empty() ? 1.0 : scales[static_cast<std::size_t>(i)];
}

/// Sets `to` to the point `from` + scales * displacement.
template <typename T>
void displace(const Point<T>& from, const Batch<T>& displacement, const std::vector<double>& scales,
              Point<T>& to) {
  for (Index i = 0; i < displacement.dim(); ++i) {
    const double scale = scale_of(scales, i);
    const double* origin = from.position.row(i);
    const T* by = displacement.row(i);
    double* position = to.position.row(i);
    T* z = to.z.row(i);
    for (Index c = 0; c < displacement.stride(); ++c) {
      position[c] = origin[c] + scale * static_cast<double>(by[c]);
      z[c] = static_cast<T>(position[c]);
    }
  }
}

/// rows <- scales * rows.
template <typename T>
void stretch(const std::vector<double>& scales, Batch<T>& rows) {
  if (scales.empty()) return;
  for (Index i = 0; i < rows.dim(); ++i) {
    const auto scale = static_cast<T>(scale_of(scales, i));
    T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) row[c] *= scale;
  }
}

/// Copies z to position in the masked columns.
template <typename T>
void take_positions(const ColumnMask& mask, Point<T>& point) {
  const T* take = mask.row<T>();
  for (Index i = 0; i < point.z.dim(); ++i) {
    const T* z = point.z.row(i);
    double* position = point.position.row(i);
    for (Index c = 0; c < point.z.stride(); ++c) {
      position[c] = take[c] != T{0} ? static_cast<double>(z[c]) : position[c];
    }
  }
}

}  // namespace

template <typename T>
Workspace<T>::Workspace(const Kernel<T>& kernel, Index chains)
    : current(kernel.flow(), chains, kernel.needs_tape()),
      proposed(kernel.flow(), chains),
      memory(kernel.has_memory() ? Memory<T>(kernel.flow().dim(), chains) : Memory<T>()),
      outcome(chains),
      everywhere(ColumnMask::all(chains)),
      cotangents(kernel.flow().dim(), chains),
      noise(kernel.flow().dim(), chains),
      displacement(kernel.flow().dim(), chains),
      finiteness(1, chains),
      uniform(1, chains),
      log_alpha(1, chains),
      local_ratio(1, chains),
      global_ratio(1, chains) {}

template <typename T>
Kernel<T>::Kernel(const Flow<T>& flow, const Target<T>& target, std::unique_ptr<LocalMove<T>> local,
                  double global_fraction)
    : flow_(&flow), target_(&target), local_(std::move(local)), global_fraction_(global_fraction) {
  if (!(global_fraction >= 0.0 && global_fraction <= 1.0)) {
    throw InputError(fmt::format("global fraction should be in [0, 1] but is {}", global_fraction));
  }
  if (moves_locally() && local_ == nullptr) {
    throw InputError("a kernel with a global fraction below 1 needs a local move, but has none");
  }
  if (moves_locally() && local_->needs_inverse() && !flow.has_inverse()) {
    throw InputError(
        "this kernel needs the flow's inverse, but this flow has none: choose --kernel ghmc, "
        "--kernel mala, or global moves alone with --global-fraction 1");
  }
}

template <typename T>
double Kernel<T>::passes() const {
  return moves_locally() ? local_->cost().passes : 1.0;
}

template <typename T>
double Kernel<T>::gradients() const {
  return moves_locally() ? local_->cost().gradients : 0.0;
}

template <typename T>
template <typename U>
void Kernel<T>::begin(Workspace<T>& workspace, const Batch<U>& z,
                      const std::vector<double>& scales) const {
  workspace.proposed.move_to(z);
  evaluate(workspace, workspace.proposed, scales);
  workspace.current.select(workspace.everywhere, workspace.proposed);
}

template <typename T>
void Kernel<T>::evaluate(Workspace<T>& workspace, Point<T>& point,
                         const std::vector<double>& scales) const {
  std::copy_n(point.z.row(0), point.z.dim() * point.z.stride(), point.x.row(0));
  point.log_det.fill(0.0);
  flow_->forward(point.x, point.log_det, point.tape);
  target_->evaluate(point.z, point.x, point.log_det, point.log_density, workspace.cotangents);
  if (moves_locally()) {
    local_->prepare(*flow_, workspace.cotangents, target_->depends_on_x(), point);
    stretch(scales, point.drift);
  }
  workspace.finiteness.fill(T{0});
  probe(point.x, workspace.finiteness);
  probe(point.z, workspace.finiteness);
  probe(point.drift, workspace.finiteness);
  double* log_density = point.log_density.row(0);
  for (Index c = 0; c < point.z.stride(); ++c) {
    const bool finite = std::isfinite(workspace.finiteness(0, c)) &&
                        std::isfinite(point.log_det(0, c)) && std::isfinite(log_density[c]);
    if (!finite) log_density[c] = -std::numeric_limits<double>::infinity();
  }
}

template <typename T>
void Kernel<T>::start_memory(const Random& random, std::uint64_t first_chain,
                             Workspace<T>& workspace) const {
  if (!has_memory()) return;
  random.normals(Purpose::kMomentum, 0, first_chain, workspace.memory.momentum);
  random.uniforms(Purpose::kSlice, 0, first_chain, workspace.memory.slice);
  double* u = workspace.memory.slice.row(0);
  for (Index c = 0; c < workspace.memory.slice.stride(); ++c) u[c] = 2.0 * u[c] - 1.0;
}

template <typename T>
void Kernel<T>::step(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                     const Tuning& tuning, Workspace<T>& workspace) const {
  choose(random, step, first_chain, tuning, workspace);
  propose(random, step, first_chain, tuning, workspace);
  evaluate(workspace, workspace.proposed, tuning.scales);
  weigh(tuning.step_size, workspace);
  decide(random, step, first_chain, workspace);
  if (has_memory()) {
    local_->remember(tuning, workspace.outcome, workspace.log_alpha, workspace.noise,
                     workspace.displacement, workspace.memory);
  }
  workspace.current.select(workspace.outcome.accepted, workspace.proposed);
}

template <typename T>
void Kernel<T>::choose(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                       const Tuning& tuning, Workspace<T>& workspace) const {
  const bool mixed = moves_locally() && moves_globally();
  const double global_fraction = tuning.global_fraction.value_or(global_fraction_);
  if (mixed) random.uniforms(Purpose::kChoice, step, first_chain, workspace.uniform);
  for (Index c = 0; c < workspace.current.z.chains(); ++c) {
    const bool global = mixed ? workspace.uniform(0, c) <= global_fraction : moves_globally();
    workspace.outcome.global.set(c, global);
  }
}

template <typename T>
void Kernel<T>::propose(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                        const Tuning& tuning, Workspace<T>& workspace) const {
  Point<T>& to = workspace.proposed;
  if (moves_locally()) {
    random.normals(Purpose::kLocalNoise, step, first_chain, workspace.noise);
    if (has_memory()) local_->refresh(tuning, workspace.memory, workspace.noise);
    local_->propose(*flow_, workspace.current, tuning.step_size, workspace.noise,
                    workspace.displacement);
    displace(workspace.current, workspace.displacement, tuning.scales, to);
  }
  if (moves_globally()) {
    const ColumnMask& global = workspace.outcome.global;
    flow_->base().sample(random, Purpose::kGlobalNoise, step, first_chain, global, to.z);
    take_positions(global, to);
  }
}

template <typename T>
void Kernel<T>::weigh(StepSize step_size, Workspace<T>& workspace) const {
  if (moves_locally()) {
    local_->log_ratio(*flow_, workspace.current, workspace.proposed, step_size, workspace.noise,
                      workspace.displacement, workspace.local_ratio);
  }
  if (moves_globally()) {
    workspace.global_ratio.fill(0.0);
    flow_->base().add_log_density(workspace.current.z, 1.0, workspace.global_ratio);
    flow_->base().add_log_density(workspace.proposed.z, -1.0, workspace.global_ratio);
  }
}

template <typename T>
void Kernel<T>::decide(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                       Workspace<T>& workspace) const {
  random.uniforms(Purpose::kAcceptance, step, first_chain, workspace.uniform);
  const Point<T>& from = workspace.current;
  const Point<T>& to = workspace.proposed;
  StepOutcome& outcome = workspace.outcome;
  squared_distance(from.position, to.position, outcome.squared_jump);
  for (Index c = 0; c < from.z.chains(); ++c) {
    const double ratio =
        outcome.global[c] ? workspace.global_ratio(0, c) : workspace.local_ratio(0, c);
    const double log_alpha = to.log_density(0, c) - from.log_density(0, c) + ratio;
    const bool diverging = !std::isfinite(to.log_density(0, c)) || !std::isfinite(ratio);
    const double acceptance = diverging ? 0.0 : elementary::exp(std::min(log_alpha, 0.0));
    const bool accepted = has_memory() && !outcome.global[c]
                              ? std::abs(workspace.memory.slice(0, c)) < acceptance
                              : workspace.uniform(0, c) <= acceptance;
    workspace.log_alpha(0, c) = log_alpha;
    outcome.acceptance(0, c) = acceptance;
    outcome.accepted.set(c, accepted);
    outcome.diverging.set(c, diverging);
    if (!accepted) outcome.squared_jump(0, c) = 0.0;
  }
}

template struct Workspace<float>;
template struct Workspace<double>;
template class Kernel<float>;
template class Kernel<double>;
template void Kernel<float>::begin(Workspace<float>&, const Batch<float>&,
                                   const std::vector<double>&) const;
template void Kernel<float>::begin(Workspace<float>&, const Batch<double>&,
                                   const std::vector<double>&) const;
template void Kernel<double>::begin(Workspace<double>&, const Batch<double>&,
                                    const std::vector<double>&) const;

}  // namespace flotilla
