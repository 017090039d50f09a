// SPDX-License-Identifier: BSD-3-Clause
#include "io/crc32c.hpp"

#include <array>
#include <cstring>

namespace flotilla {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;

/// The remainder of each byte.
constexpr std::array<std::uint32_t, 256> kRemainders = [] {
  std::array<std::uint32_t, 256> remainders{};
  for (std::uint32_t byte = 0; byte < remainders.size(); ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1U) ^ ((remainder & 1U) != 0 ? kPolynomial : 0U);
    }
    remainders[byte] = remainder;
  }
  return remainders;
}();

#ifdef __SSE4_2__

using Word = unsigned long long;  // as the instruction takes it

Word word_at(const unsigned char* bytes) {
  Word word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

/// The instruction takes three cycles, but one can begin in every cycle: so four texts go at once.
void four_at_once(std::uint32_t* sums, const unsigned char* bytes, std::size_t stride,
                  std::size_t length) {
  Word a = ~sums[0];
  Word b = ~sums[1];
  Word c = ~sums[2];
  Word d = ~sums[3];
  const std::size_t whole = length / sizeof(Word) * sizeof(Word);
  for (std::size_t i = 0; i < whole; i += sizeof(Word)) {
    a = __builtin_ia32_crc32di(a & 0xFFFFFFFFU, word_at(bytes + i));
    b = __builtin_ia32_crc32di(b & 0xFFFFFFFFU, word_at(bytes + stride + i));
    c = __builtin_ia32_crc32di(c & 0xFFFFFFFFU, word_at(bytes + 2 * stride + i));
    d = __builtin_ia32_crc32di(d & 0xFFFFFFFFU, word_at(bytes + 3 * stride + i));
  }
  const std::array<Word, 4> halfway = {a, b, c, d};
  for (std::size_t k = 0; k < halfway.size(); ++k) {
    sums[k] =
        crc32c(~static_cast<std::uint32_t>(halfway[k]), bytes + k * stride + whole, length - whole);
  }
}

#endif

}  // namespace

std::uint32_t crc32c_by_table(std::uint32_t sum, const void* bytes, std::size_t length) {
  const auto* const text = static_cast<const unsigned char*>(bytes);
  std::uint32_t state = ~sum;
  for (std::size_t i = 0; i < length; ++i) {
    state = (state >> 8U) ^ kRemainders[(state ^ text[i]) & 0xFFU];
  }
  return ~state;
}

#ifdef __SSE4_2__

std::uint32_t crc32c(std::uint32_t sum, const void* bytes, std::size_t length) {
  const auto* const text = static_cast<const unsigned char*>(bytes);
  Word state = ~sum;
  std::size_t i = 0;
  for (; i + sizeof(Word) <= length; i += sizeof(Word)) {
    state = __builtin_ia32_crc32di(state & 0xFFFFFFFFU, word_at(text + i));
  }
  auto rest = static_cast<std::uint32_t>(state);
  for (; i < length; ++i) rest = __builtin_ia32_crc32qi(rest, text[i]);
  return ~rest;
}

void crc32c_of_each(std::uint32_t* sums, std::size_t texts, const void* bytes, std::size_t stride,
                    std::size_t length) {
  const auto* const text = static_cast<const unsigned char*>(bytes);
  std::size_t k = 0;
  for (; k + 4 <= texts; k += 4) four_at_once(sums + k, text + k * stride, stride, length);
  for (; k < texts; ++k) sums[k] = crc32c(sums[k], text + k * stride, length);
}

#else

std::uint32_t crc32c(std::uint32_t sum, const void* bytes, std::size_t length) {
  return crc32c_by_table(sum, bytes, length);
}

void crc32c_of_each(std::uint32_t* sums, std::size_t texts, const void* bytes, std::size_t stride,
                    std::size_t length) {
  const auto* const text = static_cast<const unsigned char*>(bytes);
  for (std::size_t k = 0; k < texts; ++k) sums[k] = crc32c(sums[k], text + k * stride, length);
}

#endif

}  // namespace flotilla
