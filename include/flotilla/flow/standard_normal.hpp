#pragma once

#include "flotilla/core/batch.hpp"
#include "flotilla/core/random.hpp"

namespace flotilla {

/// The base density q_Z = N(0, I): what the flow was trained to push forward.
template <typename T>
class StandardNormal {
 public:
  explicit StandardNormal(Index dim) : dim_(dim) {}

  /// out += sign * log q_Z(z), its constant included. z is [dim x chains], out [1 x chains].
  void add_log_density(const Batch<T>& z, double sign, PerChain& out) const;

  /// out = grad_z log q_Z(z) = -z. Both [dim x chains].
  void score(const Batch<T>& z, Batch<T>& out) const;

  /// Independent draws: the variates of Random::normals.
  void sample(const Random& random, Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
              Batch<T>& out) const {
    random.normals(purpose, step, first_chain, out);
  }
  /// The same draws, but only in the masked columns.
  void sample(const Random& random, Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
              const ColumnMask& mask, Batch<T>& out) const {
    random.normals(purpose, step, first_chain, mask, out);
  }

 private:
  Index dim_;
};

}  // namespace flotilla
