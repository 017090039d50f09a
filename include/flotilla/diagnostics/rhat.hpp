// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <span>

#include "flotilla/core/batch.hpp"
#include "flotilla/diagnostics/moments.hpp"

namespace flotilla {

/// The potential scale reduction factor (R-hat) of chains of equal length, added one by one. It is
/// 1 if the chains agree.
///
/// Split chains give split R-hat. The normal scores of split chains give rank-normalised R-hat.
/// Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, eq. 1 to 4.
class Rhat {
 public:
  /// The state as numbers, to send from rank to rank.
  using State = std::array<double, 5>;

  Rhat() = default;
  explicit Rhat(const State& state)
      : draws_(state[0]), means_(state[1], state[2], state[3]), variances_(state[4]) {}
  State state() const {
    return {draws_, means_.count(), means_.mean(), means_.deviations(), variances_};
  }

  /// Adds one chain, by the moments of its draws.
  void observe(const Moments& chain);
  /// Adds the chains of another object. The order of merges decides the last bits.
  void merge(const Rhat& other);

  /// R-hat. NaN for fewer than two chains, for fewer than two draws a chain, and if nothing varies.
  double value() const;
  /// Whether all draws of all chains are one number. False for fewer than two draws a chain.
  bool is_constant() const;
  /// Mean variance within a chain.
  double within() const { return variances_ / means_.count(); }
  /// Moments of the chains' means.
  const Moments& means() const { return means_; }
  /// Variance of all draws, including the variance between chains.
  double total() const;
  /// Effective sample size from the spread of the chains' means. Its relative error is sqrt(2 /
  /// chains). NaN if value() is NaN.
  double effective_size() const;

 private:
  double draws_ = 0.0;  ///< of each chain
  Moments means_;
  double variances_ = 0.0;  ///< summed over chains
};

/// Nested R-hat. Chains that began at one point form a superchain, and superchains are compared.
/// Chains are added one by one, those of a superchain one after another.
///
/// Nested R-hat is sqrt(1 + B / W). B is the variance of the superchains' means. W is the mean
/// variance inside a superchain, including the variance between its chains. Source: Margossian,
/// Hoffman, Sountsov, Riou-Durand, Vehtari & Gelman 2024, definition 2.1.
class NestedRhat {
 public:
  /// @param width  chains of a superchain, >= 1
  explicit NestedRhat(Index width) : width_(static_cast<double>(width)) {}

  void observe(const Moments& chain);
  /// Adds several chains of one superchain.
  void merge(const Rhat& part);

  /// Nested R-hat. NaN for fewer than two superchains, for an incomplete one, and if nothing
  /// varies.
  double value() const;

 private:
  void close_superchain();

  double width_;
  Moments superchains_;  ///< means of the complete superchains
  double within_ = 0.0;  ///< variance inside a superchain, summed over the complete ones
  Moments current_;      ///< chain means of the incomplete superchain
  double variances_ = 0.0;
};

/// The number of independent draws that a single chain is worth, by its two halves: their means lie
/// the farther apart, the fewer. It does not compare chains. Chains are added one by one.
///
/// For n independent draws the squared gap between the halves' means is 4 variances over n. A chain
/// that wanders without end is worth about 1.
class ChainSize {
 public:
  void observe(const Moments& first_half, const Moments& second_half);
  /// The mean over chains; NaN if nothing varies.
  double value() const;

 private:
  double within_ = 0.0;  ///< variance within halves, summed over halves
  double gaps_ = 0.0;    ///< squared gaps, summed over chains
};

/// R-hat and nested R-hat of chains in memory.
/// @param superchains  equal numbers of chains, one superchain after another. Nested R-hat is NaN
///                     if there are none or if their sizes differ
double rhat(std::span<const Moments> chains);
double nested_rhat(std::span<const Moments> chains, Index superchains);

}  // namespace flotilla
