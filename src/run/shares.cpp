// SPDX-License-Identifier: BSD-3-Clause
#include "run/shares.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace flotilla {
namespace {

constexpr double kWorthwhile = 0.9;    // least share of the ranks' time that goes without a word
constexpr Index kWidestInCache = 256;  // wider tiles leave the caches

/// Share of the ranks' time spent on columns that are chains.
double filled(const Division& division) {
  return static_cast<double>(division.chains) /
         static_cast<double>(division.most() * division.ranks * division.tile_width);
}

/// The even width that fills tiles best; of equals the one nearest to what was asked for, of two
/// at the same distance the wider, which is faster.
std::optional<Index> even_width(const Division& asked, Index width_unit) {
  const Index step = std::lcm(kColumnBlock, width_unit);
  const auto distance = [&](Index width) { return std::abs(width - asked.tile_width); };
  std::optional<Index> found;
  double best = kWorthwhile;
  for (Index width = step; width <= std::max(kWidestInCache, step); width += step) {
    const Division tried{asked.chains, width, asked.ranks};
    if (!tried.even() || filled(tried) < best) continue;
    const bool equal = found && filled(tried) == best;
    if (!equal || distance(width) <= distance(*found)) found = width;
    best = filled(tried);
  }
  return found;
}

}  // namespace

EvenDivisions even_divisions(const Division& division, Index superchains, Index width_unit) {
  // A tile for every rank, so many times that superchains divide the chains too.
  Index unit = division.ranks * division.tile_width;
  if (superchains > 0) unit = std::lcm(unit, superchains);
  EvenDivisions found;
  for (found.more_chains = unit; found.more_chains < division.chains; found.more_chains += unit) {
    found.fewer_chains = found.more_chains;
  }
  found.tile_width = even_width(division, width_unit);
  found.ranks = (division.tiles() + division.most() - 1) / division.most();
  return found;
}

std::string uneven_shares(const Division& division, Index superchains, Index width_unit) {
  if (division.used() >= kWorthwhile) return {};
  const EvenDivisions even = even_divisions(division, superchains, width_unit);
  std::string text = fmt::format(
      "{} tile{} of {} chains on {} ranks: {}, so that {:.0f} % of the ranks' time is used; ",
      division.tiles(), division.tiles() == 1 ? "" : "s", division.tile_width, division.ranks,
      division.idle() > 0 ? fmt::format("{} rank{} without work", division.idle(),
                                        division.idle() == 1 ? " is" : "s are")
                          : fmt::format("all wait for those that have {}", division.most()),
      100.0 * division.used());
  text += "all of it with --chains ";
  if (even.fewer_chains) text += fmt::format("{} or ", *even.fewer_chains);
  text += fmt::format("{}", even.more_chains);
  if (even.tile_width) text += fmt::format(", or with --tile-width {}", *even.tile_width);
  if (even.ranks < division.ranks) {
    text += fmt::format("; {} rank{} no longer", even.ranks, even.ranks == 1 ? " takes" : "s take");
  }
  return text;
}

}  // namespace flotilla
