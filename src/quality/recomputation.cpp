// SPDX-License-Identifier: BSD-3-Clause
#include "quality/recomputation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>

#include "flotilla/core/error.hpp"
#include "flotilla/target/registry.hpp"
#include "run/derived_outputs.hpp"

namespace flotilla {
namespace {

/// @throws InputError if it is none
Index tile_width_of(const RunReader& run) {
  constexpr double kWidest = 1U << 12U;
  const double width = run.number("tile_width");
  if (width >= 1.0 && width <= kWidest) return static_cast<Index>(width);
  throw InputError(
      fmt::format("{}: tile_width should be from 1 to {} but is {}", run.path(), kWidest, width));
}

/// Whether two numbers have the same bits.
bool same_bits(float one, float other) {
  return std::bit_cast<std::uint32_t>(one) == std::bit_cast<std::uint32_t>(other);
}
bool same_bits(double one, double other) {
  return std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(other);
}

/// Counts how far values are from those expected.
template <typename V>
void compare(V found, V expected, double tolerance, Index chain, Index draw, Recomputed& so_far) {
  ++so_far.values;
  if (same_bits(found, expected)) {
    ++so_far.equal;
    return;
  }
  if (found == expected || (std::isnan(found) && std::isnan(expected))) return;
  double deviation = std::abs(static_cast<double>(found) - static_cast<double>(expected)) /
                     std::max(1.0, std::abs(static_cast<double>(expected)));
  if (!std::isfinite(deviation)) deviation = std::numeric_limits<double>::infinity();
  if (deviation > tolerance) ++so_far.beyond;
  if (deviation <= so_far.largest) return;
  so_far.largest = deviation;
  so_far.chain = chain;
  so_far.draw = draw;
}

/// The stored values of one draw of a tile, and the same recomputed.
template <typename T>
class Tile {
 public:
  /// @param target   null: log pi is not recomputed
  /// @param density  null: nothing was derived from draws
  Tile(const RunReader& run, const Flow<T>& flow, const Target<T>* target, const Density* density,
       Index width)
      : run_(run),
        flow_(flow),
        target_(target),
        derived_(density),
        draws_(flow.dim(), width, 1, false),
        z_variable_(run.variable("unconstrained_posterior", "z")),
        x_variable_(run.variable("posterior", "x")),
        log_det_variable_(run.variable("sample_stats", "log_det_jacobian")),
        lp_variable_(run.variable("sample_stats", "lp")),
        z_(flow.dim(), width),
        x_(flow.dim(), width),
        log_det_(1, width),
        log_density_(1, width),
        cotangents_(flow.dim(), width),
        tape_(flow.tape_shape(), width) {
    for (const RunVariable* other : {&x_variable_, &log_det_variable_, &lp_variable_}) {
      expect_same_draws(run.path(), z_variable_, *other);
    }
    for (const DerivedVariable& derived : derived_.variables()) add_derived(derived);
    if (z_variable_.dim == flow.dim() && x_variable_.dim == flow.dim()) return;
    throw InputError(
        fmt::format("{}: z and x should have {} coordinates, as the flow has, but "
                    "have {} and {}",
                    run.path(), flow.dim(), z_variable_.dim, x_variable_.dim));
  }

  Index chains() const { return z_variable_.chains; }
  Index draws() const { return z_variable_.draws; }
  Index width() const { return z_.chains(); }

  /// @param found  x, l, with a target log pi, and each derived variable
  void compare_with(Index tile, Index draw, double tolerance, std::vector<Recomputed>& found) {
    const Index first = tile * width();
    const Index count = std::min(width(), chains() - first);
    compute(first, count, draw);
    read(x_variable_, first, count, draw, points_);
    read(log_det_variable_, first, count, draw, numbers_);
    for (Index c = 0; c < count; ++c) {
      const T* const point = points_.data() + c * flow_.dim();
      for (Index i = 0; i < flow_.dim(); ++i) {
        compare(point[i], x_(i, c), tolerance, first + c, draw, found[0]);
      }
      compare(numbers_[static_cast<std::size_t>(c)], log_det_(0, c), tolerance, first + c, draw,
              found[1]);
    }
    auto next = found.begin() + 2;
    if (target_ != nullptr) {
      read(lp_variable_, first, count, draw, numbers_);
      for (Index c = 0; c < count; ++c) {
        compare(numbers_[static_cast<std::size_t>(c)], log_density_(0, c), tolerance, first + c,
                draw, *next);
      }
      ++next;
    }
    if (next != found.end()) compare_derived(first, count, draw, tolerance, &*next);
  }

 private:
  void add_derived(const DerivedVariable& derived) {
    derived_variables_.push_back(run_.variable("posterior", derived.name));
    const RunVariable& variable = derived_variables_.back();
    expect_same_draws(run_.path(), z_variable_, variable);
    if (variable.dim == derived.size()) return;
    throw InputError(fmt::format("{}: {} should have {} values, as the density derives, but has {}",
                                 run_.path(), derived.name, derived.size(), variable.dim));
  }

