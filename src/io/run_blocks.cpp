// SPDX-License-Identifier: BSD-3-Clause
#include "io/run_blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "io/draw_checksums.hpp"
#include "io/hdf5.hpp"
#include "io/run_layout.hpp"

namespace flotilla {
namespace {

constexpr std::array kWhatIsWrong = {
    "the bytes are not those that were written",
    "the draws are committed but have no checksum",
    "the table of checksums speaks of more draws than a block has",
    "the draws are committed but missing",
    "it cannot be read",
};

/// Read at a time, in values of one variable.
constexpr Index kValues = Index{1} << 21U;

std::string range_of(const char* one, const char* many, Index first, Index count) {
  if (count == 1) return fmt::format("{} {}", one, first);
  return fmt::format("{} {} to {}", many, first, first + count - 1);
}

/// Whether a value of a committed draw says that there is none.
template <typename V>
bool is_missing(V value) {
  if constexpr (std::is_same_v<V, std::int8_t>) return value == kMissingFlag;
  if constexpr (!std::is_same_v<V, std::int8_t>) return std::isnan(value);
}

/// A block of a tile, of one variable.
struct Unit {
  const StoredVariable& stored;
  BlockFault place;  ///< of the block's complete draws
};

/// Calls visit(first chain, chains, values, values of each chain) with the first draws of a unit, a
/// part of them at a time: all parts of some chains in the order of their draws, then the next
/// chains.
template <typename V, typename Visit>
void read_unit(const Unit& unit, Index draws, std::vector<V>& values, Visit visit) {
  const RunVariable& variable = unit.stored.variable;
  const Index dim = variable.dim;
  const Index most_draws = std::max<Index>(1, std::min(draws, kValues / dim));
  const Index most_chains = std::max<Index>(1, kValues / (most_draws * dim));
  for (Index c = 0; c < unit.place.chains; c += most_chains) {
    const Index chains = std::min(most_chains, unit.place.chains - c);
    for (Index d = 0; d < draws; d += most_draws) {
      const Index count = std::min(most_draws, draws - d);
      values.resize(static_cast<std::size_t>(chains * count * dim));
      hdf5::Slab slab = {
          {hdf5::size_of(unit.place.first_chain + c), hdf5::size_of(unit.place.first_draw + d)},
          {hdf5::size_of(chains), hdf5::size_of(count)}};
      for (const Index size : variable.shape) {
        slab.start.push_back(0);
        slab.count.push_back(hdf5::size_of(size));
      }
      variable.dataset->read(slab, values.data());
      visit(c, chains, values.data(), count * dim);
    }
  }
}

class Blocks {
 public:
  Blocks(const RunReader& run, const RunStructure& structure)
      : crash_(hdf5::crash_sentence(run.path())), structure_(structure) {}

  void look(Index variable, Index first_tile, Index share) {
    const StoredVariable& stored = structure_.variables[static_cast<std::size_t>(variable)];
    const Index tiles = (stored.variable.chains + stored.tile_chains - 1) / stored.tile_chains;
    for (Index d = 0; d < stored.variable.draws; d += stored.block_draws) {
      for (Index tile = first_tile; tile < tiles; tile += share) {
        const Index chain = tile * stored.tile_chains;
        const Unit unit = {stored,
                           {.variable = variable,
                            .first_chain = chain,
                            .chains = std::min(stored.tile_chains, stored.variable.chains - chain),
                            .first_draw = d,
                            .draws = std::min(stored.block_draws, stored.variable.draws - d)}};
        try {
          look_at(unit, tile);
        } catch (const InputError&) {
          fault(unit, BlockFaultKind::kUnreadable);
        } catch (const Hdf5Error&) {
          fault(unit, BlockFaultKind::kUnreadable);
        }
      }
    }
  }

  BlockFindings found() { return std::move(found_); }

 private:
  void fault(const Unit& unit, BlockFaultKind kind) {
    found_.faults.push_back(unit.place);
    found_.faults.back().kind = kind;
  }

  void look_at(const Unit& unit, Index tile) {
    switch (unit.stored.stored) {
      case Stored::kFloat:
        return look_at(unit, tile, floats_);
      case Stored::kDouble:
        return look_at(unit, tile, doubles_);
      case Stored::kFlag:
        return look_at(unit, tile, flags_);
    }
  }

  template <typename V>
  void look_at(const Unit& unit, Index tile, std::vector<V>& values) {
    if (unit.stored.checksums) {
      compare(unit, tile, values);
    } else if (!unit.stored.may_be_nan) {
      look_for_missing(unit, values);
    }
  }

  template <typename V>
  void compare(const Unit& unit, Index tile, std::vector<V>& values) {
    const ChecksumColumn& column = *unit.stored.checksums;
    std::int64_t packed = 0;
    column.table->read({{hdf5::size_of(unit.place.first_draw / unit.stored.block_draws),
                         hdf5::size_of(tile), hdf5::size_of(column.column)},
                        {1, 1, 1}},
                       &packed);
    const DrawChecksum entry = DrawChecksum::unpacked(packed);
    const Index room = static_cast<Index>(unit.stored.variable.dataset->sizes()[1]);
    if (entry.draws < unit.place.draws) return fault(unit, BlockFaultKind::kUnchecked);
    if (entry.draws > std::min(unit.stored.block_draws, room - unit.place.first_draw)) {
      return fault(unit, BlockFaultKind::kImpossible);
    }
    std::vector<std::uint32_t> sums(static_cast<std::size_t>(unit.place.chains), kEmptyCrc32c);
    read_unit(
        unit, entry.draws, values, [&](Index chain, Index chains, const V* part, Index per_chain) {
          const std::size_t bytes = static_cast<std::size_t>(per_chain) * sizeof(V);
          crc32c_of_each(sums.data() + chain, static_cast<std::size_t>(chains), part, bytes, bytes);
          found_.bytes += static_cast<double>(bytes) * static_cast<double>(chains);
        });
    ++found_.checksums;
    if (tile_checksum(sums) == entry.sum) return;
    fault(unit, BlockFaultKind::kChanged);
    found_.faults.back().draws = entry.draws;
  }

  template <typename V>
  void look_for_missing(const Unit& unit, std::vector<V>& values) {
    bool missing = false;
    read_unit(unit, unit.place.draws, values,
              [&](Index, Index chains, const V* part, Index per_chain) {
                missing = missing || std::any_of(part, part + chains * per_chain, is_missing<V>);
                found_.bytes += static_cast<double>(chains * per_chain) * double{sizeof(V)};
              });
    if (missing) fault(unit, BlockFaultKind::kMissing);
  }

  CrashSentence crash_;
  const RunStructure& structure_;
  BlockFindings found_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
  std::vector<std::int8_t> flags_;
};

}  // namespace

std::string text_of(const BlockFault& fault, const RunStructure& structure) {
  return fmt::format("{}, {}, {}: {}",
                     structure.variables.at(static_cast<std::size_t>(fault.variable)).name,
                     range_of("chain", "chains", fault.first_chain, fault.chains),
                     range_of("draw", "draws", fault.first_draw, fault.draws),
                     kWhatIsWrong.at(static_cast<std::size_t>(fault.kind)));
}

BlockFindings look_at_blocks(const RunReader& run, const RunStructure& structure, Index first_tile,
                             Index share) {
  Blocks blocks(run, structure);
  for (std::size_t v = 0; v < structure.variables.size(); ++v) {
    blocks.look(static_cast<Index>(v), first_tile, share);
  }
  return blocks.found();
}

}  // namespace flotilla
