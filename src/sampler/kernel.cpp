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

/// out <- |a - b|^2 of each chain, on circles the short way round, [1 x chains].
void squared_distance(const std::vector<Circle>& circles, const Batch<double>& a,
                      const Batch<double>& b, PerChain& out) {
  out.fill(0.0);
  double* sum = out.row(0);
  for (Index i = 0; i < a.dim(); ++i) {
    const double* one = a.row(i);
    const double* other = b.row(i);
    const Circle& circle = circles[static_cast<std::size_t>(i)];
    if (circle.is_line()) {
      for (Index c = 0; c < a.stride(); ++c) {
        const double gap = one[c] - other[c];
        sum[c] += gap * gap;
      }
      continue;
    }
    for (Index c = 0; c < a.stride(); ++c) {
      const double gap = circle.gap(one[c], other[c]);
      sum[c] += gap * gap;
    }
  }
}

double scale_of(const std::vector<double>& scales, Index i) {
  return scales.empty() ? 1.0 : scales[static_cast<std::size_t>(i)];
}

/// Sets `to` to the point `from` + scales * displacement. Where that leaves a circle of the base
/// density it goes on at the other end: the same point of the circle, with the same density.
template <typename T>
void displace(const std::vector<Circle>& circles, const Point<T>& from,
              const Batch<T>& displacement, const std::vector<double>& scales, Point<T>& to) {
  for (Index i = 0; i < displacement.dim(); ++i) {
    const double scale = scale_of(scales, i);
    const double* origin = from.position.row(i);
    const T* by = displacement.row(i);
    double* position = to.position.row(i);
    for (Index c = 0; c < displacement.stride(); ++c) {
      position[c] = origin[c] + scale * static_cast<double>(by[c]);
    }
    const Circle& circle = circles[static_cast<std::size_t>(i)];
    if (circle.is_line()) continue;
    for (Index c = 0; c < displacement.stride(); ++c) position[c] = circle.wrapped(position[c]);
  }
  const double* position = to.position.row(0);
  T* z = to.z.row(0);
  const Index count = to.z.dim() * to.z.stride();
  for (Index k = 0; k < count; ++k) z[k] = static_cast<T>(position[k]);
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

/// Copies z to position.
template <typename T>
void take_positions(Point<T>& point) {
  const T* z = point.z.row(0);
  double* position = point.position.row(0);
  const Index count = point.z.dim() * point.z.stride();
  for (Index k = 0; k < count; ++k) position[k] = static_cast<double>(z[k]);
}

}  // namespace

template <typename T>
Workspace<T>::Workspace(const Kernel<T>& kernel, Index columns)
    : chains(columns),
      current(kernel.flow(), columns, kernel.keeps_tape()),
      proposed(kernel.flow(), columns),
      memory(kernel.has_memory() ? Memory<T>(kernel.flow().dim(), columns) : Memory<T>()),
      outcome(columns),
      everywhere(ColumnMask::all(columns)),
      drift_known(ColumnMask::all(columns)),
      cotangents(kernel.flow().dim(), columns),
      noise(kernel.flow().dim(), columns),
      displacement(kernel.flow().dim(), columns),
      finiteness(1, columns),
      uniform(1, columns),
      log_alpha(1, columns),
      ratio(1, columns) {
  cotangents.wants_x_bar = kernel.needs_gradients();
}

template <typename T>
Kernel<T>::Kernel(const Flow<T>& flow, const Target<T>& target, std::unique_ptr<LocalMove<T>> local,
                  double global_fraction)
    : flow_(&flow),
      target_(&target),
      local_(std::move(local)),
      global_fraction_(global_fraction),
      circles_(flow.base().circles()) {
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
  evaluate(workspace, workspace.proposed);
  if (moves_locally()) find_drift(workspace, workspace.proposed, scales);
  workspace.current.select(workspace.everywhere, workspace.proposed);
  if (keeps_tape()) workspace.current.select_tape(workspace.everywhere, workspace.proposed);
  workspace.drift_known = workspace.everywhere;
  workspace.drifts_known = true;
}

template <typename T>
void Kernel<T>::leave(Workspace<T>& workspace, const std::vector<double>& scales,
                      Known<T>& known) const {
  if (!workspace.drifts_known) find_missing_drifts(workspace, scales);
  const Point<T>& point = workspace.current;
  known.x = point.x;
  known.drift = point.drift;
  known.log_det = point.log_det;
  known.log_density = point.log_density;
}

template <typename T>
void Kernel<T>::enter(Workspace<T>& workspace, const Batch<double>& z,
                      const Known<T>& known) const {
  Point<T>& point = workspace.current;
  point.move_to(z);
  point.x = known.x;
  point.drift = known.drift;
  point.log_det = known.log_det;
  point.log_density = known.log_density;
  workspace.drift_known = workspace.everywhere;
  workspace.drifts_known = true;
}

template <typename T>
bool Kernel<T>::can_start(const Workspace<T>& workspace, Index chain) const {
  return std::isfinite(workspace.current.log_density(0, chain)) &&
         std::isfinite(workspace.finiteness(0, chain));
}

