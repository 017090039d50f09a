// SPDX-License-Identifier: BSD-3-Clause
#include "run/flow_health.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "flotilla/flow/flow.hpp"
#include "run/density_climb.hpp"
#include "run/flow_health_findings.hpp"
#include "run/jacobian_condition.hpp"

namespace flotilla {
namespace {

constexpr Index kBatchWidth = 64;  // draws of a batch
constexpr Index kStarts = 16;      // draws from which the density is climbed
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What is kept of a draw: ranks gather these. NaN where the draw is not finite.
enum Figure : std::size_t {
  kLogDet,
  kLogDensity,
  kRoundTrip,
  kRoundTripLogDet,
  kRoundTripFloat,
  kFloatX,
  kFloatLogDet,
  kFigures,
};

/// The largest |found - expected| / max(1, |expected|) of a column's coordinates; infinite where
/// one of them is not finite.
template <typename T>
double largest_deviation(const Batch<T>& found, const Batch<double>& expected, Index c) {
  double largest = 0.0;
  for (Index i = 0; i < found.dim(); ++i) {
    const double wanted = expected(i, c);
    const double here =
        std::abs(static_cast<double>(found(i, c)) - wanted) / std::max(1.0, std::abs(wanted));
    if (!std::isfinite(here)) return kInfinity;
    largest = std::max(largest, here);
  }
  return largest;
}

/// |one - other|; infinite where one of them is not finite.
double distance(double one, double other) {
  const double found = std::abs(one - other);
  if (!std::isfinite(found)) return kInfinity;
  return found;
}

template <typename T>
bool is_finite(const Batch<T>& columns, Index c) {
  for (Index i = 0; i < columns.dim(); ++i) {
    if (!std::isfinite(columns(i, c))) return false;
  }
  return true;
}

/// A flow with a batch of draws, there and back again.
template <typename T>
class Passage {
 public:
  explicit Passage(const FlowRecord& record)
      : flow(record),
        tape(flow.tape_shape(), kBatchWidth),
        z(flow.dim(), kBatchWidth),
        x(flow.dim(), kBatchWidth),
        back(flow.dim(), kBatchWidth),
        log_det(1, kBatchWidth),
        log_det_back(1, kBatchWidth),
        log_density(1, kBatchWidth) {}

  /// From the points in z on.
  void run() {
    log_det.fill(0.0);
    log_det_back.fill(0.0);
    log_density.fill(0.0);
    x = z;
    flow.forward(x, log_det, tape);
    flow.base().add_log_density(z, 1.0, log_density);
    for (Index c = 0; c < kBatchWidth; ++c) log_density(0, c) -= log_det(0, c);
    if (!flow.has_inverse()) return;
    back = x;
    flow.inverse(back, log_det_back, tape);
  }

  bool is_finite_at(Index c) const {
    return is_finite(x, c) && std::isfinite(log_det(0, c)) && std::isfinite(log_density(0, c));
  }

  const Flow<T> flow;
  Tape<T> tape;
  Batch<T> z;
  Batch<T> x;
  Batch<T> back;
  PerChain log_det;
  PerChain log_det_back;
  PerChain log_density;
};

/// Draws of the base density, the same in both precisions, and the flow at them.
class Examiner {
 public:
  Examiner(const FlowRecord& record, std::uint64_t seed)
      : random_(seed), double_(record), float_(record) {}

  const Flow<double>& flow() const { return double_.flow; }

  /// The batch of draws that begins with draw `first`, as they are in single precision.
  const Batch<double>& draw(Index first) {
    float_.flow.base().sample(random_, Purpose::kNaive, 0, static_cast<std::uint64_t>(first),
                              ColumnMask::all(kBatchWidth), float_.z);
    for (Index i = 0; i < float_.z.dim(); ++i) {
      for (Index c = 0; c < kBatchWidth; ++c) double_.z(i, c) = static_cast<double>(float_.z(i, c));
    }
    return double_.z;
  }

  /// Appends the figures of the batch that begins with draw `first`.
  void examine(Index first, Index count, std::vector<double>& figures) {
    draw(first);
    double_.run();
    float_.run();
    for (Index c = 0; c < count; ++c) append(c, figures);
  }

  /// Condition numbers at the first batch of draws, of which `count` are draws.
  std::vector<double> conditions(Index count) {
    draw(0);
    double_.x = double_.z;
    flow().forward(double_.x, double_.log_det, double_.tape);
    std::vector<double> found = condition_numbers(flow(), double_.tape, kBatchWidth);
    found.resize(static_cast<std::size_t>(count));
    return found;
  }

 private:
  void append(Index c, std::vector<double>& figures) const {
    std::array<double, kFigures> at{};
    at.fill(kNan);
    if (double_.is_finite_at(c)) {
      at[kLogDet] = double_.log_det(0, c);
      at[kLogDensity] = double_.log_density(0, c);
      if (flow().has_inverse()) {
        at[kRoundTrip] = largest_deviation(double_.back, double_.z, c);
        at[kRoundTripLogDet] = distance(double_.log_det_back(0, c), double_.log_det(0, c));
      }
      if (float_.is_finite_at(c)) {
        at[kFloatX] = largest_deviation(float_.x, double_.x, c);
        at[kFloatLogDet] = distance(float_.log_det(0, c), double_.log_det(0, c));
        if (flow().has_inverse()) {
          at[kRoundTripFloat] = largest_deviation(float_.back, double_.z, c);
        }
      }
    }
    figures.insert(figures.end(), at.begin(), at.end());
  }

