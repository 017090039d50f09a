// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/random.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The base density q_Z: what the flow was trained to push forward, and what beta = 0 samples.
///
/// Const and stateless; no operation allocates. Log densities are computed in double and
/// normalised. A non-finite z is a value; outside its support a base has log density -inf.
/// T is float or double.
template <typename T>
class Base {
 public:
  explicit Base(Index dim) : dim_(dim) {}
  virtual ~Base() = default;
  Base(const Base&) = delete;
  Base& operator=(const Base&) = delete;

  Index dim() const { return dim_; }

  /// The name under which flow files know it.
  virtual std::string_view type() const = 0;

  /// out += sign * log q_Z(z), its constant included. z is [dim x chains], out [1 x chains].
  virtual void add_log_density(const Batch<T>& z, double sign, PerChain& out) const = 0;

  /// out = grad_z log q_Z(z); zero where the density is flat or zero. Both [dim x chains], apart.
  virtual void score(const Batch<T>& z, Batch<T>& out) const = 0;

  /// Independent draws in the masked columns of out [dim x chains]; the others are left alone.
  ///
  /// @param first_chain  column j is chain first_chain + j: its draw depends on it, on the step and
  ///                     on the purpose, as Random has it
  virtual void sample(const Random& random, Purpose purpose, std::uint64_t step,
                      std::uint64_t first_chain, const ColumnMask& mask, Batch<T>& out) const = 0;

 private:
  Index dim_;
};

/// Builds the base density that a record describes.
/// @throws InputError where the type is unknown or its arrays do not fit it
template <typename T>
std::unique_ptr<Base<T>> make_base(const LayerRecord& record, Index dim);

/// The names of all base densities that flow files may hold.
std::vector<std::string_view> base_types();

}  // namespace flotilla
