// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// The purpose of a variate. Different purposes use different numbers of the stream.
enum class Purpose : std::uint32_t {
  kStart = 0,        ///< initial points
  kLocalNoise = 1,   ///< xi of a local move
  kGlobalNoise = 2,  ///< the base draw of a global move
  kChoice = 3,       ///< local or global
  kAcceptance = 4,   ///< Metropolis-Hastings
  kCalibration = 5,  ///< base draws that set the clip level
  kNaive = 6,        ///< base draws for benchmarks and comparisons
  kMomentum = 7,     ///< the momentum that a chain starts with
  kSlice = 8,        ///< the slice variable that a chain starts with
  kEvidence = 9,     ///< base draws that the evidence is estimated from
};

/// Random variates. Each is a function of (seed, chain, step, purpose) and of nothing else.
///
/// The generator is counter-based: there is no state to carry, split or save. The transformations
/// use no function of the standard library. Source: Salmon et al. 2011 (Philox4x32-10).
class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}

  /// Standard normals, by Box and Muller, from 53-bit uniforms.
  ///
  /// @param step         [0, 2^56)
  /// @param first_chain  column j of `out` is chain first_chain + j; chains are below 2^32
  /// @param out          [dim x chains], overwritten, padding too
  template <typename T>
  void normals(Purpose purpose, std::uint64_t step, std::uint64_t first_chain, Batch<T>& out) const;

  /// The same numbers as normals(), in the masked columns only. Other columns are left alone.
  template <typename T>
  void normals(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
               const ColumnMask& mask, Batch<T>& out) const;

  /// Uniforms on (0, 1], multiples of 2^-53 rounded to T, in the masked columns of `out` [dim x
  /// chains]. They share their bits with normals() of the same arguments: use only one of the two.
  template <typename T>
  void uniforms(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                const ColumnMask& mask, Batch<T>& out) const;

  /// One more uniform on (0, 1] for a chain, independent of normals() of the same arguments. It
  /// picks the component of a mixture.
  double selector(Purpose purpose, std::uint64_t step, std::uint64_t chain) const;

  /// Uniforms on (0, 1], multiples of 2^-53, into `out` [1 x chains].
  void uniforms(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                PerChain& out) const;

 private:
  std::uint64_t seed_;
};

}  // namespace flotilla
