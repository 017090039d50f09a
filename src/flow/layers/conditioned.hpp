// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flow/conditioner/network.hpp"
#include "flow/coordinates/coordinate_map.hpp"
#include "flow/coordinates/coordinate_rows.hpp"

namespace flotilla {

/// Shared by couplings and autoregressive layers: a layer that moves each coordinate by a monotone
/// map, x_i = g(z_i; theta_i(z)). A conditioner gives the parameters theta.
///
/// The tape holds g's derivatives beside the conditioner's, so forward(), jvp() and vjp() are one
/// pass of the conditioner each. The inverse depends on what the conditioner sees.
template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T>
class Conditioned : public Layer<T> {
 public:
  TapeShape tape_shape() const override;
  Index multiply_adds() const override {
    if constexpr (requires { map_.multiply_adds(); }) {
      return conditioner_.multiply_adds() + moved() * map_.multiply_adds();
    }
    return conditioner_.multiply_adds();
  }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 protected:
  /// The coordinates that the conditioner sees and those that it moves, in the conditioner's order.
  struct Coordinates {
    std::vector<Index> seen;
    std::vector<Index> moved;
  };

  /// @param wiring  makes the conditioner's wiring from the number of rows of theta per coordinate
  /// @param own     the name of the derived layer's own entry
  /// @throws InputError if the map or the conditioner's arrays do not fit
  template <typename MakeWiring>
  Conditioned(const LayerReader& reader, Coordinates coordinates, MakeWiring wiring,
              const char* own)
      : Layer<T>(reader.dim()),
        coordinates_(std::move(coordinates)),
        map_(reader),
        conditioner_(reader, wiring(map_.parameters())) {
    std::vector<std::string> names = conditioner_.entry_names();
    for (const std::string& name : map_.entry_names()) names.push_back(name);
    names.emplace_back(own);
    reader.expect_only(names);
    rank_moved(reader);
  }

  /// Below, `n` numbers the moved coordinates.
  Index moved() const { return static_cast<Index>(coordinates_.moved.size()); }
  T* moved_row(Batch<T>& batch, Index n) const {
    return batch.row(coordinates_.moved[static_cast<std::size_t>(n)]);
  }
  /// Rows of parameters(), in scratch: theta, its tangent or its cotangent.
  Batch<T>& theta(const Tape<T>& tape) const {
    return tape.scratch(conditioner_.scratch().size() + 1);
  }
  T* theta_row(const Tape<T>& tape, Index n) const {
    return theta(tape).row(n * map_.parameters());
  }
  /// What the map recorded. Const for a const tape.
  template <typename AnyTape>
  auto* record_row(AnyTape& tape, Index n) const {
    return rows_of(tape.recorded(kMap), n, map_.recorded());
  }

  /// The conditioner's input or its cotangent, in scratch.
  Batch<T>& input(const Tape<T>& tape) const { return tape.scratch(conditioner_.scratch().size()); }
  /// Copies the coordinates that the conditioner sees to input().
  Batch<T>& gather(const Tape<T>& tape, const Batch<T>& point) const;
  /// Adds input() to w, at the n-th coordinate that the conditioner sees.
  void add_input(const Tape<T>& tape, Index n, Batch<T>& w) const;
  /// Takes the cotangent of theta back through the conditioner and adds it to w.
  void add_reverse(const Tape<T>& tape, Batch<T>& w) const;

  /// The map of the n-th moved coordinate.
  const auto& map([[maybe_unused]] Index n) const {
    if constexpr (requires { map_.of(n); }) {
      return map_.of(ranks_[static_cast<std::size_t>(n)]);
    } else {
      return map_;
    }
  }
  const Network<T>& conditioner() const { return conditioner_; }

  // Recorded slots of the layer; the conditioner's slots follow.
  static constexpr std::size_t kMap = 0;
  static constexpr std::size_t kConditioner = 1;

 private:
  /// For maps that differ from coordinate to coordinate.
  void rank_moved([[maybe_unused]] const LayerReader& reader);

  Coordinates coordinates_;
  std::vector<Index> ranks_;  ///< of the moved coordinates among them, in ascending order
  Map<T> map_;
  Network<T> conditioner_;
};

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T>
void Conditioned<T, Map>::rank_moved(const LayerReader& reader) {
  if constexpr (requires { map_.count(); }) {
    for (const Index i : coordinates_.moved) {
      ranks_.push_back(
          static_cast<Index>(std::count_if(coordinates_.moved.begin(), coordinates_.moved.end(),
                                           [i](Index other) { return other < i; })));
    }
    if (map_.count() != 1 && map_.count() != moved()) {
      reader.fail(
          fmt::format("it should have one network, or one for each of {} coordinates, but has {}",
                      moved(), map_.count()));
    }
  }
}

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T> TapeShape Conditioned<T, Map>::tape_shape()
const {
  TapeShape shape;
  shape.recorded = {moved() * map_.recorded()};
  for (const Index rows : conditioner_.recorded()) shape.recorded.push_back(rows);
  shape.scratch = conditioner_.scratch();
  shape.scratch.push_back(conditioner_.inputs());
  shape.scratch.push_back(conditioner_.outputs());
  return shape;
}

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T> Batch<T>
&Conditioned<T, Map>::gather(const Tape<T>& tape, const Batch<T>& point) const {
  Batch<T>& in = input(tape);
  for (std::size_t i = 0; i < coordinates_.seen.size(); ++i) {
    std::copy_n(point.row(coordinates_.seen[i]), point.stride(), in.row(static_cast<Index>(i)));
  }
  return in;
}

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T>
void Conditioned<T, Map>::add_input(const Tape<T>& tape, Index n, Batch<T>& w) const {
  const T* addend = input(tape).row(n);
  T* row = w.row(coordinates_.seen[static_cast<std::size_t>(n)]);
  for (Index c = 0; c < w.stride(); ++c) row[c] += addend[c];
}

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T>
void Conditioned<T, Map>::add_reverse(const Tape<T>& tape, Batch<T>& w) const {
  const auto seen = static_cast<Index>(coordinates_.seen.size());
  if (seen == 0) return;
  conditioner_.reverse(tape, kConditioner, theta(tape), input(tape));
  for (Index n = 0; n < seen; ++n) add_input(tape, n, w);
}

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T>
void Conditioned<T, Map>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  conditioner_.forward(gather(tape, point), theta(tape), tape, kConditioner);
  for (Index n = 0; n < moved(); ++n) {
    map(n).forward(theta_row(tape, n), record_row(tape, n), moved_row(point, n), log_det.row(0),
                   point.stride());
  }
}

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T>
void Conditioned<T, Map>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  conditioner_.tangent(tape, kConditioner, gather(tape, v), theta(tape));
  for (Index n = 0; n < moved(); ++n) {
    map(n).tangent(record_row(tape, n), theta_row(tape, n), moved_row(v, n), v.stride());
  }
}

template <typename T, template <typename> class Map>
requires CoordinateMap<Map<T>, T>
void Conditioned<T, Map>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  for (Index n = 0; n < moved(); ++n) {
    map(n).reverse(record_row(tape, n), log_det_bar.row(0), moved_row(w, n), theta_row(tape, n),
                   w.stride());
  }
  add_reverse(tape, w);
}

}  // namespace flotilla
