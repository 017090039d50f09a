// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// The buffers that a layer wants on its tape, as numbers of rows.
struct TapeShape {
  std::vector<Index> recorded;      ///< what a point needs: follows its chain when it moves
  std::vector<Index> scratch;       ///< working memory of one call: shared by all layers of a flow
  std::vector<TapeShape> children;  ///< of a composite's parts, in their order

  /// Rows of the scratch that a tape has: slot by slot the most that any part asks for, because
  /// parts run one after another.
  std::vector<Index> shared_scratch() const;
};

/// What forward() or inverse() recorded of a point: all that Jacobian products need, so that they
/// never rerun a conditioner's forward pass.
///
/// Every slot has one column per chain. A tape belongs to the caller; its memory is allocated once,
/// here, and the scratch rows are one set for the whole tree.
template <typename T>
class Tape {
 public:
  Tape() = default;
  Tape(const TapeShape& shape, Index chains);
  // A copy would share its scratch with the original.
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  Tape(Tape&&) noexcept = default;
  Tape& operator=(Tape&&) noexcept = default;
  ~Tape() = default;

  Index chains() const { return chains_; }

  Batch<T>& recorded(std::size_t slot) { return recorded_[slot]; }
  const Batch<T>& recorded(std::size_t slot) const { return recorded_[slot]; }
  /// Working memory: not part of the tape's value, hence writable through a const tape.
  Batch<T>& scratch(std::size_t slot) const { return (*scratch_)[slot]; }
  Tape& child(std::size_t part) { return children_[part]; }
  const Tape& child(std::size_t part) const { return children_[part]; }

  /// Takes over the masked columns of another tape of the same shape: an accepted move.
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
