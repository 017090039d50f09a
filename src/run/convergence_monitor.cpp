// SPDX-License-Identifier: BSD-3-Clause
#include "run/convergence_monitor.hpp"

#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/circular.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace flotilla {
namespace {

constexpr Index kQuantitiesTogether = 64;            // most that a rank merges at once
constexpr Index kNumbersTogether = Index{1} << 24U;  // most that a rank receives at once
constexpr std::size_t kStateSize = std::tuple_size_v<Rhat::State>;

/// The next state of a packed sequence.
Rhat take(const std::vector<double>& states, std::size_t& place) {
  Rhat::State state{};
  std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(place), kStateSize, state.begin());
  place += kStateSize;
  return Rhat(state);
}

/// Keeps the worse of two figures; an undefined one is the worst.
void keep_worst(double value, double sign, const std::string& name, double& worst,
                std::string& worst_of) {
  const bool better = std::isnan(worst) || sign * value <= sign * worst;
  if (!worst_of.empty() && better) return;
  worst = value;
  worst_of = name;
}

std::vector<Index> coordinates_on_circles(const std::vector<Circle>& circles) {
  std::vector<Index> found;
  for (std::size_t i = 0; i < circles.size(); ++i) {
    if (!circles[i].is_line()) found.push_back(static_cast<Index>(i));
  }
  return found;
}

}  // namespace

template <typename T>
ConvergenceMonitor<T>::ConvergenceMonitor(const Tiling& tiling, const std::vector<Circle>& circles,
                                          Index superchain_width)
    : tiling_(tiling),
      circles_(circles),
      on_circles_(coordinates_on_circles(circles)),
      quantities_(static_cast<Index>(circles.size() + 1 + on_circles_.size())),
      of_draw_(circles.size() + on_circles_.size()),
      superchain_width_(superchain_width) {
  const Index begin = tiling.first_chain();
  for (Index first = begin; first < tiling.end_chain();) {
    Index end = std::min((first / tiling.tile_width + 1) * tiling.tile_width, tiling.chains);
    if (superchain_width > 1) {
      end = std::min(end, (first / superchain_width + 1) * superchain_width);
    }
    segments_.push_back({first - begin, end - begin});
    first = end;
  }
  current_.resize(static_cast<std::size_t>(quantities_ * tiling.local_chains()));
  of_chain_.resize(static_cast<std::size_t>(quantities_));
}

template <typename T>
const double* ConvergenceMonitor<T>::quantities_of(const T* x) {
  const std::size_t dim = circles_.size();
  for (std::size_t i = 0; i < dim; ++i) of_draw_[i] = static_cast<double>(x[i]);
  for (std::size_t k = 0; k < on_circles_.size(); ++k) {
    const auto i = static_cast<std::size_t>(on_circles_[k]);
    const Circle& circle = circles_[i];
    const double place = of_draw_[i];
    of_draw_[i] = seen(View::kCosine, circle, circle.low, place);
    of_draw_[dim + k] = seen(View::kSine, circle, circle.low, place);
  }
  return of_draw_.data();
}

template <typename T>
void ConvergenceMonitor<T>::observe(const DrawBlock<T>& block) {
  const Index draws = block.draws();
  if (draws == 0) return;
  const Index chains = block.chains();
  const Index dim = block.dim();
  // Draw by draw: blocks depend on the memory, and the last bits must not depend on blocks.
  for (Index c = 0; c < chains; ++c) {
    const T* x = block.x.data() + c * draws * dim;
    const double* lp = block.log_density.data() + c * draws;
    const auto place = [&](Index q) { return static_cast<std::size_t>(q * chains + c); };
    // Quantities of a chain lie far apart, where each would push the one before out of the cache.
    for (Index q = 0; q < quantities_; ++q) {
      of_chain_[static_cast<std::size_t>(q)] = current_[place(q)];
    }
    for (Index d = 0; d < draws; ++d) {
      const double* draw = quantities_of(x + d * dim);
      for (Index i = 0; i < dim; ++i) of_chain_[static_cast<std::size_t>(i)].observe(draw[i]);
      of_chain_[static_cast<std::size_t>(dim)].observe(lp[d]);
      for (Index q = dim + 1; q < quantities_; ++q) {
        of_chain_[static_cast<std::size_t>(q)].observe(draw[q - 1]);
      }
    }
    for (Index q = 0; q < quantities_; ++q) {
      current_[place(q)] = of_chain_[static_cast<std::size_t>(q)];
    }
  }
  draws_ += draws;
}

template <typename T>
void ConvergenceMonitor<T>::close_stretch() {
  if (++stretches_ < length_) return;
  stretches_ = 0;
  windows_.push_back(current_);
  current_.assign(current_.size(), Moments());
  if (windows_.size() < kMostWindows) return;
  for (std::size_t w = 0; w < kMostWindows / 2; ++w) {
    windows_[w] = windows_[2 * w];
    for (std::size_t i = 0; i < current_.size(); ++i) windows_[w][i].merge(windows_[2 * w + 1][i]);
  }
  windows_.resize(kMostWindows / 2);
  length_ *= 2;
}

