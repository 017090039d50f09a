// SPDX-License-Identifier: BSD-3-Clause
#include "io/points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/io/numbers.hpp"
#include "flotilla/io/run_reader.hpp"
#include "io/array.hpp"
#include "io/run_slabs.hpp"

namespace flotilla {
namespace {

constexpr Index kBlockValues = Index{1} << 20U;

/// The draws x of a run file. @throws InputError if it has none
RunVariable draws_of(const RunReader& run) {
  RunVariable x = run.variable("posterior", "x");
  if (x.draws > 0) return x;
  throw InputError(
      fmt::format("{}: this run has no complete draws yet: name one that has", run.path()));
}

Tensor last_draws(const RunReader& run) {
  const RunVariable x = draws_of(run);
  const double count = static_cast<double>(x.chains) * static_cast<double>(x.dim);
  if (count > kLargestArray) {
    throw InputError(fmt::format("{}: its last draws, {} chains x {} coordinates, are too many",
                                 run.path(), x.chains, x.dim));
  }
  Tensor points{{x.chains, x.dim}, std::vector<double>(static_cast<std::size_t>(count))};
  run.read(x, {0, x.chains, x.draws - 1, 1, 0, x.dim}, points.values.data());
  return points;
}

bool is_run(const Location& location) {
  return location.dataset.empty() && RunReader::is_run_file(location.path);
}

}  // namespace

Tensor read_points(const Location& location) {
  return is_run(location) ? last_draws(RunReader(location.path)) : read_numbers(location);
}

void read_point_blocks(
    const Location& location,
    const std::function<void(const double* rows, Index count, Index dim)>& visit) {
  std::vector<double> block;
  if (is_run(location)) {
    const RunReader run(location.path);
    const RunVariable x = draws_of(run);
    const auto read = [&](const RunSlab& slab) {
      block.resize(static_cast<std::size_t>(slab.size()));
      run.read(x, slab, block.data());
      visit(block.data(), slab.chains * slab.draws, x.dim);
    };
    for_each_slab(x, read, {0, x.dim});
    return;
  }
  const RowReader rows(location);
  if (rows.rows() == 0 || rows.columns() == 0) {
    throw InputError(fmt::format("{}: it holds no points", location.text()));
  }
  const Index most = std::max<Index>(1, kBlockValues / rows.columns());
  for (Index first = 0; first < rows.rows(); first += most) {
    const Index count = std::min(most, rows.rows() - first);
    block.resize(static_cast<std::size_t>(count * rows.columns()));
    rows.read(first, count, block.data());
    visit(block.data(), count, rows.columns());
  }
}

}  // namespace flotilla
