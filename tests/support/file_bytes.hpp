// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace flotilla::test {

/// @returns all bytes of a file; none if there is no such file
std::string read_bytes(const std::string& path);

/// Makes the file, or replaces all that it held.
void write_bytes(const std::string& path, const std::string& bytes);

}  // namespace flotilla::test