template <typename T>
void Kernel<T>::evaluate(Workspace<T>& workspace, Point<T>& point) const {
  std::copy_n(point.z.row(0), point.z.dim() * point.z.stride(), point.x.row(0));
  point.log_det.fill(0.0);
  flow_->forward(point.x, point.log_det, point.tape);
  if (target_->depends_on_x()) {
    // Without l padding has no density, and what computes one from x need not be asked for it.
    for (Index c = workspace.chains; c < point.z.chains(); ++c) {
      point.log_det(0, c) = std::numeric_limits<double>::quiet_NaN();
    }
  }
  target_->evaluate(point.z, point.x, point.log_det, point.log_density, workspace.cotangents);
  workspace.finiteness.fill(T{0});
  probe(point.x, workspace.finiteness);
  probe(point.z, workspace.finiteness);
  double* log_density = point.log_density.row(0);
  for (Index c = 0; c < point.z.stride(); ++c) {
    const bool finite = std::isfinite(workspace.finiteness(0, c)) &&
                        std::isfinite(point.log_det(0, c)) && std::isfinite(log_density[c]);
    if (!finite) log_density[c] = -std::numeric_limits<double>::infinity();
  }
}

template <typename T>
void Kernel<T>::find_drift(Workspace<T>& workspace, Point<T>& point,
                           const std::vector<double>& scales) const {
  local_->prepare(*flow_, workspace.cotangents, target_->depends_on_x(), point);
  stretch(scales, point.drift);
  probe(point.drift, workspace.finiteness);
}

// The products along the tape are computed for all chains, since they are those of a batch; the
// chains whose drift was known have no tape of their z, and keep it.
template <typename T>
void Kernel<T>::find_missing_drifts(Workspace<T>& workspace,
                                    const std::vector<double>& scales) const {
  Point<T>& point = workspace.current;
  Batch<T>& known = workspace.proposed.drift;
  std::copy_n(point.drift.row(0), point.drift.dim() * point.drift.stride(), known.row(0));
  target_->evaluate(point.z, point.x, point.log_det, workspace.log_alpha, workspace.cotangents);
  find_drift(workspace, point, scales);
  select_columns(workspace.drift_known, known, point.drift);
  workspace.drift_known = workspace.everywhere;
  workspace.drifts_known = true;
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
  if (chooses_global(random, step, tuning)) {
    move_globally(random, step, first_chain, tuning, workspace);
  } else {
    move_locally(random, step, first_chain, tuning, workspace);
  }
}

template <typename T>
bool Kernel<T>::chooses_global(const Random& random, std::uint64_t step,
                               const Tuning& tuning) const {
  if (!moves_locally() || !moves_globally()) return moves_globally();
  return random.selector(Purpose::kChoice, step, 0) <=
         tuning.global_fraction.value_or(global_fraction_);
}

template <typename T>
void Kernel<T>::move_locally(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                             const Tuning& tuning, Workspace<T>& workspace) const {
  Point<T>& from = workspace.current;
  Point<T>& to = workspace.proposed;
  if (!workspace.drifts_known) find_missing_drifts(workspace, tuning.scales);
  random.normals(Purpose::kLocalNoise, step, first_chain, workspace.noise);
  if (has_memory()) local_->refresh(tuning, workspace.memory, workspace.noise);
  local_->propose(*flow_, from, tuning.step_size, workspace.noise, workspace.displacement);
  displace(circles_, from, workspace.displacement, tuning.scales, to);
  evaluate(workspace, to);
  find_drift(workspace, to, tuning.scales);
  local_->log_ratio(*flow_, from, to, tuning.step_size, workspace.noise, workspace.displacement,
                    workspace.ratio);
  decide(random, step, first_chain, false, workspace);
  if (has_memory()) {
    local_->remember(tuning, workspace.outcome, workspace.log_alpha, workspace.noise,
                     workspace.displacement, workspace.memory);
  }
  from.select(workspace.outcome.accepted, to);
  if (local_->needs_tape()) from.select_tape(workspace.outcome.accepted, to);
}

template <typename T>
void Kernel<T>::move_globally(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                              const Tuning& tuning, Workspace<T>& workspace) const {
  Point<T>& from = workspace.current;
  Point<T>& to = workspace.proposed;
  flow_->base().sample(random, Purpose::kGlobalNoise, step, first_chain, workspace.everywhere,
                       to.z);
  take_positions(to);
  evaluate(workspace, to);
  if (moves_locally() && !postpones_drift()) find_drift(workspace, to, tuning.scales);
  workspace.ratio.fill(0.0);
  flow_->base().add_log_density(from.z, 1.0, workspace.ratio);
  flow_->base().add_log_density(to.z, -1.0, workspace.ratio);
  decide(random, step, first_chain, true, workspace);
  from.select(workspace.outcome.accepted, to);
  if (keeps_tape()) from.select_tape(workspace.outcome.accepted, to);
  if (!postpones_drift()) return;
  for (Index c = 0; c < from.z.chains(); ++c) {
    if (workspace.outcome.accepted[c]) workspace.drift_known.set(c, false);
  }
  workspace.drifts_known = false;
}

template <typename T>
void Kernel<T>::decide(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                       bool global, Workspace<T>& workspace) const {
  random.uniforms(Purpose::kAcceptance, step, first_chain, workspace.uniform);
  const Point<T>& from = workspace.current;
  const Point<T>& to = workspace.proposed;
  const PerChain& ratio = workspace.ratio;
  const bool by_slice = has_memory() && !global;
  StepOutcome& outcome = workspace.outcome;
  squared_distance(circles_, from.position, to.position, outcome.squared_jump);
  for (Index c = 0; c < from.z.chains(); ++c) {
    const double log_alpha = to.log_density(0, c) - from.log_density(0, c) + ratio(0, c);
    const bool diverging = !std::isfinite(to.log_density(0, c)) || !std::isfinite(ratio(0, c));
    const double acceptance = diverging ? 0.0 : elementary::exp(std::min(log_alpha, 0.0));
    const bool accepted = by_slice ? std::abs(workspace.memory.slice(0, c)) < acceptance
                                   : workspace.uniform(0, c) <= acceptance;
    workspace.log_alpha(0, c) = log_alpha;
    outcome.global.set(c, global);
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
