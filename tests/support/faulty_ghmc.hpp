// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/sampler/local_move.hpp"

namespace flotilla::test {

// The classical mistakes of generalised HMC, made on purpose. A test must notice each of them.

/// Keeps the direction of the momentum where a proposal is rejected.
template <typename T>
class WithoutFlip final : public Ghmc<T> {
 public:
  void remember(const Tuning& tuning, const StepOutcome& outcome, const PerChain& log_alpha,
                const Batch<T>& forth, const Batch<T>& back, Memory<T>& memory) const override {
    Ghmc<T>::remember(tuning, outcome, log_alpha, forth, back, memory);
    for (Index i = 0; i < forth.dim(); ++i) {
      for (Index c = 0; c < forth.chains(); ++c) {
        if (!outcome.accepted[c] && !outcome.global[c]) memory.momentum(i, c) = forth(i, c);
      }
    }
  }
};

/// Keeps the slice variable where a proposal is accepted.
template <typename T>
class WithoutRescaling final : public Ghmc<T> {
 public:
  void remember(const Tuning& tuning, const StepOutcome& outcome, const PerChain& log_alpha,
                const Batch<T>& forth, const Batch<T>& back, Memory<T>& memory) const override {
    const PerChain nothing(1, log_alpha.chains());
    Ghmc<T>::remember(tuning, outcome, nothing, forth, back, memory);
  }
};

/// Never adds noise to the momentum.
template <typename T>
class WithoutRefreshment final : public Ghmc<T> {
 public:
  void refresh(const Tuning& /*tuning*/, const Memory<T>& memory, Batch<T>& noise) const override {
    noise = memory.momentum;
  }
};

/// Adds the same noise twice in a step.
template <typename T>
class RefreshedTwice final : public Ghmc<T> {
 public:
  void refresh(const Tuning& tuning, const Memory<T>& memory, Batch<T>& noise) const override {
    const Batch<T> xi = noise;
    Ghmc<T>::refresh(tuning, memory, noise);
    Memory<T> once = memory;
    once.momentum = noise;
    noise = xi;
    Ghmc<T>::refresh(tuning, once, noise);
  }
};

/// The second half step of the momentum is longer than the first.
template <typename T>
class UnequalHalfSteps final : public Ghmc<T> {
 public:
  void log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to, StepSize step_size,
                 const Batch<T>& noise, Batch<T>& displacement, PerChain& out) const override {
    const T longer{1.3};
    for (Index i = 0; i < displacement.dim(); ++i) {
      for (Index c = 0; c < displacement.chains(); ++c) displacement(i, c) *= longer;
    }
    Ghmc<T>::log_ratio(flow, from, to, StepSize(step_size.value() * 1.3), noise, displacement, out);
  }
};

}  // namespace flotilla::test
