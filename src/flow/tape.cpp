#include "flotilla/flow/tape.hpp"

#include <algorithm>

namespace flotilla {
namespace {

/// Slot by slot the largest that any layer of the tree asks for: layers run one after another.
void widen(const TapeShape& shape, std::vector<Index>& rows) {
  if (rows.size() < shape.scratch.size()) rows.resize(shape.scratch.size(), 0);
  for (std::size_t i = 0; i < shape.scratch.size(); ++i) {
    rows[i] = std::max(rows[i], shape.scratch[i]);
  }
  for (const TapeShape& child : shape.children) widen(child, rows);
}

template <typename T>
std::vector<Batch<T>> allocate(const std::vector<Index>& rows, Index chains) {
  std::vector<Batch<T>> batches;
  batches.reserve(rows.size());
  for (const Index count : rows) batches.emplace_back(count, chains);
  return batches;
}

std::vector<Index> scratch_rows(const TapeShape& shape) {
  std::vector<Index> rows;
  widen(shape, rows);
  return rows;
}

}  // namespace

template <typename T>
Tape<T>::Tape(const TapeShape& shape, Index chains)
    : Tape(shape, chains, std::make_shared<Scratch>(allocate<T>(scratch_rows(shape), chains))) {}

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
