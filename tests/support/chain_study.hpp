// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <vector>

#include "flotilla/sampler/pool.hpp"

namespace flotilla::test {

/// A number with its standard error.
struct Estimate {
  double mean = 0.0;
  double error = 0.0;
};

/// |one - other| in units of their joint standard error.
double distance(const Estimate& one, const Estimate& other);
/// |one - truth| in units of the standard error.
double distance(const Estimate& one, double truth);

/// A function to average: of the latent point and the data point of a draw, dim doubles each.
using Functional = std::function<double(const double* z, const double* x)>;

/// Plain chains in one process: warm-up as in the program, then means over draws. Chains are
/// independent, so the spread of their means gives the standard error, for any correlation along a
/// chain.
template <typename T>
class ChainStudy {
 public:
  ChainStudy(const Kernel<T>& kernel, Index chains, std::uint64_t seed);

  /// Adapts the step size over windows of ten steps, then freezes it.
  void warm_up(Index steps, double initial_step_size);
  /// Explores with a fixed step size.
  void burn_in(Index steps, double step_size);

  /// The mean of each functional over `draws` draws of each chain, `thin` steps apart.
  std::vector<Estimate> estimate(Index draws, Index thin,
                                 const std::vector<Functional>& functionals);

  const MoveTotals& moves() const { return moves_; }
  double step_size() const { return step_size_.value(); }

 private:
  MoveStatistics advance(Index steps, Index thin);

  Index dim_;
  Pool<T> pool_;
  StepSize step_size_{1.0};
  std::uint64_t next_step_ = 0;
  DrawBlock<T> draws_;
  MoveTotals moves_;
};

}  // namespace flotilla::test
