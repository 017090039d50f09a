#include "flotilla/run/config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "flotilla/core/error.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/sampler/statistics.hpp"
#include "flotilla/target/registry.hpp"

namespace flotilla {
namespace {

constexpr Index kMostChains = MoveStatistics::kMostMoves;  // of one step; Philox could number 2^32
constexpr Index kMostSteps = Index{1} << 48U;              // its step is less than two
constexpr Index kWidestTile = 4096;

void expect_within(const char* option, Index value, Index low, Index high) {
  if (value >= low && value <= high) return;
  throw InputError(fmt::format("--{} should be a whole number from {} to {} but is {}", option, low,
                               high, value));
}

void expect(bool holds, const char* option, const char* range, double value) {
  if (!holds) throw InputError(fmt::format("--{} should be {} but is {}", option, range, value));
}

void expect_one_of(const char* option, const std::string& value,
                   std::initializer_list<const char*> names) {
  if (std::find(names.begin(), names.end(), value) != names.end()) return;
  throw InputError(
      fmt::format("--{} should be one of {} but is '{}'", option, fmt::join(names, ", "), value));
}

}  // namespace

void RunConfig::validate() const {
  if (output.empty()) throw InputError("--output should name a file but is empty");
  expect_within("chains", chains, 1, kMostChains);
  expect_within("warmup", warmup, 0, kMostSteps);
  expect_within("draws", draws, 1, kMostSteps);
  expect_within("superchains", superchains, 0, chains);
  if (superchains > 0 && (superchains == 1 || superchains == chains || chains % superchains != 0)) {
    throw InputError(fmt::format(
        "--superchains should be at least 2, fewer than --chains {}, and divide it, but is {}",
        chains, superchains));
  }
  if (may_stop_early() && report_every == 0) {
    throw InputError("--until-rhat and --until-ess are looked at in reports: set --report-every");
  }
  expect(until_rhat.value_or(1.0) >= 1.0, "until-rhat", "at least 1", until_rhat.value_or(1.0));
  expect(until_ess.value_or(0.0) >= 0.0, "until-ess", "at least 0", until_ess.value_or(0.0));
  expect_within("thin", thin, 1, kMostSteps / draws);
  expect_within("report-every", report_every, 0, kMostSteps / thin);
  expect_within("exchange-every", exchange_every, 1, kMostSteps);
  const Index window = std::min(exchange_every, warmup);
  if (window > 0 && chains > MoveStatistics::kMostMoves / window) {
    throw InputError(fmt::format("--exchange-every should be at most {} with {} chains but is {}",
                                 std::max<Index>(1, MoveStatistics::kMostMoves / chains), chains,
                                 exchange_every));
  }
  expect_within("tile-width", tile_width, kColumnBlock, kWidestTile);
  expect(tile_width % kColumnBlock == 0, "tile-width", "a multiple of 32",
         static_cast<double>(tile_width));
  if (seed > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw InputError(fmt::format("--seed should be below 2^63 but is {}", seed));
  }
  expect_target(target);
  expect_kernel(kernel);
  expect_one_of("precision", precision, {"float", "double"});
  expect(global_fraction >= 0.0 && global_fraction <= 1.0, "global-fraction", "from 0 to 1",
         global_fraction);
  expect(target_accept > 0.0 && target_accept < 1.0, "target-accept", "between 0 and 1",
         target_accept);
  const double step = step_size.value_or(1.0);
  expect(step > 0.0 && step <= std::numeric_limits<float>::max(), "step-size",
         "positive and finite", step);
}

}  // namespace flotilla
