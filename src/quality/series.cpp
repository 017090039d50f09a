// SPDX-License-Identifier: BSD-3-Clause
#include "quality/series.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <span>

#include "diagnostics/streaming_quantity.hpp"
#include "flotilla/diagnostics/circular.hpp"

namespace flotilla {
namespace {

constexpr Index kChainBytes = Index{1} << 27U;  // memory for chains that are held whole
constexpr Index kMostQuantities = 1024;         // quantities with classes in memory, 0.25 MiB each
constexpr Index kTogether = 16;                 // coordinates gathered at once: a cache line

/// Transposes `count` columns of values [rows x width], from `first` on, to [count x rows].
template <typename T>
void gather_columns(const T* values, Index rows, Index width, Index first, Index count, T* out) {
  for (Index r = 0; r < rows; ++r) {
    const T* row = values + r * width + first;
    for (Index j = 0; j < count; ++j) out[j * rows + r] = row[j];
  }
}

/// Reads some coordinates of a variable, pass by pass through the file.
template <typename T>
class Stream {
 public:
  Stream(const RunReader& reader, const RunVariable& variable, CoordinateRange range,
         Index superchains)
      : reader_(reader), variable_(variable), range_(range) {
    sample(superchains > 0 ? variable.chains / superchains : 0);
  }

  std::vector<QuantitySummary> run() {
    count();
    for (StreamingQuantity& quantity : quantities_) quantity.rank(variable_.draws);
    std::vector<Index> active(quantities_.size());
    for (std::size_t i = 0; i < active.size(); ++i) active[i] = static_cast<Index>(i);
    while (!active.empty()) {
      observe(active);
      std::erase_if(active, [&](Index i) { return !at(i).needs_more_lags(); });
    }
    std::vector<QuantitySummary> summaries;
    for (Index i = 0; i < static_cast<Index>(quantities_.size()); ++i) {
      const Look& look = look_at(i);
      if (look.view == View::kLine) {
        summaries.push_back(at(i).summary());
      } else if (look.view == View::kPlace) {
        summaries.push_back(on_circle(look.circle, look.centre, at(i).summary(),
                                      at(i + 1).summary(), at(i + 2).summary()));
      }
    }
    return summaries;
  }

 private:
  /// How a quantity follows from a coordinate. The three views of one on a circle are neighbours,
  /// in the order of View.
  struct Look {
    Index coordinate = 0;  ///< within the range
    View view = View::kLine;
    Circle circle = {};
    double centre = 0.0;  ///< of the circle
  };

  const Look& look_at(Index i) const { return looks_[static_cast<std::size_t>(i)]; }

  /// A view of values of a coordinate, in place of them for one on a line.
  std::span<const T> viewed(const Look& look, std::span<const T> values) {
    if (look.view == View::kLine) return values;
    viewed_.resize(values.size());
    std::transform(values.begin(), values.end(), viewed_.begin(), [&](T value) {
      return static_cast<T>(seen(look.view, look.circle, look.centre, static_cast<double>(value)));
    });
    return viewed_;
  }

  void add(const Look& look, std::span<const T> values, Index width) {
    const std::span<const T> found = viewed(look, values);
    std::vector<T> sorted(found.begin(), found.end());
    const auto [centre, scale] = centre_and_scale(sorted);
    quantities_.emplace_back(centre, scale, width);
    looks_.push_back(look);
  }

  void add_circle(Index coordinate, const Circle& circle, std::span<const T> values, Index width) {
    const double centre = centre_of(circle, values);
    for (const View view : {View::kPlace, View::kCosine, View::kSine}) {
      add({coordinate, view, circle, centre}, values, width);
    }
  }

  StreamingQuantity& at(Index i) { return quantities_[static_cast<std::size_t>(i)]; }

