// SPDX-License-Identifier: BSD-3-Clause
#include "io/waiting_draws.hpp"

#include "io/crc32c.hpp"

namespace flotilla {

template <typename V>
WaitingDraws<V>::WaitingDraws(Index chains, Index most, Index width)
    : chains_(chains), width_(width), values_(static_cast<std::size_t>(chains * most * width)) {}

/// The checksums read each chain's draws while these are in the cache.
template <typename V>
void WaitingDraws<V>::add(const DrawProgress& progress, const V* values, Index draws, Index first,
                          Index count, std::uint32_t* sums) {
  constexpr Index kTogether = 4;
  const Index stride = progress.room() * width_;
  const auto bytes = [](Index of_values) {
    return static_cast<std::size_t>(of_values) * sizeof(V);
  };
  for (Index c = 0; c < chains_; c += kTogether) {
    const Index chains = std::min(kTogether, chains_ - c);
    V* const place = values_.data() + c * stride + progress.waiting * width_;
    for (Index k = 0; k < chains; ++k) {
      std::copy_n(values + ((c + k) * draws + first) * width_, count * width_, place + k * stride);
    }
    crc32c_of_each(sums + c, static_cast<std::size_t>(chains), place, bytes(stride),
                   bytes(count * width_));
  }
}

template <typename V>
const V* WaitingDraws<V>::closed_up(const DrawProgress& progress) {
  const Index room = progress.room();
  if (progress.waiting == room) return values_.data();
  for (Index c = 1; c < chains_; ++c) {
    std::copy_n(values_.data() + c * room * width_, progress.waiting * width_,
                values_.data() + c * progress.waiting * width_);
  }
  return values_.data();
}

template class WaitingDraws<float>;
template class WaitingDraws<double>;
template class WaitingDraws<std::int8_t>;

}  // namespace flotilla
