// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace flotilla {

/// Sizes, counts and positions everywhere: signed.
using Index = std::ptrdiff_t;

/// Columns are stored in blocks of this many. Every row then starts on a SIMD boundary of any
/// instruction set, and no loop over chains has a scalar head or tail.
inline constexpr Index kColumnBlock = 32;

/// A matrix [dim x chains] whose chain index is contiguous: one coordinate of all chains is a row.
///
/// Rows are padded up to `stride()` columns. Arithmetic runs over the padding too, so that loops
/// need no special cases. Values in the padding belong to no chain.
///
/// Copies are deep and moves are cheap. Only construction and copying allocate. The views that
/// top() and folded() make share the batch's memory: the batch has to outlive them.
template <typename T>
class Batch {
 public:
  Batch() = default;

  /// A batch of zeros. @pre dim >= 0 and chains >= 0
  Batch(Index dim, Index chains)
      : dim_(dim),
        chains_(chains),
        stride_((chains + kColumnBlock - 1) / kColumnBlock * kColumnBlock),
        data_(allocate(dim * stride_)) {}

  Batch(const Batch& other) : Batch(other.dim_, other.chains_) { copy_from(other); }
  /// Moves; the other batch is left empty, [0 x 0].
  Batch(Batch&& other) noexcept
      : dim_(std::exchange(other.dim_, 0)),
        chains_(std::exchange(other.chains_, 0)),
        stride_(std::exchange(other.stride_, 0)),
        data_(std::move(other.data_)) {}
  Batch& operator=(Batch&& other) noexcept {
    dim_ = std::exchange(other.dim_, 0);
    chains_ = std::exchange(other.chains_, 0);
    stride_ = std::exchange(other.stride_, 0);
    data_ = std::move(other.data_);
    return *this;
  }
  ~Batch() = default;

  /// Copies in place if the shapes agree (no allocation), else into new memory.
  Batch& operator=(const Batch& other) {
    if (this == &other) return *this;
    if (dim_ != other.dim_ || chains_ != other.chains_) *this = Batch(other.dim_, other.chains_);
    copy_from(other);
    return *this;
  }

  Index dim() const { return dim_; }
  Index chains() const { return chains_; }
  /// Distance of one row from the next, in values: chains() rounded up to a multiple of
  /// kColumnBlock.
  Index stride() const { return stride_; }

  /// Coordinate i of all chains: stride() values, aligned to 64 bytes. @pre 0 <= i < dim()
  T* row(Index i) {
    assert(i >= 0 && i < dim_);
    return data_.get() + i * stride_;
  }
  const T* row(Index i) const {
    assert(i >= 0 && i < dim_);
    return data_.get() + i * stride_;
  }

  /// Coordinate i of a chain.
  T& operator()(Index i, Index chain) { return row(i)[chain]; }
  T operator()(Index i, Index chain) const { return row(i)[chain]; }

  /// All rows one after another, dim() * stride() values.
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }

  /// The first `dim` rows, as a view. @pre dim <= this->dim()
  Batch top(Index dim) {
    assert(dim >= 0 && dim <= dim_);
    return Batch(data_.get(), dim, chains_, stride_);
  }

  /// The same values as a batch of `dim` rows, as a view. Each new row is dim() / dim old rows one
  /// after another, padding included: an image [channel x pixel x chain] becomes [channel x (pixel
  /// x chain)]. @pre dim divides dim()
  Batch folded(Index dim) {
    assert(dim > 0 && dim_ % dim == 0);
    return Batch(data_.get(), dim, dim_ / dim * stride_, dim_ / dim * stride_);
  }

  /// Sets every value, in the padding too.
  void fill(T value) { std::fill_n(data_.get(), dim_ * stride_, value); }

 private:
  static constexpr std::align_val_t kAlignment{64};

  struct Release {
    bool owned = true;
    void operator()(T* data) const {
      if (owned) ::operator delete[](data, kAlignment);
    }
  };

  Batch(T* data, Index dim, Index chains, Index stride)
      : dim_(dim), chains_(chains), stride_(stride), data_(data, Release{false}) {}

  static std::unique_ptr<T[], Release> allocate(Index count) {
    auto* data =
        static_cast<T*>(::operator new[](static_cast<std::size_t>(count) * sizeof(T), kAlignment));
    std::uninitialized_fill_n(data, count, T{});
    return std::unique_ptr<T[], Release>(data);
  }

  void copy_from(const Batch& other) {
    std::copy_n(other.data_.get(), dim_ * stride_, data_.get());
  }

  Index dim_ = 0;
  Index chains_ = 0;
  Index stride_ = 0;
  std::unique_ptr<T[], Release> data_;
};

/// One double for each chain, [1 x chains]. Log densities, log determinants and acceptance
/// probabilities are always double.
using PerChain = Batch<double>;

/// A set of columns (chains) to select. It is held once in each scalar's width, so that selecting
/// vectorises.
class ColumnMask {
 public:
  ColumnMask() = default;
  /// No column.
  explicit ColumnMask(Index chains) : single_(1, chains), double_(1, chains) {}
  /// Every chain's column, without the padding.
  static ColumnMask all(Index chains) {
    ColumnMask mask(chains);
    for (Index c = 0; c < chains; ++c) mask.set(c, true);
    return mask;
  }

  /// Adds a chain's column to the set, or removes it.
  void set(Index chain, bool take) {
    single_(0, chain) = take ? 1.0F : 0.0F;
    double_(0, chain) = take ? 1.0 : 0.0;
  }
  bool operator[](Index chain) const { return double_(0, chain) != 0.0; }

  /// The mask as stride() values of T: non-zero for the columns in the set.
  template <typename T>
  const T* row() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return single_.row(0);
    } else {
      return double_.row(0);
    }
  }

 private:
  Batch<float> single_;
  Batch<double> double_;
};

/// Overwrites the masked columns of `into` with those of `from`. @pre equal shapes
template <typename T>
void select_columns(const ColumnMask& mask, const Batch<T>& from, Batch<T>& into) {
  assert(from.dim() == into.dim() && from.stride() == into.stride());
  const T* take = mask.row<T>();
  for (Index i = 0; i < into.dim(); ++i) {
    const T* source = from.row(i);
    T* target = into.row(i);
    for (Index c = 0; c < into.stride(); ++c) target[c] = take[c] != T{} ? source[c] : target[c];
  }
}

}  // namespace flotilla