  /// Makes the quantities, with median and half the interquartile range of each in a few draws of a
  /// few chains, spread over the run.
  void sample(Index width) {
    const Index chains = std::min<Index>(variable_.chains, 32);
    const Index draws = std::min<Index>(variable_.draws, 64);
    std::vector<T> values(static_cast<std::size_t>(chains * draws * range_.count));
    for (Index j = 0; j < chains; ++j) {
      const Index first_draw = (variable_.draws - draws) * j / chains;
      reader_.read(
          variable_,
          {variable_.chains * j / chains, 1, first_draw, draws, range_.first, range_.count},
          values.data() + j * draws * range_.count);
    }
    std::vector<T> column(static_cast<std::size_t>(chains * draws));
    for (Index i = 0; i < range_.count; ++i) {
      gather_columns(values.data(), chains * draws, range_.count, i, 1, column.data());
      const Circle circle = circle_of(variable_, range_.first + i);
      if (circle.is_line()) {
        add({.coordinate = i}, column, width);
      } else {
        add_circle(i, circle, column, width);
      }
    }
  }

  static std::pair<double, double> centre_and_scale(std::vector<T>& column) {
    std::erase_if(column, [](T value) { return !std::isfinite(value); });
    if (column.empty()) return {0.0, 1.0};
    std::sort(column.begin(), column.end());
    const auto place = [&](std::size_t quarter) {
      return static_cast<double>(column[(column.size() - 1) * quarter / 4]);
    };
    double scale = 0.5 * (place(3) - place(1));
    if (!(scale > 0.0)) scale = place(4) - place(0);
    if (!(scale > 0.0)) scale = std::max(std::abs(place(2)), 1.0) * 1e-3;
    return {place(2), scale};
  }

  void count() {
    for_each_slab(
        variable_,
        [&](const RunSlab& slab) {
          buffer_.resize(static_cast<std::size_t>(slab.size()));
          reader_.read(variable_, slab, buffer_.data());
          const Index rows = slab.chains * slab.draws;
          columns_.resize(static_cast<std::size_t>(kTogether * rows));
          Index gathered = -1;
          for (Index i = 0; i < static_cast<Index>(quantities_.size()); ++i) {
            gathered = gather(buffer_.data(), rows, look_at(i).coordinate, gathered);
            at(i).count(viewed(look_at(i), gathered_column(look_at(i).coordinate, rows)));
          }
        },
        range_);
  }

  /// Passes every chain, in order, to the active quantities.
  void observe(const std::vector<Index>& active) {
    const Index bytes = variable_.draws * range_.count * static_cast<Index>(sizeof(T));
    Index chains = std::clamp<Index>(kChainBytes / bytes, 1, variable_.chains);
    if (chains > variable_.chunk_chains) chains -= chains % variable_.chunk_chains;
    columns_.resize(static_cast<std::size_t>(kTogether * variable_.draws));
    for (Index c = 0; c < variable_.chains; c += chains) {
      const RunSlab slab = {
          c,           std::min(chains, variable_.chains - c), 0, variable_.draws, range_.first,
          range_.count};
      buffer_.resize(static_cast<std::size_t>(slab.size()));
      reader_.read(variable_, slab, buffer_.data());
      for (Index own = 0; own < slab.chains; ++own) observe_chain(active, own);
    }
  }

  void observe_chain(const std::vector<Index>& active, Index chain) {
    const T* values = buffer_.data() + chain * variable_.draws * range_.count;
    Index gathered = -1;
    for (const Index i : active) {
      const Index coordinate = look_at(i).coordinate;
      gathered = gather(values, variable_.draws, coordinate, gathered);
      at(i).observe_chain(viewed(look_at(i), gathered_column(coordinate, variable_.draws)),
                          scratch_);
    }
  }

  /// Brings a coordinate and its neighbours into columns_, unless they are there.
  /// @param gathered  the first of those that are there; negative if none is
  /// @returns the first of those that are there now
  Index gather(const T* values, Index rows, Index coordinate, Index gathered) {
    const Index first = coordinate - coordinate % kTogether;
    if (first == gathered) return gathered;
    gather_columns(values, rows, range_.count, first, std::min(kTogether, range_.count - first),
                   columns_.data());
    return first;
  }