  /// What the density derives from the stored x, which points_ holds.
  void compare_derived(Index first, Index count, Index draw, double tolerance, Recomputed* found) {
    draws_.restart(1);
    std::fill(draws_.x.begin(), draws_.x.end(), points_.front());
    std::copy(points_.begin(), points_.end(), draws_.x.begin());
    const std::vector<std::vector<double>>& expected = derived_.of(draws_);
    for (std::size_t v = 0; v < expected.size(); ++v) {
      const RunVariable& variable = derived_variables_[v];
      read(variable, first, count, draw, numbers_);
      for (std::size_t i = 0; i < numbers_.size(); ++i) {
        compare(numbers_[i], expected[v][i], tolerance,
                first + static_cast<Index>(i) / variable.dim, draw, found[v]);
      }
    }
  }

  /// As the run did: further columns of the last tile repeat a chain.
  void compute(Index first, Index count, Index draw) {
    read(z_variable_, first, count, draw, points_);
    for (Index c = 0; c < width(); ++c) {
      const T* const point = points_.data() + std::min(c, count - 1) * flow_.dim();
      for (Index i = 0; i < flow_.dim(); ++i) z_(i, c) = point[i];
    }
    x_ = z_;
    log_det_.fill(0.0);
    flow_.forward(x_, log_det_, tape_);
    if (target_ != nullptr) target_->evaluate(z_, x_, log_det_, log_density_, cotangents_);
  }

  template <typename V>
  void read(const RunVariable& variable, Index first, Index count, Index draw,
            std::vector<V>& values) {
    const RunSlab slab = {first, count, draw, 1, 0, variable.dim};
    values.resize(static_cast<std::size_t>(slab.size()));
    run_.read(variable, slab, values.data());
  }

  const RunReader& run_;
  const Flow<T>& flow_;
  const Target<T>* target_;
  DerivedOutputs derived_;
  DrawBlock<T> draws_;  ///< of which those are derived
  std::vector<RunVariable> derived_variables_;
  RunVariable z_variable_;
  RunVariable x_variable_;
  RunVariable log_det_variable_;
  RunVariable lp_variable_;
  Batch<T> z_;
  Batch<T> x_;
  PerChain log_det_;
  PerChain log_density_;
  Cotangents<T> cotangents_;
  Tape<T> tape_;
  std::vector<T> points_;
  std::vector<double> numbers_;
};

/// What all ranks found. Collective.
std::vector<Recomputed> of_all_ranks(std::vector<Recomputed> own, const Communicator& comm) {
  for (Recomputed& quantity : own) {
    const std::vector<double> all =
        comm.gather({quantity.values, quantity.equal, quantity.beyond, quantity.largest,
                     static_cast<double>(quantity.chain), static_cast<double>(quantity.draw)});
    quantity = {.name = quantity.name};
    for (auto rank = all.begin(); rank != all.end(); rank += 6) {
      quantity.values += rank[0];
      quantity.equal += rank[1];
      quantity.beyond += rank[2];
      if (rank[3] <= quantity.largest) continue;
      quantity.largest = rank[3];
      quantity.chain = static_cast<Index>(rank[4]);
      quantity.draw = static_cast<Index>(rank[5]);
    }
  }
  return own;
}

template <typename T>
std::vector<Recomputed> recompute_in(const RunReader& run, const FlowRecord& record,
                                     const Recomputation& what, const Communicator& comm) {
  std::vector<Recomputed> found = {{.name = "posterior/x"},
                                   {.name = "sample_stats/log_det_jacobian"}};
  if (what.log_density) found.push_back({.name = "sample_stats/lp"});
  const DerivedOutputs outputs(what.density);
  for (const DerivedVariable& derived : outputs.variables()) {
    found.push_back({.name = "posterior/" + derived.name});
  }
  comm.together([&] {
    const Flow<T> flow(record);
    std::unique_ptr<Target<T>> target;
    if (what.log_density) target = make_target<T>(what.target, flow, what.density);
    const Index width = tile_width_of(run);
    Tile<T> tile(run, flow, target.get(), what.density, width);
    const Index tiles = (tile.chains() + width - 1) / width;
    const Index all = tiles * tile.draws();
    const Index wanted = std::min(all, (what.points + width - 1) / width);
    for (Index i = comm.rank(); i < wanted; i += comm.size()) {
      const Index place = wanted > 1 ? i * (all - 1) / (wanted - 1) : all - 1;
      tile.compare_with(place / tile.draws(), place % tile.draws(), what.tolerance, found);
    }
  });
  return of_all_ranks(std::move(found), comm);
}

}  // namespace

std::vector<Recomputed> recompute(const RunReader& run, const FlowRecord& record,
                                  const Recomputation& what, const Communicator& comm) {
  if (run.text("precision") == "double") return recompute_in<double>(run, record, what, comm);
  return recompute_in<float>(run, record, what, comm);
}

}  // namespace flotilla
