// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla {

// CRC-32C (Castagnoli's polynomial, reflected, 0x82F63B78). Processors since about 2009 have an
// instruction for it, and a text can go on where it ended, from four bytes of state. It is there to
// notice accidents: whoever means harm can make it fit.

/// The checksum of no bytes yet.
inline constexpr std::uint32_t kEmptyCrc32c = 0;

/// The checksum of a text that goes on. @param sum  of its bytes so far
std::uint32_t crc32c(std::uint32_t sum, const void* bytes, std::size_t length);

/// The same for many texts that go on by equally many bytes each, several at a time.
///
/// @param sums    [texts], changed in place
/// @param stride  bytes from where one text goes on to where the next one does
void crc32c_of_each(std::uint32_t* sums, std::size_t texts, const void* bytes, std::size_t stride,
                    std::size_t length);

/// crc32c() without the instruction, as on processors that lack it.
std::uint32_t crc32c_by_table(std::uint32_t sum, const void* bytes, std::size_t length);

}  // namespace flotilla
