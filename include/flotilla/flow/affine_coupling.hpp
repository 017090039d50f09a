#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/network.hpp"

namespace flotilla {

/// Affine coupling (RealNVP): x_a = z_a, x_b = z_b * exp(s(z_a)) + t(z_a), with (s, t) the output
/// of a conditioner and a, b the coordinates with mask 1 and 0.
///
/// The tape holds u = z_b exp(s) and exp(s), beside the conditioner's derivatives: every Jacobian
/// product is then one tangent or one reverse pass through the conditioner.
/// Source: Dinh, Sohl-Dickstein, Bengio 2017, arXiv:1605.08803, eq. 7-8.
template <typename T>
class AffineCoupling final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "affine_coupling";

  /// @throws InputError where the mask or the conditioner's arrays do not fit
  explicit AffineCoupling(const LayerReader& reader);

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
  AffineCoupling(const LayerReader& reader, Split split);

  Batch<T>& gather_a(const Tape<T>& tape, const Batch<T>& point) const;
  void add_reverse_to_a(const Tape<T>& tape, const Batch<T>& out_bar, T sign, Batch<T>& w) const;

  Split split_;
  Network<T> conditioner_;
};

}  // namespace flotilla