/// Appends the state of all the segment's windows as chains, then the state of its whole chains.
template <typename T>
void ConvergenceMonitor<T>::add_states(Index quantity, const Segment& segment,
                                       std::vector<double>& states) const {
  Rhat split;
  Rhat whole;
  for (Index c = segment.first; c < segment.end; ++c) {
    const auto place = static_cast<std::size_t>(quantity * tiling_.local_chains() + c);
    Moments all;
    for (const Window& window : windows_) {
      split.observe(window[place]);
      all.merge(window[place]);
    }
    all.merge(current_[place]);
    whole.observe(all);
  }
  for (const Rhat& gathered : {split, whole}) {
    const Rhat::State state = gathered.state();
    states.insert(states.end(), state.begin(), state.end());
  }
}

/// The rank's own quantities of [first, end), merged over all chains. Collective.
/// @return QuantityFigures, one after another
template <typename T>
std::vector<double> ConvergenceMonitor<T>::merge_own(const Communicator& comm, Index first,
                                                     Index end) const {
  const auto share_begins = [&](Index rank) { return first + (end - first) * rank / comm.size(); };
  std::vector<double> states;
  std::vector<int> counts;
  for (Index rank = 0; rank < comm.size(); ++rank) {
    const std::size_t before = states.size();
    for (const Segment& segment : segments_) {
      for (Index q = share_begins(rank); q < share_begins(rank + 1); ++q) {
        add_states(q, segment, states);
      }
    }
    counts.push_back(static_cast<int>(states.size() - before));
  }
  const std::vector<double> all = comm.exchange(states, counts);
  const Index own = share_begins(comm.rank() + 1) - share_begins(comm.rank());
  const std::size_t of_segment = static_cast<std::size_t>(own) * 2 * kStateSize;
  std::vector<double> figures;
  for (Index q = 0; q < own; ++q) {
    Rhat split;
    Rhat whole;
    NestedRhat nested(superchain_width_);
    for (std::size_t begin = static_cast<std::size_t>(q) * 2 * kStateSize; begin < all.size();
         begin += of_segment) {
      std::size_t place = begin;
      split.merge(take(all, place));
      const Rhat part = take(all, place);
      whole.merge(part);
      nested.merge(part);
    }
    // A drift that all chains share does not show in a single window.
    const double rhat = windows_.size() > 1 ? split.value() : kUndefined;
    const double constant = whole.is_constant() ? 1.0 : 0.0;
    const QuantityFigures found = {whole.means().mean(), constant, rhat, whole.effective_size(),
                                   nested.value()};
    figures.insert(figures.end(), found.begin(), found.end());
  }
  return figures;
}

template <typename T>
void ConvergenceMonitor<T>::judge(Index quantity, const QuantityFigures& figures,
                                  ConvergenceReport& report) const {
  const auto [mean, constant, rhat, effective_size, nested] = figures;
  const auto dim = static_cast<Index>(circles_.size());
  if (quantity < dim) report.means.push_back(mean);
  const Index coordinate =
      quantity > dim ? on_circles_[static_cast<std::size_t>(quantity - dim - 1)] : quantity;
  if (quantity > dim) {
    const auto i = static_cast<std::size_t>(coordinate);
    report.means[i] = circular_mean(circles_[i], circles_[i].low, report.means[i], mean);
  }
  if (constant != 0.0) return;  // if all are, no chain has moved, and figures stay undefined
  const bool first = report.ess_of.empty();
  const std::string name = quantity == dim ? std::string("lp") : fmt::format("x[{}]", coordinate);
  keep_worst(rhat, 1.0, name, report.rhat, report.rhat_of);
  keep_worst(effective_size, -1.0, name, report.ess, report.ess_of);
  if (superchain_width_ > 1) {
    std::string nested_of = first ? "" : name;
    keep_worst(nested, 1.0, name, report.nested_rhat, nested_of);
  }
}

template <typename T>
ConvergenceReport ConvergenceMonitor<T>::report(const Communicator& comm, bool stretch_ends) {
  if (stretch_ends) close_stretch();
  ConvergenceReport report;
  report.draws = draws_;
  const Index segments =
      tiling_.chains / tiling_.tile_width + tiling_.chains / superchain_width_ + 1;
  const Index of_rank = std::clamp<Index>(
      kNumbersTogether / (2 * static_cast<Index>(kStateSize) * segments), 1, kQuantitiesTogether);
  const Index together = of_rank * comm.size();
  for (Index first = 0; first < quantities_; first += together) {
    const Index end = std::min(first + together, quantities_);
    const std::vector<double> figures = comm.gather(merge_own(comm, first, end));
    for (Index q = first; q < end; ++q) {
      QuantityFigures one{};
      std::copy_n(figures.begin() + (q - first) * static_cast<std::ptrdiff_t>(one.size()),
                  one.size(), one.begin());
      judge(q, one, report);
    }
  }
  return report;
}

template class ConvergenceMonitor<float>;
template class ConvergenceMonitor<double>;

}  // namespace flotilla
