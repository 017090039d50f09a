#include "flotilla/flow/permutation.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace flotilla {

template <typename T>
Permutation<T>::Permutation(const LayerReader& reader)
    : Layer<T>(reader.dim()), indices_(reader.whole_numbers("indices", reader.dim())) {
  reader.expect_only({"indices"});
  std::vector<bool> seen(indices_.size(), false);
  for (const Index index : indices_) {
    if (index >= reader.dim() || seen[static_cast<std::size_t>(index)]) {
      reader.fail(fmt::format("array 'indices' is no permutation: {} is repeated or not below {}",
                              index, reader.dim()));
    }
    seen[static_cast<std::size_t>(index)] = true;
  }
}

template <typename T>
void Permutation<T>::permute(const Tape<T>& tape, Batch<T>& rows) const {
  Batch<T>& source = tape.scratch(0);
  std::copy_n(rows.row(0), rows.dim() * rows.stride(), source.row(0));
  for (Index i = 0; i < this->dim(); ++i) {
    std::copy_n(source.row(indices_[static_cast<std::size_t>(i)]), rows.stride(), rows.row(i));
  }
}

template <typename T>
void Permutation<T>::permute_back(const Tape<T>& tape, Batch<T>& rows) const {
  Batch<T>& source = tape.scratch(0);
  std::copy_n(rows.row(0), rows.dim() * rows.stride(), source.row(0));
  for (Index i = 0; i < this->dim(); ++i) {
    std::copy_n(source.row(i), rows.stride(), rows.row(indices_[static_cast<std::size_t>(i)]));
  }
}

template <typename T>
void Permutation<T>::forward(Batch<T>& point, PerChain& /*log_det*/, Tape<T>& tape) const {
  permute(tape, point);
}

template <typename T>
void Permutation<T>::inverse(Batch<T>& point, PerChain& /*log_det*/, Tape<T>& tape) const {
  permute_back(tape, point);
}

template <typename T>
void Permutation<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  permute(tape, v);
}

template <typename T>
void Permutation<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& /*log_det_bar*/) const {
  permute_back(tape, w);
}

template <typename T>
void Permutation<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  permute_back(tape, v);
}

// The inverse of an orthogonal matrix is its transpose: J^-T = J.
template <typename T>
void Permutation<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                 const Batch<T>& /*log_det_bar*/) const {
  permute(tape, w);
}

template class Permutation<float>;
template class Permutation<double>;

}  // namespace flotilla
