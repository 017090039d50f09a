#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flow/conditioner/network.hpp"
#include "flow/coordinates/coordinate_map.hpp"

namespace flotilla {

/// A coupling: x_a = z_a, x_b = g(z_b; theta(z_a)), with theta the output of a conditioner and a, b
/// the coordinates with mask 1 and 0.
///
/// The tape holds g's derivatives beside the conditioner's: every Jacobian product is then one
/// tangent or one reverse pass through the conditioner.
/// Source: Dinh, Sohl-Dickstein, Bengio 2017, arXiv:1605.08803, eq. 7-8.
template <typename T, template <typename> class Map>
class Coupling final : public Layer<T> {
 public:
  static constexpr std::string_view kType = Map<T>::kCoupling;

  /// @throws InputError where the mask, the map or the conditioner's arrays do not fit
  explicit Coupling(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return conditioner_.multiply_adds(); }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  struct Split {
    std::vector<Index> a;  ///< pass unchanged, feed the conditioner
    std::vector<Index> b;  ///< are transformed
  };
  static Split read_split(const LayerReader& reader);
  Coupling(const LayerReader& reader, Split split);

  std::size_t input_slot() const { return conditioner_.scratch().size(); }
  std::size_t theta_slot() const { return conditioner_.scratch().size() + 1; }

  Batch<T>& gather_a(const Tape<T>& tape, const Batch<T>& point) const;
  void add_reverse_to_a(const Tape<T>& tape, Batch<T>& w) const;

  Split split_;
  Map<T> map_;
  Network<T> conditioner_;
};

template <typename T>
using AdditiveCoupling = Coupling<T, AdditiveMap>;
template <typename T>
using AffineCoupling = Coupling<T, AffineMap>;
template <typename T>
using SplineCoupling = Coupling<T, SplineMap>;

}  // namespace flotilla
