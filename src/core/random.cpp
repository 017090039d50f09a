#include "flotilla/core/random.hpp"

#include <Random123/philox.h>

#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

using Philox = r123::Philox4x32;

/// Two 53-bit uniforms on (0, 1] from the counter (pair, chain, step, purpose) under the seed's
/// key.
struct UniformPair {
  double first;
  double second;
};

double to_uniform(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (std::uint64_t{high} << 32U | low) >> 11U;
  return static_cast<double>(static_cast<std::int64_t>(bits) + 1) * 0x1p-53;
}

UniformPair draw(std::uint64_t seed, Purpose purpose, std::uint64_t step, std::uint64_t chain,
                 std::uint32_t pair) {
  const Philox::key_type key = {
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)}};
  const Philox::ctr_type counter = {
      {pair, static_cast<std::uint32_t>(chain), static_cast<std::uint32_t>(step),
       static_cast<std::uint32_t>(purpose) << 24U | static_cast<std::uint32_t>(step >> 32U)}};
  const Philox::ctr_type word = Philox()(counter, key);
  return {to_uniform(word[0], word[1]), to_uniform(word[2], word[3])};
}

/// Rows 2*pair and 2*pair + 1 of one column.
template <typename T>
void fill_pair(const UniformPair& u, Index pair, Index column, Batch<T>& out) {
  const double radius = std::sqrt(-2.0 * elementary::log(u.first));
  const elementary::SinCos angle = elementary::sincos_turn(u.second);
  out(2 * pair, column) = static_cast<T>(radius * angle.cos);
  if (2 * pair + 1 < out.dim()) out(2 * pair + 1, column) = static_cast<T>(radius * angle.sin);
}

}  // namespace

template <typename T>
void Random::normals(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                     Batch<T>& out) const {
  for (Index pair = 0; 2 * pair < out.dim(); ++pair) {
    for (Index c = 0; c < out.stride(); ++c) {
      const std::uint64_t chain = first_chain + static_cast<std::uint64_t>(c);
      fill_pair(draw(seed_, purpose, step, chain, static_cast<std::uint32_t>(pair)), pair, c, out);
    }
  }
}

template <typename T>
void Random::normals(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                     const ColumnMask& mask, Batch<T>& out) const {
  for (Index c = 0; c < out.chains(); ++c) {
    if (!mask[c]) continue;
    const std::uint64_t chain = first_chain + static_cast<std::uint64_t>(c);
    for (Index pair = 0; 2 * pair < out.dim(); ++pair) {
      fill_pair(draw(seed_, purpose, step, chain, static_cast<std::uint32_t>(pair)), pair, c, out);
    }
  }
}

void Random::uniforms(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                      PerChain& out) const {
  for (Index c = 0; c < out.stride(); ++c) {
    out(0, c) = draw(seed_, purpose, step, first_chain + static_cast<std::uint64_t>(c), 0).first;
  }
}

template void Random::normals(Purpose, std::uint64_t, std::uint64_t, Batch<float>&) const;
template void Random::normals(Purpose, std::uint64_t, std::uint64_t, Batch<double>&) const;
template void Random::normals(Purpose, std::uint64_t, std::uint64_t, const ColumnMask&,
                              Batch<float>&) const;
template void Random::normals(Purpose, std::uint64_t, std::uint64_t, const ColumnMask&,
                              Batch<double>&) const;

}  // namespace flotilla