  std::span<const T> gathered_column(Index coordinate, Index rows) const {
    return {columns_.data() + coordinate % kTogether * rows, static_cast<std::size_t>(rows)};
  }

  const RunReader& reader_;
  const RunVariable& variable_;
  CoordinateRange range_;
  std::vector<StreamingQuantity> quantities_;
  std::vector<Look> looks_;  ///< of each quantity
  std::vector<T> viewed_;
  std::vector<T> buffer_;
  std::vector<T> columns_;
  StreamingScratch scratch_;
};

template <typename T>
std::vector<QuantitySummary> summarise_in_streams(const RunReader& reader,
                                                  const RunVariable& variable,
                                                  CoordinateRange range, Index superchains) {
  const Index chain_bytes = variable.draws * static_cast<Index>(sizeof(T));
  const Index most = std::clamp<Index>(kChainBytes / chain_bytes, 1, kMostQuantities);
  const Index parts = (range.count + most - 1) / most;
  const Index width = (range.count + parts - 1) / parts;
  std::vector<QuantitySummary> summaries;
  for (Index done = 0; done < range.count; done += width) {
    const CoordinateRange part = {range.first + done, std::min(width, range.count - done)};
    const std::vector<QuantitySummary> found = Stream<T>(reader, variable, part, superchains).run();
    summaries.insert(summaries.end(), found.begin(), found.end());
  }
  return summaries;
}

std::vector<QuantitySummary> summarise_exactly(const RunReader& reader, const RunVariable& variable,
                                               CoordinateRange range, Index superchains) {
  std::vector<QuantitySummary> summaries;
  for_each_coordinate(reader, variable, range, [&](const ChainDraws& draws) {
    const Circle circle = circle_of(variable, range.first + static_cast<Index>(summaries.size()));
    summaries.push_back(circle.is_line() ? summarise(draws, superchains)
                                         : summarise_on_circle(draws, circle, superchains));
  });
  return summaries;
}

}  // namespace

std::string coordinate_name(const RunVariable& variable, Index coordinate) {
  if (variable.scalar) return variable.name;
  std::vector<Index> place(variable.shape.size());
  for (std::size_t d = place.size(); d-- > 0; coordinate /= variable.shape[d]) {
    place[d] = coordinate % variable.shape[d];
  }
  return fmt::format("{}[{}]", variable.name, fmt::join(place, ","));
}

Circle circle_of(const RunVariable& variable, Index coordinate) {
  return variable.circles.empty() ? Circle{}
                                  : variable.circles[static_cast<std::size_t>(coordinate)];
}

void for_each_coordinate(const RunReader& reader, const RunVariable& variable,
                         CoordinateRange range,
                         const std::function<void(const ChainDraws&)>& visit) {
  const Index rows = variable.chains * variable.draws;
  const Index width = std::max<Index>(1, kChainBytes / (rows * static_cast<Index>(sizeof(double))));
  ChainDraws draws(variable.chains, variable.draws);
  std::vector<double> values;
  for (Index done = 0; done < range.count; done += width) {
    const Index count = std::min(width, range.count - done);
    values.resize(static_cast<std::size_t>(rows * count));
    reader.read(variable, {0, variable.chains, 0, variable.draws, range.first + done, count},
                values.data());
    for (Index i = 0; i < count; ++i) {
      gather_columns(values.data(), rows, count, i, 1, draws.values.data());
      visit(draws);
    }
  }
}

std::vector<QuantitySummary> summarise_coordinates(const RunReader& reader,
                                                   const RunVariable& variable,
                                                   CoordinateRange range, Index superchains,
                                                   bool exact) {
  if (range.count == 0) return {};
  if (exact) return summarise_exactly(reader, variable, range, superchains);
  if (variable.in_double) {
    return summarise_in_streams<double>(reader, variable, range, superchains);
  }
  return summarise_in_streams<float>(reader, variable, range, superchains);
}

}  // namespace flotilla
