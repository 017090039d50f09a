#include "flotilla/run/schedule.hpp"

#include <algorithm>

namespace flotilla {
namespace {

constexpr Index kChunkBytes = Index{1} << 20U;
constexpr Index kBlockBytes = Index{1} << 28U;  // of a rank's draws in data space, before a write
constexpr Index kChunkDraws = 100;
constexpr Index kBlockSteps = 256;  // between two reports, two exchanges, two commits

std::vector<Block> cut(std::uint64_t first_step, Index steps, Index block_steps, Index thin) {
  std::vector<Block> blocks;
  for (Index done = 0; done < steps; done += block_steps) {
    blocks.push_back({first_step + static_cast<std::uint64_t>(done),
                      std::min(block_steps, steps - done), first_step, thin});
  }
  return blocks;
}

}  // namespace

Index Schedule::largest_draws() const {
  Index largest = 0;
  for (const Block& block : warmup) largest = std::max(largest, block.draws());
  for (const Block& block : sampling) largest = std::max(largest, block.draws());
  return largest;
}

Schedule make_schedule(const RunConfig& config, Index bytes_per_point, Index largest_share) {
  Schedule schedule;
  schedule.chunk_draws =
      std::clamp<Index>(kChunkBytes / (config.tile_width * bytes_per_point), 1, kChunkDraws);
  const Index most = std::max<Index>(1, kBlockBytes / (largest_share * bytes_per_point));
  const Index draws = std::min(
      {schedule.chunk_draws, std::max<Index>(1, kBlockSteps / config.thin), most, config.draws});
  schedule.warmup =
      cut(0, config.warmup, config.exchange_every, config.save_warmup ? config.thin : 0);
  schedule.sampling = cut(static_cast<std::uint64_t>(config.warmup), config.draws * config.thin,
                          draws * config.thin, config.thin);
  return schedule;
}

}  // namespace flotilla
