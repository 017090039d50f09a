#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A reordering of coordinates: x[i] = z[indices[i]]. Its log det is zero.
template <typename T>
class Permutation final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "permutation";

  /// @throws InputError where `indices` is not a permutation of 0 .. dim-1
  explicit Permutation(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override { return {{}, {this->dim()}, {}}; }
  Index multiply_adds() const override { return 0; }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  void permute(const Tape<T>& tape, Batch<T>& rows) const;
  void permute_back(const Tape<T>& tape, Batch<T>& rows) const;

  std::vector<Index> indices_;
};

}  // namespace flotilla
