// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <span>

#include "flotilla/core/batch.hpp"
#include "flotilla/diagnostics/moments.hpp"

namespace flotilla {

/// The potential scale reduction factor of chains of equal length, gathered chain by chain; 1 where
/// they agree.
///
/// Of split chains it is split R-hat, of split chains' normal scores rank-normalised R-hat.
/// Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, eq. 1 to 4.
class Rhat {
 public:
  /// As numbers that can travel.
  using State = std::array<double, 5>;

  Rhat() = default;
  explicit Rhat(const State& state)
      : draws_(state[0]), means_(state[1], state[2], state[3]), variances_(state[4]) {}
  State state() const {
    return {draws_, means_.count(), means_.mean(), means_.deviations(), variances_};
  }

  void observe(const Moments& chain);
  /// Appends other chains. The order of merges decides the last bits.
  void merge(const Rhat& other);

  /// NaN below two chains or two draws a chain, or where nothing varies.
  double value() const;
  /// The mean variance inside a chain.
  double within() const { return variances_ / means_.count(); }
  /// Means of the chains.
  const Moments& means() const { return means_; }
  /// Variance of all draws, that between chains included.
  double total() const;
  /// What the draws are worth by the spread of the chains' means: right to a share of
  /// sqrt(2 / chains). NaN where value() is.
  double effective_size() const;

 private:
  double draws_ = 0.0;  ///< of each chain
  Moments means_;
  double variances_ = 0.0;  ///< summed over chains
};

/// Nested R-hat: chains that began at one point form a superchain, and superchains are compared.
/// Gathered chain by chain, those of a superchain one after another.
///
/// sqrt(1 + B / W): B the variance of superchain means, W the mean variance inside a superchain,
/// that between its chains included.
/// Source: Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari & Gelman 2024, definition 2.1.
class NestedRhat {
 public:
  /// @param width  chains of a superchain, >= 1
  explicit NestedRhat(Index width) : width_(static_cast<double>(width)) {}

  void observe(const Moments& chain);
  /// Appends chains of one superchain.
  void merge(const Rhat& part);

  /// NaN below two superchains, inside a superchain, and where nothing varies.
  double value() const;

 private:
  void close_superchain();

  double width_;
  Moments superchains_;  ///< means of the complete ones
  double within_ = 0.0;  ///< summed over the complete ones
  Moments current_;      ///< chain means of the superchain under way
  double variances_ = 0.0;
};

/// Both of chains in memory. @param superchains  equal numbers of chains, one after another; where
/// there are none, or where they are of unequal size, nested R-hat is NaN
double rhat(std::span<const Moments> chains);
double nested_rhat(std::span<const Moments> chains, Index superchains);

}  // namespace flotilla
