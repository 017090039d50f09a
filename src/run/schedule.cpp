// SPDX-License-Identifier: BSD-3-Clause
#include "run/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

constexpr Index kChunkBytes = Index{1} << 20U;
constexpr Index kBlockBytes = Index{1} << 27U;  // of a rank's draws in data space, per block
constexpr double kWarmupBytes = 0x1p32;         // the same in warm-up, where a block is a window
constexpr Index kChunkDraws = 100;
constexpr Index kFewestWindows = 20;  // of a warm-up; a shorter warm-up has windows of a step
constexpr Index kBlockSteps = 256;  // most steps between two reports, two exchanges or two commits

}  // namespace

Blocks::Blocks(std::uint64_t first_step, Index steps, Index block_steps, Index stretch, Index thin)
    : first_step_(first_step),
      steps_(steps),
      block_steps_(block_steps),
      stretch_(stretch > 0 ? stretch : std::max<Index>(1, steps)),
      thin_(thin) {}

Index Blocks::size() const {
  const Index in_stretch = (stretch_ + block_steps_ - 1) / block_steps_;
  const Index rest = steps_ % stretch_;
  return steps_ / stretch_ * in_stretch + (rest + block_steps_ - 1) / block_steps_;
}

Block Blocks::operator[](Index i) const {
  const Index in_stretch = (stretch_ + block_steps_ - 1) / block_steps_;
  const Index begin = i / in_stretch * stretch_;
  const Index end = std::min(begin + stretch_, steps_);
  const Index done = begin + i % in_stretch * block_steps_;
  return {first_step_ + static_cast<std::uint64_t>(done), std::min(block_steps_, end - done),
          first_step_, thin_};
}

Block Blocks::after(Index done, Index most) const {
  const Index in_stretch = (stretch_ + block_steps_ - 1) / block_steps_;
  const Block whole = (*this)[done / stretch_ * in_stretch + done % stretch_ / block_steps_];
  const auto begin = static_cast<Index>(whole.first_step - first_step_);
  return {first_step_ + static_cast<std::uint64_t>(done),
          std::min(most, begin + whole.steps - done), first_step_, thin_};
}

bool Blocks::ends_with(const Block& part) const {
  const auto end = static_cast<Index>(part.first_step - first_step_) + part.steps;
  return end == steps_ || end % stretch_ == 0 || end % stretch_ % block_steps_ == 0;
}

Index Blocks::largest_draws() const {
  return thin_ == 0 ? 0 : (std::min(block_steps_, steps_) + thin_ - 1) / thin_;
}

Index Schedule::largest_draws() const {
  return std::max(warmup.largest_draws(), sampling.largest_draws());
}

Schedule make_schedule(const RunConfig& config, Index bytes_per_point, Index largest_share) {
  Schedule schedule;
  schedule.chunk_draws =
      std::clamp<Index>(kChunkBytes / (config.tile_width * bytes_per_point), 1, kChunkDraws);
  const Index most = std::max<Index>(1, kBlockBytes / (largest_share * bytes_per_point));
  const Index draws = std::min(
      {schedule.chunk_draws, std::max<Index>(1, kBlockSteps / config.thin), most, config.draws});
  const Index window =
      std::min(config.exchange_every, std::max<Index>(1, config.warmup / kFewestWindows));
  schedule.warmup = Blocks(0, config.warmup, window, 0, config.save_warmup ? config.thin : 0);
  const double held = static_cast<double>(schedule.warmup.largest_draws()) *
                      static_cast<double>(largest_share * bytes_per_point);
  if (held > kWarmupBytes) {
    throw InputError(fmt::format(
        "with --save-warmup a window's draws are held in memory, {:.3g} GB on a rank at "
        "--exchange-every {}: exchange more often, or thin more",
        held * 1e-9, config.exchange_every));
  }
  const Index steps = std::min(
      {draws * config.thin, kBlockSteps, Index{MoveStatistics::kMostMoves} / config.chains});
  schedule.sampling = Blocks(static_cast<std::uint64_t>(config.warmup), config.draws * config.thin,
                             steps, config.report_every * config.thin, config.thin);
  return schedule;
}

}  // namespace flotilla
