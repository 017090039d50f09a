// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/tape.hpp"

#include <algorithm>

namespace flotilla {
namespace {

template <typename T>
std::vector<Batch<T>> allocate(const std::vector<Index>& rows, Index chains) {
  std::vector<Batch<T>> batches;
  batches.reserve(rows.size());
  for (const Index count : rows) batches.emplace_back(count, chains);
  return batches;
}

}  // namespace

std::vector<Index> TapeShape::shared_scratch() const {
  std::vector<Index> rows = scratch;
  for (const TapeShape& child : children) {
    const std::vector<Index> wanted = child.shared_scratch();
    if (rows.size() < wanted.size()) rows.resize(wanted.size(), 0);
    for (std::size_t i = 0; i < wanted.size(); ++i) rows[i] = std::max(rows[i], wanted[i]);
  }
  return rows;
}

template <typename T>
Tape<T>::Tape(const TapeShape& shape, Index chains)
    : Tape(shape, chains, std::make_shared<Scratch>(allocate<T>(shape.shared_scratch(), chains))) {}

template <typename T>
Tape<T>::Tape(const TapeShape& shape, Index chains, std::shared_ptr<Scratch> scratch)
    : chains_(chains),
      recorded_(allocate<T>(shape.recorded, chains)),
      scratch_(std::move(scratch)) {
  children_.reserve(shape.children.size());
  for (const TapeShape& child : shape.children) children_.push_back(Tape(child, chains, scratch_));
}

template <typename T>
void Tape<T>::select(const ColumnMask& mask, const Tape& other) {
  for (std::size_t i = 0; i < recorded_.size(); ++i) {
    select_columns(mask, other.recorded_[i], recorded_[i]);
  }
  for (std::size_t i = 0; i < children_.size(); ++i) children_[i].select(mask, other.children_[i]);
}

template class Tape<float>;
template class Tape<double>;

}  // namespace flotilla
