// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/circle.hpp"
#include "flotilla/core/random.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The base density q_Z. The flow was trained to push it forward; beta = 0 samples it.
///
/// Const and stateless; no operation allocates. Log densities are normalised and computed in
/// double. Outside its support a base density has log density -inf. A non-finite z is not an error.
/// T is float or double.
template <typename T>
class Base {
 public:
  explicit Base(Index dim) : dim_(dim) {}
  virtual ~Base() = default;
  Base(const Base&) = delete;
  Base& operator=(const Base&) = delete;

  Index dim() const { return dim_; }

  /// Its type in flow files.
  virtual std::string_view type() const = 0;

  /// out += sign * log q_Z(z), normalisation constant included. z is [dim x chains], out [1 x
  /// chains].
  virtual void add_log_density(const Batch<T>& z, double sign, PerChain& out) const = 0;

  /// out = grad_z log q_Z(z); zero where the density is flat or zero. z and out are [dim x chains]
  /// and do not overlap.
  virtual void score(const Batch<T>& z, Batch<T>& out) const = 0;

  /// Independent draws in the masked columns of out [dim x chains]. Other columns are left alone.
  ///
  /// @param first_chain  column j is chain first_chain + j. Its draw depends on the chain, the step
  ///                     and the purpose; see Random
  virtual void sample(const Random& random, Purpose purpose, std::uint64_t step,
                      std::uint64_t first_chain, const ColumnMask& mask, Batch<T>& out) const = 0;

  /// The circle of each coordinate: a point beyond its ends is a point of it, with the same
  /// density.
  virtual std::vector<Circle> circles() const {
    return std::vector<Circle>(static_cast<std::size_t>(dim_));
  }

 private:
  Index dim_;
};

/// Builds the base density of a record.
/// @throws InputError if the type is unknown or the arrays do not fit it
template <typename T>
std::unique_ptr<Base<T>> make_base(const LayerRecord& record, Index dim);

/// The types of all base densities that flow files may hold.
std::vector<std::string_view> base_types();

}  // namespace flotilla
