// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/random.hpp"

#include <Random123/philox.h>

#include <array>
#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

using Philox = r123::Philox4x32;

/// What all numbers of one call share.
struct Stream {
  std::uint64_t seed;
  Purpose purpose;
  std::uint64_t step;
};

// Normals use pairs below this one, whatever the dimension.
constexpr std::uint32_t kSelectorPair = 1U << 31U;

double to_uniform(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (std::uint64_t{high} << 32U | low) >> 11U;
  return static_cast<double>(static_cast<std::int64_t>(bits) + 1) * 0x1p-53;
}

Philox::key_type key_of(const Stream& stream) {
  return {
      {static_cast<std::uint32_t>(stream.seed), static_cast<std::uint32_t>(stream.seed >> 32U)}};
}

Philox::ctr_type counter_of(const Stream& stream, std::uint64_t chain, std::uint32_t pair) {
  return {{pair, static_cast<std::uint32_t>(chain), static_cast<std::uint32_t>(stream.step),
           static_cast<std::uint32_t>(stream.purpose) << 24U |
               static_cast<std::uint32_t>(stream.step >> 32U)}};
}

/// Two 53-bit uniforms on (0, 1] from the counter (pair, chain, step, purpose) under the seed's
/// key.
struct UniformPair {
  double first;
  double second;
};

UniformPair draw(const Stream& stream, std::uint64_t chain, std::uint32_t pair) {
  const Philox::ctr_type word = Philox()(counter_of(stream, chain, pair), key_of(stream));
  return {to_uniform(word[0], word[1]), to_uniform(word[2], word[3])};
}

/// The generator's words for the columns of a block: those of Random123, whose generator does not
/// vectorise.
struct Words {
  using Column = std::array<std::uint32_t, kColumnBlock>;
  Column first;
  Column second;
  Column third;
  Column fourth;

  void fill(const Stream& stream, std::uint64_t first_chain, std::uint32_t pair) {
    const Philox::ctr_type counter = counter_of(stream, first_chain, pair);
    for (std::uint32_t c = 0; c < kColumnBlock; ++c) {
      first[c] = counter[0];
      second[c] = counter[1] + c;
      third[c] = counter[2];
      fourth[c] = counter[3];
    }
    Philox::key_type key = key_of(stream);
    for (int round = 0; round < PHILOX4x32_DEFAULT_ROUNDS; ++round) {
      mix(key);
      key[0] += PHILOX_W32_0;
      key[1] += PHILOX_W32_1;
    }
  }

 private:
  void mix(const Philox::key_type& key) {
    for (std::size_t c = 0; c < kColumnBlock; ++c) {
      const std::uint64_t one = std::uint64_t{PHILOX_M4x32_0} * first[c];
      const std::uint64_t other = std::uint64_t{PHILOX_M4x32_1} * third[c];
      first[c] = static_cast<std::uint32_t>(other >> 32U) ^ second[c] ^ key[0];
      second[c] = static_cast<std::uint32_t>(other);
      third[c] = static_cast<std::uint32_t>(one >> 32U) ^ fourth[c] ^ key[1];
      fourth[c] = static_cast<std::uint32_t>(one);
    }
  }
};

/// Two normals for each column of a block, by Box and Muller. Loops over columns vectorise.
struct NormalPairs {
  Words words;
  std::array<double, kColumnBlock> first;
  std::array<double, kColumnBlock> second;

  void fill(const Stream& stream, std::uint64_t first_chain, std::uint32_t pair) {
    words.fill(stream, first_chain, pair);
    for (std::size_t c = 0; c < kColumnBlock; ++c) {
      first[c] = to_uniform(words.first[c], words.second[c]);
      second[c] = to_uniform(words.third[c], words.fourth[c]);
    }
    for (std::size_t c = 0; c < kColumnBlock; ++c) {
      const double radius = std::sqrt(-2.0 * elementary::log(first[c]));
      const elementary::SinCos angle = elementary::sincos_turn(second[c]);
      first[c] = radius * angle.cos;
      second[c] = radius * angle.sin;
    }
  }
};

/// Calls store(row, column, value) for every normal of a batch.
template <typename T, typename Store>
void for_each_normal(const Stream& stream, std::uint64_t first_chain, const Batch<T>& shape,
                     Store store) {
  NormalPairs normals{};
  for (Index pair = 0; 2 * pair < shape.dim(); ++pair) {
    for (Index begin = 0; begin < shape.stride(); begin += kColumnBlock) {
      normals.fill(stream, first_chain + static_cast<std::uint64_t>(begin),
                   static_cast<std::uint32_t>(pair));
      for (Index c = 0; c < kColumnBlock; ++c) {
        store(2 * pair, begin + c, static_cast<T>(normals.first[static_cast<std::size_t>(c)]));
      }
      if (2 * pair + 1 == shape.dim()) continue;
      for (Index c = 0; c < kColumnBlock; ++c) {
        store(2 * pair + 1, begin + c, static_cast<T>(normals.second[static_cast<std::size_t>(c)]));
      }
    }
  }
}

}  // namespace

template <typename T>
void Random::normals(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                     Batch<T>& out) const {
  for_each_normal({seed_, purpose, step}, first_chain, out,
                  [&](Index row, Index column, T value) { out.row(row)[column] = value; });
}

template <typename T>
void Random::normals(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                     const ColumnMask& mask, Batch<T>& out) const {
  const T* take = mask.row<T>();
  for_each_normal({seed_, purpose, step}, first_chain, out, [&](Index row, Index column, T value) {
    T& place = out.row(row)[column];
    place = take[column] != T{} ? value : place;
  });
}

template <typename T>
void Random::uniforms(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                      const ColumnMask& mask, Batch<T>& out) const {
  const Stream stream{seed_, purpose, step};
  for (Index c = 0; c < out.chains(); ++c) {
    if (!mask[c]) continue;
    for (Index i = 0; i < out.dim(); i += 2) {
      const UniformPair u = draw(stream, first_chain + static_cast<std::uint64_t>(c),
                                 static_cast<std::uint32_t>(i / 2));
      out(i, c) = static_cast<T>(u.first);
      if (i + 1 < out.dim()) out(i + 1, c) = static_cast<T>(u.second);
    }
  }
}

double Random::selector(Purpose purpose, std::uint64_t step, std::uint64_t chain) const {
  return draw({seed_, purpose, step}, chain, kSelectorPair).first;
}

void Random::uniforms(Purpose purpose, std::uint64_t step, std::uint64_t first_chain,
                      PerChain& out) const {
  for (Index c = 0; c < out.stride(); ++c) {
    out(0, c) = draw({seed_, purpose, step}, first_chain + static_cast<std::uint64_t>(c), 0).first;
  }
}

template void Random::normals(Purpose, std::uint64_t, std::uint64_t, Batch<float>&) const;
template void Random::normals(Purpose, std::uint64_t, std::uint64_t, Batch<double>&) const;
template void Random::normals(Purpose, std::uint64_t, std::uint64_t, const ColumnMask&,
                              Batch<float>&) const;
template void Random::normals(Purpose, std::uint64_t, std::uint64_t, const ColumnMask&,
                              Batch<double>&) const;
template void Random::uniforms(Purpose, std::uint64_t, std::uint64_t, const ColumnMask&,
                               Batch<float>&) const;
template void Random::uniforms(Purpose, std::uint64_t, std::uint64_t, const ColumnMask&,
                               Batch<double>&) const;

}  // namespace flotilla
