#include "run/convergence_monitor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace flotilla {
namespace {

constexpr std::size_t kMostWindows = 4;
constexpr Index kQuantitiesTogether = 64;  // that travel at once
constexpr std::size_t kStateSize = std::tuple_size_v<Rhat::State>;

/// Moments of `count` values that lie `step` apart.
template <typename V>
Moments moments_of(const V* values, Index count, Index step) {
  double sum = 0.0;
  for (Index i = 0; i < count; ++i) sum += static_cast<double>(values[i * step]);
  const double mean = sum / static_cast<double>(count);
  double deviations = 0.0;
  for (Index i = 0; i < count; ++i) {
    const double distance = static_cast<double>(values[i * step]) - mean;
    deviations += distance * distance;
  }
  return {static_cast<double>(count), mean, deviations};
}

/// The next state of a packed sequence.
Rhat take(const std::vector<double>& states, std::size_t& place) {
  Rhat::State state{};
  std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(place), kStateSize, state.begin());
  place += kStateSize;
  return Rhat(state);
}

/// Keeps the worse of two figures; one that is not defined is worst.
void keep_worst(double value, double sign, const std::string& name, double& worst,
                std::string& worst_of) {
  const bool better = std::isnan(worst) || sign * value <= sign * worst;
  if (!worst_of.empty() && better) return;
  worst = value;
  worst_of = name;
}

}  // namespace

template <typename T>
ConvergenceMonitor<T>::ConvergenceMonitor(const Tiling& tiling, Index dim, Index superchain_width)
    : tiling_(tiling), quantities_(dim + 1), superchain_width_(superchain_width) {
  const Index begin = tiling.first_chain();
  for (Index first = begin; first < tiling.end_chain();) {
    Index end = std::min((first / tiling.tile_width + 1) * tiling.tile_width, tiling.chains);
    if (superchain_width > 1) {
      end = std::min(end, (first / superchain_width + 1) * superchain_width);
    }
    segments_.push_back({first - begin, end - begin});
    first = end;
  }
  whole_.resize(static_cast<std::size_t>(quantities_ * tiling.local_chains()));
  current_ = whole_;
}

template <typename T>
void ConvergenceMonitor<T>::observe(const DrawBlock<T>& block) {
  const Index draws = block.draws();
  if (draws == 0) return;
  const Index chains = block.chains();
  const Index dim = block.dim();
  for (Index c = 0; c < chains; ++c) {
    const T* x = block.x.data() + c * draws * dim;
    const double* lp = block.log_density.data() + c * draws;
    for (Index q = 0; q < quantities_; ++q) {
      const Moments moments =
          q < dim ? moments_of(x + q, draws, dim) : moments_of(lp, draws, Index{1});
      current_[static_cast<std::size_t>(q * chains + c)].merge(moments);
    }
  }
  draws_ += draws;
}

template <typename T>
void ConvergenceMonitor<T>::close_stretch() {
  if (++stretches_ < length_) return;
  stretches_ = 0;
  for (std::size_t i = 0; i < whole_.size(); ++i) whole_[i].merge(current_[i]);
  windows_.push_back(current_);
  current_.assign(current_.size(), Moments());
  if (windows_.size() < kMostWindows) return;
  for (std::size_t w = 0; w < kMostWindows / 2; ++w) {
    windows_[w] = windows_[2 * w];
    for (std::size_t i = 0; i < whole_.size(); ++i) windows_[w][i].merge(windows_[2 * w + 1][i]);
  }
  windows_.resize(kMostWindows / 2);
  length_ *= 2;
}

/// Appends the state of all the segment's windows as chains, then that of its whole chains.
template <typename T>
void ConvergenceMonitor<T>::add_states(Index quantity, const Segment& segment,
                                       std::vector<double>& states) const {
  Rhat split;
  Rhat whole;
  for (Index c = segment.first; c < segment.end; ++c) {
    const auto place = static_cast<std::size_t>(quantity * tiling_.local_chains() + c);
    for (const Window& window : windows_) split.observe(window[place]);
    Moments all = whole_[place];
    all.merge(current_[place]);
    whole.observe(all);
  }
  for (const Rhat& gathered : {split, whole}) {
    const Rhat::State state = gathered.state();
    states.insert(states.end(), state.begin(), state.end());
  }
}

template <typename T>
void ConvergenceMonitor<T>::judge(Index quantity, Rhat split, Rhat whole, double nested,
                                  ConvergenceReport& report) const {
  if (quantity + 1 < quantities_) report.means.push_back(whole.means().mean());
  const std::string name =
      quantity + 1 < quantities_ ? fmt::format("x[{}]", quantity) : std::string("lp");
  keep_worst(split.value(), 1.0, name, report.rhat, report.rhat_of);
  keep_worst(whole.effective_size(), -1.0, name, report.ess, report.ess_of);
  if (superchain_width_ > 1 && !(nested <= report.nested_rhat)) report.nested_rhat = nested;
}

template <typename T>
ConvergenceReport ConvergenceMonitor<T>::report(const Communicator& comm) {
  close_stretch();
  ConvergenceReport report;
  report.draws = draws_;
  for (Index first = 0; first < quantities_; first += kQuantitiesTogether) {
    const Index end = std::min(first + kQuantitiesTogether, quantities_);
    std::vector<double> own;
    for (const Segment& segment : segments_) {
      for (Index q = first; q < end; ++q) add_states(q, segment, own);
    }
    const std::vector<double> all = comm.gather(own);
    const std::size_t of_segment = static_cast<std::size_t>(end - first) * 2 * kStateSize;
    for (Index q = first; q < end; ++q) {
      Rhat split;
      Rhat whole;
      NestedRhat nested(superchain_width_);
      const std::size_t offset = static_cast<std::size_t>(q - first) * 2 * kStateSize;
      for (std::size_t place = offset; place < all.size();) {
        const std::size_t begin = place;
        split.merge(take(all, place));
        const Rhat part = take(all, place);
        whole.merge(part);
        nested.merge(part);
        place = begin + of_segment;
      }
      judge(q, split, whole, nested.value(), report);
    }
  }
  return report;
}

template class ConvergenceMonitor<float>;
template class ConvergenceMonitor<double>;

}  // namespace flotilla
