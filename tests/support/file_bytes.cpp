// SPDX-License-Identifier: BSD-3-Clause
#include "support/file_bytes.hpp"

#include <fstream>

namespace flotilla::test {

std::string read_bytes(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace flotilla::test
