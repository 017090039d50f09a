// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/flow/tape.hpp"
#include "flow/conditioner/blueprint.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// A network g from R^dim to R^dim, its dense Jacobian, and the gradient of a function of it.
///
/// It alternates linear maps and activations. All dim tangents of a batch are one matrix product
/// per linear map: to the product, tangent j of chain c is one more column. The gradient is the
/// reverse pass of that, which takes second derivatives of the activations.
template <typename T>
class CurvedNetwork {
 public:
  /// Reads the conditioner entries of a layer.
  /// @throws InputError if they do not fit each other or dim, or if the network does not alternate
  /// linear maps and activations, with a linear map at either end
  explicit CurvedNetwork(const LayerReader& reader);

  /// The names of all entries that it reads from a layer.
  const std::vector<std::string>& entry_names() const { return entry_names_; }
  /// Rows of each scratch slot that it uses, from slot 0 on.
  std::vector<Index> scratch() const;
  /// Multiply-adds of one forward() and one reverse(), per chain.
  Index multiply_adds() const;

  /// value <- g(in), jacobian <- dg / din. What reverse() needs stays in scratch.
  ///
  /// @param in        [dim x chains]
  /// @param value     [dim x chains], another batch than `in`
  /// @param jacobian  [dim * dim x chains]; row i * dim + j is dg_i / din_j
  void forward(const Batch<T>& in, Batch<T>& value, Batch<T>& jacobian, const Tape<T>& tape) const;

  /// gradient <- the gradient of sum_ij cotangent_ij dg_i / din_j with respect to `in`, at the
  /// point of the last forward(). @pre nothing has used the scratch since
  ///
  /// @param cotangent  [dim * dim x chains], ordered as the Jacobian
  /// @param gradient   [dim x chains]
  void reverse(Batch<T>& cotangent, Batch<T>& gradient, const Tape<T>& tape) const;

 private:
  CurvedNetwork(const LayerReader& reader, const Blueprint& blueprint);

  /// Scratch of hidden level k: of units and of the tangents of units.
  enum Slot : std::size_t { kUnits, kSlopes, kCurvatures, kTangents, kSlots };
  Index units(std::size_t k) const { return linears_[k].matrix.rows(); }
  /// A slot of one row for each unit.
  Batch<T> level(const Tape<T>& tape, std::size_t k, Slot slot) const {
    return tape.scratch(kSlots * k + slot).top(units(k));
  }
  /// The tangents of a level's units, [units x (dim x stride)].
  Batch<T> tangents(const Tape<T>& tape, std::size_t k) const {
    return tape.scratch(kSlots * k + kTangents).top(units(k) * dim_).folded(units(k));
  }
  /// One of two buffers for tangents, with `units` rows of dim * stride columns.
  Batch<T> buffer(const Tape<T>& tape, std::size_t which, Index units) const;
  std::size_t hidden() const { return linears_.size() - 1; }
  void activate_units(const Tape<T>& tape, std::size_t k) const;
  /// First linear map: its columns are the tangents of the inputs.
  void spread_columns(Batch<T> tangents) const;

  Index dim_ = 0;
  std::vector<Activation> activations_;  ///< one after each linear map but the last
  std::vector<PackedPair<T>> linears_;
  std::vector<std::vector<T>> biases_;
  std::vector<T> first_;  ///< the first weight, [units x dim] in C order
  T slope_{};             ///< of leaky_relu
  T alpha_{};             ///< of elu
  std::vector<std::string> entry_names_;
};

}  // namespace flotilla
