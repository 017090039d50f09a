#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flow/conditioner/network.hpp"
#include "flow/coordinates/coordinate_map.hpp"

namespace flotilla {

/// An autoregressive layer: x_i = g(z_i; theta_i(z)), theta_i the output of a masked conditioner
/// that sees only the coordinates before i in `order`.
///
/// forward() and its products are one conditioner pass. inverse(), which finds one coordinate after
/// another, and the products with the inverse Jacobian, a triangular system, run the same pass in
/// dim slices: every unit is computed once. This is IAF; `direction = "inverse"` makes it MAF, as
/// sampled. Source: Kingma et al. 2016, arXiv:1606.04934; Papamakarios et al. 2017,
/// arXiv:1705.07057.
template <typename T, template <typename> class Map>
class Autoregressive final : public Layer<T> {
 public:
  static constexpr std::string_view kType = Map<T>::kAutoregressive;

  /// @throws InputError where the order is no permutation, or the conditioner does not keep to it
  explicit Autoregressive(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return conditioner_.multiply_adds(); }
  Index inverse_passes() const override { return this->dim(); }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  static std::vector<Index> read_sequence(const LayerReader& reader);
  Autoregressive(const LayerReader& reader, std::vector<Index> sequence);

  std::size_t input_slot() const { return conditioner_.scratch().size(); }
  std::size_t theta_slot() const { return conditioner_.scratch().size() + 1; }
  Index coordinate(Index place) const { return sequence_[static_cast<std::size_t>(place)]; }

  Batch<T>& gather(const Tape<T>& tape, const Batch<T>& point) const;
  void add_in_bar(const Tape<T>& tape, Index place, Batch<T>& w) const;

  std::vector<Index> sequence_;  ///< coordinates in their order
  Map<T> map_;
  Network<T> conditioner_;
};

template <typename T>
using AdditiveAutoregressive = Autoregressive<T, AdditiveMap>;
template <typename T>
using AffineAutoregressive = Autoregressive<T, AffineMap>;
template <typename T>
using SplineAutoregressive = Autoregressive<T, SplineMap>;

}  // namespace flotilla
