// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// The buffers that a layer needs on its tape, each given by its number of rows.
struct TapeShape {
  std::vector<Index> recorded;      ///< what a point needs; follows its chain when it moves
  std::vector<Index> scratch;       ///< working memory of one call; shared by all layers
  std::vector<TapeShape> children;  ///< one for each part of a composite, in order

  /// Rows of the scratch slots. Parts run one after another, so each slot has the largest size that
  /// any part asks for.
  std::vector<Index> shared_scratch() const;
};

/// What forward() or inverse() recorded at a point. Jacobian products need nothing else: they never
/// rerun a conditioner's forward pass.
///
/// Every slot has one column per chain. The caller owns the tape. Its memory is allocated once,
/// here. One set of scratch rows serves the whole tree of layers.
template <typename T>
class Tape {
 public:
  Tape() = default;
  /// Allocates all slots for so many chains.
  Tape(const TapeShape& shape, Index chains);
  // A copy would share its scratch with the original.
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  Tape(Tape&&) noexcept = default;
  Tape& operator=(Tape&&) noexcept = default;
  ~Tape() = default;

  Index chains() const { return chains_; }

  /// A recorded slot, [rows x chains].
  Batch<T>& recorded(std::size_t slot) { return recorded_[slot]; }
  const Batch<T>& recorded(std::size_t slot) const { return recorded_[slot]; }
  /// Working memory. It is not part of the tape's value, so a const tape gives write access to it.
  Batch<T>& scratch(std::size_t slot) const { return (*scratch_)[slot]; }
  /// The tape of a composite's part.
  Tape& child(std::size_t part) { return children_[part]; }
  const Tape& child(std::size_t part) const { return children_[part]; }

  /// Copies the masked columns of another tape of the same shape: accepted moves.
  void select(const ColumnMask& mask, const Tape& other);

 private:
  using Scratch = std::vector<Batch<T>>;
  Tape(const TapeShape& shape, Index chains, std::shared_ptr<Scratch> scratch);

  Index chains_ = 0;
  std::vector<Batch<T>> recorded_;
  std::vector<Tape> children_;
  std::shared_ptr<Scratch> scratch_;
};

}  // namespace flotilla
