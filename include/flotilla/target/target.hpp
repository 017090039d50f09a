// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/flow/base.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla {

/// The gradient of a log density, split by what it depends on: grad_z log pi = z_bar + J^T x_bar +
/// log_det_bar * grad_z l. The parts stay separate because every kernel multiplies them by another
/// matrix.
template <typename T>
struct Cotangents {
  Cotangents() = default;
  Cotangents(Index dim, Index chains)
      : z_bar(dim, chains), x_bar(dim, chains), log_det_bar(1, chains) {}

  Batch<T> z_bar;        ///< [dim x chains]
  Batch<T> x_bar;        ///< [dim x chains]; used only if Target::depends_on_x()
  Batch<T> log_det_bar;  ///< [1 x chains]
  /// Whether x_bar will be read. Where not, a target may leave it as it is, if it is dear.
  bool wants_x_bar = true;
};

/// A density pi(z) with respect to dz, as a function of a latent point z, its image x and l =
/// log|det J|. T is float or double.
template <typename T>
class Target {
 public:
  Target() = default;
  virtual ~Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// Whether x_bar can be non-zero. Kernels skip it otherwise.
  virtual bool depends_on_x() const { return false; }

  /// Log density up to a constant, and its cotangents. A non-finite value is not an error.
  ///
  /// @param z, x         [dim x chains]
  /// @param log_det      [1 x chains], l(z), in nats
  /// @param log_density  [1 x chains], in nats, overwritten
  virtual void evaluate(const Batch<T>& z, const Batch<T>& x, const PerChain& log_det,
                        PerChain& log_density, Cotangents<T>& cotangents) const = 0;

  /// Where to look if no point has a finite log density: "the flow".
  virtual std::string suspect() const { return "the flow"; }
};

/// The tempered target log pi(z) = log q_Z(z) - beta l(z): the density that the flow learnt, in
/// latent space.
///
/// beta = 0 is naive sampling, beta = 1 the paper's target. Source: arXiv:2305.12149;
/// src/README.md, targets.
template <typename T>
class TemperedTarget final : public Target<T> {
 public:
  /// @param base  outlives the target
  /// @throws InputError if beta is not finite
  TemperedTarget(const Base<T>& base, double beta);

  void evaluate(const Batch<T>& z, const Batch<T>& x, const PerChain& log_det,
                PerChain& log_density, Cotangents<T>& cotangents) const override;

 private:
  const Base<T>* base_;
  double beta_;
};

/// The clipped target log pi(z) = log q_Z(z) - beta softplus_k(l(z) - c), with softplus_k(u) =
/// log(1 + exp(k u)) / k.
///
/// It penalises only points where l exceeds the level c. That removes the bridges between modes and
/// keeps the weights of the modes. Source: src/README.md, targets.
template <typename T>
class ClippedTarget final : public Target<T> {
 public:
  /// @param base       outlives the target
  /// @param level      c, in nats
  /// @param sharpness  k > 0, per nat
  /// @throws InputError if a parameter is not finite or k <= 0
  ClippedTarget(const Base<T>& base, double beta, double level, double sharpness);

  void evaluate(const Batch<T>& z, const Batch<T>& x, const PerChain& log_det,
                PerChain& log_density, Cotangents<T>& cotangents) const override;

 private:
  const Base<T>* base_;
  double beta_;
  double level_;
  double sharpness_;
};

/// What a density of data points means for latent points.
enum class DensityRole {
  kExplicit,   ///< it is p_X: log pi(z) = log p_X(f(z)) + l(z)
  kPosterior,  ///< it is a likelihood L, and the flow is the prior: log q_Z(z) + log L(f(z))
};

/// The target of a density that comes from outside, annealed: (1 - beta) log q_Z(z) + beta log
/// pi(z).
///
/// The density sees points whose x and l are finite, and no others. beta = 0 is naive sampling, and
/// does not call it. Buffers grow at the first call, so a target serves one thread. Source:
/// src/README.md, targets.
template <typename T>
class DensityTarget final : public Target<T> {
 public:
  /// @param base, density  outlive the target
  /// @throws InputError if beta is not in [0, 1], or the density is for another dimension
  DensityTarget(const Base<T>& base, const Density& density, DensityRole role, double beta);

  bool depends_on_x() const override { return beta_ > 0.0; }

  /// Asks the density for its gradient only if cotangents.wants_x_bar. @throws DensityError
  void evaluate(const Batch<T>& z, const Batch<T>& x, const PerChain& log_det,
                PerChain& log_density, Cotangents<T>& cotangents) const override;

  std::string suspect() const override { return density_->name(); }

 private:
  void add_base(const Batch<T>& z, PerChain& log_density, Cotangents<T>& cotangents) const;
  void grow(Index dim, Index chains) const;
  void gather(const Batch<T>& x, const PerChain& log_det) const;
  void scatter_values(const PerChain& log_det, PerChain& log_density) const;
  void scatter_gradient(Batch<T>& x_bar) const;

  const Base<T>* base_;
  const Density* density_;
  double base_weight_;  ///< of log q_Z
  double beta_;         ///< of the density
  double log_det_weight_;

  // The points of one call, in double.
  mutable Batch<T> finiteness_;         ///< [1 x chains]; zero where x is finite, else NaN
  mutable std::vector<Index> columns_;  ///< where in the batch each point stands
  mutable std::vector<double> points_;  ///< [point x dim]; so is the gradient
  mutable std::vector<double> gradient_;
  mutable std::vector<double> values_;  ///< [point]
};

}  // namespace flotilla
