// SPDX-License-Identifier: BSD-3-Clause
#include "io/draw_checksums.hpp"

#include <algorithm>
#include <array>

namespace flotilla {
namespace {

constexpr unsigned kSumBits = 32;

}  // namespace

std::uint32_t tile_checksum(std::span<const std::uint32_t> chains) {
  std::uint32_t sum = kEmptyCrc32c;
  for (const std::uint32_t chain : chains) {
    const std::array<unsigned char, 4> bytes = {
        static_cast<unsigned char>(chain), static_cast<unsigned char>(chain >> 8U),
        static_cast<unsigned char>(chain >> 16U), static_cast<unsigned char>(chain >> 24U)};
    sum = crc32c(sum, bytes.data(), bytes.size());
  }
  return sum;
}

std::int64_t DrawChecksum::packed() const {
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(draws) << kSumBits) | sum);
}

DrawChecksum DrawChecksum::unpacked(std::int64_t entry) {
  const auto bits = static_cast<std::uint64_t>(entry);
  return {static_cast<Index>(bits >> kSumBits), static_cast<std::uint32_t>(bits)};
}

DrawChecksums::DrawChecksums(Index chains, Index tile_width, Index variables)
    : chains_(chains),
      width_(tile_width),
      variables_(variables),
      sums_(static_cast<std::size_t>(chains * variables), kEmptyCrc32c),
      entries_(static_cast<std::size_t>(tiles() * variables)) {}

void DrawChecksums::restart() {
  std::fill(sums_.begin(), sums_.end(), kEmptyCrc32c);
}

template <typename V>
void DrawChecksums::add(Index variable, const V* values, Index per_chain) {
  const std::size_t bytes = static_cast<std::size_t>(per_chain) * sizeof(V);
  crc32c_of_each(of_chains(variable), static_cast<std::size_t>(chains_), values, bytes, bytes);
}

std::span<const std::int64_t> DrawChecksums::entries(Index draws) {
  std::size_t place = 0;
  for (Index tile = 0; tile < tiles(); ++tile) {
    const Index first = tile * width_;
    const Index count = std::min(width_, chains_ - first);
    for (Index variable = 0; variable < variables_; ++variable, ++place) {
      const std::uint32_t sum =
          tile_checksum({of_chains(variable) + first, static_cast<std::size_t>(count)});
      entries_[place] = DrawChecksum{draws, sum}.packed();
    }
  }
  return entries_;
}

template void DrawChecksums::add(Index, const float*, Index);
template void DrawChecksums::add(Index, const double*, Index);
template void DrawChecksums::add(Index, const std::int8_t*, Index);

}  // namespace flotilla
