// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "flotilla/core/random.hpp"
#include "flotilla/sampler/local_move.hpp"
#include "flotilla/sampler/statistics.hpp"

namespace flotilla {

template <typename T>
class Kernel;

/// The buffers of one tile in motion: the current point, the proposed point and what lies between
/// them. The current point has a tape only if the kernel keeps it.
template <typename T>
struct Workspace {
  Workspace() = default;
  /// @param columns  of a tile, all of them chains
  Workspace(const Kernel<T>& kernel, Index columns);

  Index chains = 0;  ///< of the tile, its first columns; the others are padding, which moves along
                     ///< but is not shown to a density from outside
  Point<T> current;
  Point<T> proposed;
  Memory<T> memory;     ///< [0 x 0] if the kernel has none
  StepOutcome outcome;  ///< of the last step

  ColumnMask everywhere;      ///< all chains: begin() selects with it
  ColumnMask drift_known;     ///< chains whose current.drift is that of their z
  bool drifts_known = false;  ///< whether all are
  Cotangents<T> cotangents;
  Batch<T> noise;
  Batch<T> displacement;  ///< z' - z of the local proposal
  Batch<T> finiteness;    ///< [1 x chains]; zero if all of the proposed point is finite, else NaN
  PerChain uniform;
  PerChain log_alpha;  ///< log of the acceptance ratio
  PerChain ratio;      ///< log of the ratio of proposal densities
};

/// The Markov kernel, which leaves pi invariant. A step makes global moves with probability
/// global_fraction, else local ones; the choice does not depend on the state. A
/// Metropolis-Hastings test follows for each chain.
///
/// The global move is the paper's independence move z' ~ q_Z. All chains of the run make the same
/// kind of move in a step, since a global one needs no gradient: it is computed once a local move
/// follows. The choice is a function of the step alone, so that tiles of any width draw alike.
/// Source: arXiv:2305.12149; src/README.md, kernels and share of global moves.
template <typename T>
class Kernel {
 public:
  /// @param flow, target     outlive the kernel
  /// @param global_fraction  in [0, 1]; at 1 the local move is never computed
  /// @param local            may be null if global_fraction is 1
  /// @throws InputError if global_fraction is not in [0, 1], the local move is missing, or it needs
  /// an inverse that the flow does not have
  Kernel(const Flow<T>& flow, const Target<T>& target, std::unique_ptr<LocalMove<T>> local,
         double global_fraction);

  const Flow<T>& flow() const { return *flow_; }
  const Target<T>& target() const { return *target_; }
  double global_fraction() const { return global_fraction_; }

  /// Whether steps ask for grad log pi.
  bool needs_gradients() const { return moves_locally(); }

  /// Whether leave() and enter() save the work of begin(): not where a move needs the tape.
  bool may_know() const { return !moves_locally() || !local_->needs_tape(); }

  /// Whether the current point keeps a tape.
  bool keeps_tape() const { return moves_locally() && (local_->needs_tape() || postpones_drift()); }

  /// Puts workspace.current at z and computes all that belongs to it: image, log det, log density,
  /// drift, tape.
  ///
  /// @param z       [dim x chains], of float or double
  /// @param scales  those of the steps that follow: Tuning::scales
  template <typename U>
  void begin(Workspace<T>& workspace, const Batch<U>& z,
             const std::vector<double>& scales = {}) const;

  /// Computes what a step left out, and keeps what is known of workspace.current. @pre may_know()
  void leave(Workspace<T>& workspace, const std::vector<double>& scales, Known<T>& known) const;

  /// Puts workspace.current at z with what leave() kept there: the same bits as begin().
  ///
  /// @pre known is that of these positions, for the scales of the steps that follow
  void enter(Workspace<T>& workspace, const Batch<double>& z, const Known<T>& known) const;

  /// Whether a chain can start from workspace.current after begin(): nothing there is infinite or
  /// NaN, the drift included.
  bool can_start(const Workspace<T>& workspace, Index chain) const;

  /// Draws the memory that chains start with, from its invariant density.
  ///
  /// @param first_chain  global index of column 0
  void start_memory(const Random& random, std::uint64_t first_chain, Workspace<T>& workspace) const;

  /// Whether local moves are made in z / sigma where a tuning has scales.
  bool takes_scales() const { return moves_locally() && local_->takes_scales(); }

  /// Whether chains have a memory.
  bool has_memory() const { return moves_locally() && local_->has_memory(); }

  /// Moves every chain of workspace.current by one step. The outcome is in workspace.outcome.
  ///
  /// @param step         number of the step since the run began; selects the variates
  /// @param first_chain  global index of column 0
  /// Allocates nothing, except in TorchScript layers. Costs passes() passes through the flow's
  /// conditioners.
  void step(const Random& random, std::uint64_t step, std::uint64_t first_chain,
            const Tuning& tuning, Workspace<T>& workspace) const;

  /// Conditioner passes per step, at most. A pass costs Flow::multiply_adds() per chain.
  double passes() const;
  /// Evaluations of grad log pi per step, at most: a global move that another one follows needs
  /// none.
  double gradients() const;

 private:
  bool moves_locally() const { return global_fraction_ < 1.0; }
  bool moves_globally() const { return global_fraction_ > 0.0; }

  /// Whether global moves leave the drift to the local move that follows them. A density of x gives
  /// its gradient with its value, and is not asked twice.
  bool postpones_drift() const {
    return moves_locally() && moves_globally() && !target_->depends_on_x();
  }
  bool chooses_global(const Random& random, std::uint64_t step, const Tuning& tuning) const;
  /// Everything but the drift; workspace.cotangents are those of the point.
  void evaluate(Workspace<T>& workspace, Point<T>& point) const;
  void find_drift(Workspace<T>& workspace, Point<T>& point,
                  const std::vector<double>& scales) const;
  /// Computes the drifts that global moves left out.
  void find_missing_drifts(Workspace<T>& workspace, const std::vector<double>& scales) const;
  void move_locally(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                    const Tuning& tuning, Workspace<T>& workspace) const;
  void move_globally(const Random& random, std::uint64_t step, std::uint64_t first_chain,
                     const Tuning& tuning, Workspace<T>& workspace) const;
  /// The test of each chain. @param global  the kind of the moves
  void decide(const Random& random, std::uint64_t step, std::uint64_t first_chain, bool global,
              Workspace<T>& workspace) const;

  const Flow<T>* flow_;
  const Target<T>* target_;
  std::unique_ptr<LocalMove<T>> local_;
  double global_fraction_;
  std::vector<Circle> circles_;  ///< of the latent coordinates
};

}  // namespace flotilla
