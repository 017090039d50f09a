// SPDX-License-Identifier: BSD-3-Clause
#include "support/chain_study.hpp"

#include <cmath>

namespace flotilla::test {
namespace {

constexpr Index kTileWidth = 64;
constexpr Index kWindow = 10;
constexpr Index kDrawsOfABlock = 50;

Estimate mean_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double mean = 0.0;
  for (const double value : values) mean += value / count;
  double square = 0.0;
  for (const double value : values) square += (value - mean) * (value - mean);
  return {mean, std::sqrt(square / (count - 1.0) / count)};
}

}  // namespace

double distance(const Estimate& one, const Estimate& other) {
  return std::abs(one.mean - other.mean) / std::hypot(one.error, other.error);
}

double distance(const Estimate& one, double truth) {
  return std::abs(one.mean - truth) / one.error;
}

template <typename T>
ChainStudy<T>::ChainStudy(const Kernel<T>& kernel, Index chains, std::uint64_t seed)
    : dim_(kernel.flow().dim()),
      pool_(kernel, Random(seed), Tiling::share(chains, kTileWidth, 0, 1)),
      draws_(dim_, chains, kDrawsOfABlock) {
  pool_.start_from_base();
}

template <typename T>
MoveStatistics ChainStudy<T>::advance(Index steps, Index thin) {
  const MoveStatistics moved =
      pool_.advance({next_step_, steps, next_step_, thin}, {step_size_}, draws_);
  next_step_ += static_cast<std::uint64_t>(steps);
  return moved;
}

template <typename T>
void ChainStudy<T>::warm_up(Index steps, double initial_step_size) {
  StepSizeAdaptation adaptation(StepSize(initial_step_size), 0.574);
  for (Index done = 0; done < steps; done += kWindow) {
    step_size_ = adaptation.current();
    adaptation.update(step_size_, advance(kWindow, 0));
  }
  step_size_ = std::move(adaptation).freeze();
}

template <typename T>
void ChainStudy<T>::burn_in(Index steps, double step_size) {
  step_size_ = StepSize(step_size);
  advance(steps, 0);
}

template <typename T>
std::vector<Estimate> ChainStudy<T>::estimate(Index draws, Index thin,
                                              const std::vector<Functional>& functionals) {
  const auto chains = static_cast<std::size_t>(draws_.chains());
  std::vector<std::vector<double>> sums(functionals.size(), std::vector<double>(chains, 0.0));
  std::vector<double> z(static_cast<std::size_t>(dim_));
  std::vector<double> x(static_cast<std::size_t>(dim_));
  for (Index done = 0; done < draws; done += draws_.draws()) {
    const Index count = std::min(kDrawsOfABlock, draws - done);
    moves_.add(advance(count * thin, thin));
    for (std::size_t place = 0; place < chains * static_cast<std::size_t>(count); ++place) {
      for (std::size_t i = 0; i < z.size(); ++i) {
        z[i] = static_cast<double>(draws_.z[place * z.size() + i]);
        x[i] = static_cast<double>(draws_.x[place * z.size() + i]);
      }
      const std::size_t chain = place / static_cast<std::size_t>(count);
      for (std::size_t k = 0; k < functionals.size(); ++k) {
        sums[k][chain] += functionals[k](z.data(), x.data()) / static_cast<double>(draws);
      }
    }
  }
  std::vector<Estimate> estimates;
  for (const std::vector<double>& means : sums) estimates.push_back(mean_of(means));
  return estimates;
}

template class ChainStudy<float>;
template class ChainStudy<double>;

}  // namespace flotilla::test
