// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// How far chains lie apart in latent space at one moment, as integers. An integer sum does not
/// depend on the order of adding, so nothing derived from the sum over ranks does either.
///
/// Chains are compared in groups of kGroup neighbours, whatever the tile width: differences of two
/// chains need no mean. A group adds logarithms and a ratio, which are small whatever the scale of
/// z: in units of 2^-20, 2^22 groups fill 2^57 at most. Weights are numbers of differences.
class LatentSpread {
 public:
  static constexpr Index kGroup = 32;
  using Sums = std::vector<std::int64_t>;

  LatentSpread() = default;
  explicit LatentSpread(Index dim) : sums_(static_cast<std::size_t>(dim) + kFirstVariance) {}

  /// Adds the first `chains` columns. Groups of fewer than four chains, and groups in which chains
  /// coincide or are not finite, are left out.
  ///
  /// @param position  z, [dim x chains]
  /// @param scales    units that z is measured in for eigenvalues, [dim]; empty: all 1
  void observe(const Batch<double>& position, const std::vector<double>& scales, Index chains);

  const Sums& sums() const { return sums_; }

 private:
  friend class SpreadAdaptation;
  enum Slot : std::size_t { kWeight, kConcentration, kLogTrace, kFirstVariance };

  Sums sums_;
};

/// Scales and damping that follow from how chains spread over warm-up. Older windows count less.
class SpreadAdaptation {
 public:
  explicit SpreadAdaptation(Index dim);

  /// Adapts to the sums of LatentSpread over all chains at the end of one window.
  void update(const LatentSpread::Sums& window);

  /// The standard deviation of each latent coordinate, pooled over chains and shrunk towards 1,
  /// [dim]. All 1 while nothing is known, and always for one, two or three chains.
  std::vector<double> scales() const;

  /// gamma = 1 / sqrt(largest eigenvalue of the covariance of z / scales), that eigenvalue as
  /// trace(C^2) / trace(C). 1 while nothing is known.
  /// Source: Hoffman & Sountsov 2022, section 3.
  double damping() const;

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(updates_, sums_);
  }

 private:
  std::uint64_t updates_ = 0;
  std::vector<double> sums_;  ///< as in LatentSpread, forgetting
};

}  // namespace flotilla