  Random random_;
  Passage<double> double_;
  Passage<float> float_;
};

// ---- Figures of all draws
// ------------------------------------------------------------------------

/// One figure of all draws, where it is a number.
std::vector<double> column(const std::vector<double>& figures, Figure figure) {
  std::vector<double> values;
  for (std::size_t k = figure; k < figures.size(); k += kFigures) {
    if (!std::isnan(figures[k])) values.push_back(figures[k]);
  }
  return values;
}

/// @param values  none is NaN
Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  return {quantile(0.5), quantile(0.99), values.back()};
}

void summarise_log_det(const std::vector<double>& figures, FlowHealth& health) {
  std::vector<double> values = column(figures, kLogDet);
  if (values.empty()) return;
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  health.smallest_log_det = *smallest;
  health.largest_log_det = *largest;
  const double median = spread_of(values).median;
  std::vector<double> sizes = values;
  for (double& value : sizes) value = std::abs(value);
  for (double& value : values) value = std::abs(value - median);
  health.log_det = spread_of(std::move(sizes));
  health.log_det_apart = spread_of(std::move(values));
}

FlowHealth summarise(const std::vector<double>& figures, const Flow<double>& flow) {
  FlowHealth health;
  health.dim = flow.dim();
  health.has_inverse = flow.has_inverse();
  health.draws = static_cast<Index>(figures.size() / kFigures);
  const auto finite = static_cast<Index>(column(figures, kLogDet).size());
  health.non_finite = health.draws - finite;
  health.non_finite_float = finite - static_cast<Index>(column(figures, kFloatX).size());
  summarise_log_det(figures, health);
  health.round_trip = spread_of(column(figures, kRoundTrip));
  health.round_trip_log_det = spread_of(column(figures, kRoundTripLogDet));
  health.round_trip_float = spread_of(column(figures, kRoundTripFloat));
  health.float_x = spread_of(column(figures, kFloatX));
  health.float_log_det = spread_of(column(figures, kFloatLogDet));
  return health;
}

/// Latent points of the draws of highest log q_X. @return no columns if no draw is finite
Batch<double> best_draws(Examiner& examiner, const std::vector<double>& figures) {
  const auto log_density = [&](Index draw) {
    return figures[static_cast<std::size_t>(draw) * kFigures + kLogDensity];
  };
  std::vector<Index> order;
  for (Index k = 0; k < static_cast<Index>(figures.size() / kFigures); ++k) {
    if (!std::isnan(log_density(k))) order.push_back(k);
  }
  const auto count = std::min<std::size_t>(order.size(), kStarts);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](Index a, Index b) { return log_density(a) > log_density(b); });
  Batch<double> best(examiner.flow().dim(), static_cast<Index>(count));
  for (std::size_t k = 0; k < count; ++k) {
    const Batch<double>& drawn = examiner.draw(order[k] / kBatchWidth * kBatchWidth);
    for (Index i = 0; i < best.dim(); ++i) {
      best(i, static_cast<Index>(k)) = drawn(i, order[k] % kBatchWidth);
    }
  }
  return best;
}

/// What one rank finds out from the figures of all.
FlowHealth conclude(Examiner& examiner, const std::vector<double>& figures) {
  FlowHealth health = summarise(figures, examiner.flow());
  if (has_conditions(examiner.flow())) {
    health.condition = {std::min(health.draws, kBatchWidth), health.dim <= kDenseJacobian,
                        spread_of(examiner.conditions(std::min(health.draws, kBatchWidth)))};
  }
  Batch<double> starts = best_draws(examiner, figures);
  if (starts.chains() > 0) health.climb = climb_density(examiner.flow(), std::move(starts));
  health.findings = findings_of(health);
  return health;
}

}  // namespace

FlowHealth examine(const FlowRecord& record, const BaseDraws& draws, const Communicator& comm) {
  std::unique_ptr<Examiner> examiner;
  std::vector<double> figures;
  comm.together([&] {
    examiner = std::make_unique<Examiner>(record, draws.seed);
    // Rank r has the r-th part of the batches, so that what is gathered is in the order of draws.
    const Index batches = (draws.count + kBatchWidth - 1) / kBatchWidth;
    const Index end = batches * (comm.rank() + 1) / comm.size();
    for (Index batch = batches * comm.rank() / comm.size(); batch < end; ++batch) {
      examiner->examine(batch * kBatchWidth,
                        std::min(kBatchWidth, draws.count - batch * kBatchWidth), figures);
    }
  });
  const std::vector<double> all = comm.gather(figures);
  FlowHealth health;
  comm.together([&] {
    if (comm.is_root()) health = conclude(*examiner, all);
  });
  return health;
}

}  // namespace flotilla
