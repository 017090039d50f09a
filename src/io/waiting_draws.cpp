// SPDX-License-Identifier: BSD-3-Clause
#include "io/waiting_draws.hpp"

#include <cstdint>

namespace flotilla {

template <typename V>
WaitingDraws<V>::WaitingDraws(Index chains, Index most, Index width)
    : chains_(chains), width_(width), values_(static_cast<std::size_t>(chains * most * width)) {}

template <typename V>
void WaitingDraws<V>::add(const DrawProgress& progress, const V* values, Index draws, Index first,
                          Index count) {
  const Index room = progress.room();
  for (Index c = 0; c < chains_; ++c) {
    std::copy_n(values + (c * draws + first) * width_, count * width_,
                values_.data() + (c * room + progress.waiting) * width_);
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
