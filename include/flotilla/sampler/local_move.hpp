// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/sampler/chain_state.hpp"
#include "flotilla/sampler/point.hpp"
#include "flotilla/sampler/statistics.hpp"
#include "flotilla/sampler/tuning.hpp"
#include "flotilla/target/target.hpp"

namespace flotilla {

/// The cost of a step, per chain.
struct StepCost {
  double passes;     ///< passes through the flow's conditioners; each costs Flow::multiply_adds()
  double gradients;  ///< number of evaluations of grad log pi
};

/// A proposal z' near z, and the ratio of proposal densities that makes it reversible.
///
/// Works on whole batches, without forming matrices. Allocates nothing, except in TorchScript
/// layers. Const and stateless.
template <typename T>
class LocalMove {
 public:
  LocalMove() = default;
  virtual ~LocalMove() = default;
  LocalMove(const LocalMove&) = delete;
  LocalMove& operator=(const LocalMove&) = delete;

  /// Computes point.drift, which propose() and log_ratio() need, at a newly evaluated point.
  ///
  /// @param cotangents    of log pi at the point
  /// @param depends_on_x  whether cotangents.x_bar is used
  virtual void prepare(const Flow<T>& flow, const Cotangents<T>& cotangents, bool depends_on_x,
                       Point<T>& point) const = 0;

  /// Whether it uses products with J^-1. Some flows do not have them.
  virtual bool needs_inverse() const = 0;
  /// Whether propose() reads from.tape. If not, chains need not keep their tapes.
  virtual bool needs_tape() const = 0;

  /// displacement <- z' - z of the proposal from `from` with this noise. Both are [dim x chains].
  /// With scales, z stands for z / sigma here and below, and drift for sigma drift.
  virtual void propose(const Flow<T>& flow, const Point<T>& from, StepSize step_size,
                       const Batch<T>& noise, Batch<T>& displacement) const = 0;

  /// out <- log q(from | to) - log q(to | from), for a proposal of propose() from `from` to `to`.
  ///
  /// @param noise         the noise of the proposal
  /// @param displacement  the displacement of the proposal; overwritten with the noise that would
  ///                      lead back. The difference of the two z would have lost digits to rounding
  /// @param out           [1 x chains]
  virtual void log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to,
                         StepSize step_size, const Batch<T>& noise, Batch<T>& displacement,
                         PerChain& out) const = 0;

  /// Whether moves in z / sigma are of use: no metric of its own already scales the move.
  virtual bool takes_scales() const { return false; }

  /// The cost of a step of this move.
  virtual StepCost cost() const = 0;

  /// Whether chains keep a momentum and a slice variable between steps. Without them the noise of
  /// a step and the uniform number of its test are new.
  virtual bool has_memory() const { return false; }
  /// noise <- the noise to propose with, made of the momentum and of new noise.
  /// @pre has_memory(); the same for remember()
  virtual void refresh(const Tuning& /*tuning*/, const Memory<T>& /*memory*/,
                       Batch<T>& /*noise*/) const {}
  /// Updates the memory after a local move. Global moves leave it alone.
  ///
  /// @param outcome    of the step
  /// @param log_alpha  log of the acceptance ratio, [1 x chains]; may exceed 0
  /// @param forth      the noise of the proposal, [dim x chains]
  /// @param back       the noise that would lead back, as log_ratio() leaves it
  virtual void remember(const Tuning& /*tuning*/, const StepOutcome& /*outcome*/,
                        const PerChain& /*log_alpha*/, const Batch<T>& /*forth*/,
                        const Batch<T>& /*back*/, Memory<T>& /*memory*/) const {}
};

/// Metric MALA, the paper's local move: Langevin dynamics under the metric J^T J,
/// z' = z + J(z)^-1 [(eps^2/2) s(z) + eps xi], s = J^-T grad log pi.
/// Source: arXiv:2305.12149 (local move); src/README.md, kernels.
template <typename T>
class MetricMala final : public LocalMove<T> {
 public:
  void prepare(const Flow<T>& flow, const Cotangents<T>& cotangents, bool depends_on_x,
               Point<T>& point) const override;
  bool needs_inverse() const override { return true; }
  bool needs_tape() const override { return true; }
  void propose(const Flow<T>& flow, const Point<T>& from, StepSize step_size, const Batch<T>& noise,
               Batch<T>& displacement) const override;
  void log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to, StepSize step_size,
                 const Batch<T>& noise, Batch<T>& displacement, PerChain& out) const override;
  StepCost cost() const override { return {.passes = 4.0, .gradients = 1.0}; }
};

/// MALA in the latent space with the identity metric: z' = z + (eps^2/2) grad log pi(z) + eps xi.
/// Source: Roberts & Tweedie 1996; src/README.md, kernels.
template <typename T>
class EuclideanMala : public LocalMove<T> {
 public:
  void prepare(const Flow<T>& flow, const Cotangents<T>& cotangents, bool depends_on_x,
               Point<T>& point) const override;
  bool needs_inverse() const override { return false; }
  bool needs_tape() const override { return false; }
  void propose(const Flow<T>& flow, const Point<T>& from, StepSize step_size, const Batch<T>& noise,
               Batch<T>& displacement) const override;
  void log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to, StepSize step_size,
                 const Batch<T>& noise, Batch<T>& displacement, PerChain& out) const override;
  bool takes_scales() const override { return true; }
  StepCost cost() const override { return {.passes = 2.0, .gradients = 1.0}; }
};

/// Generalised Hamiltonian Monte Carlo with one leapfrog step: MALA whose noise is a momentum that
/// is refreshed in part, and whose test uses a slice variable that drifts.
///
/// Source: Horowitz 1991 (partial refreshment); Neal 2020 (the slice); src/README.md, kernels.
template <typename T>
class Ghmc : public EuclideanMala<T> {
 public:
  bool has_memory() const override { return true; }
  /// v <- sqrt(1 - alpha^2) v + alpha xi.
  void refresh(const Tuning& tuning, const Memory<T>& memory, Batch<T>& noise) const override;
  /// Accepted: v is that of the new point, and u exp(-r). Rejected: -v. Then u drifts.
  void remember(const Tuning& tuning, const StepOutcome& outcome, const PerChain& log_alpha,
                const Batch<T>& forth, const Batch<T>& back, Memory<T>& memory) const override;
};

}  // namespace flotilla
