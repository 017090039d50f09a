// SPDX-License-Identifier: BSD-3-Clause
#include "io/sha256.hpp"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"

namespace flotilla {
namespace {

[[noreturn]] void fail() {
  throw EnvironmentError("SHA-256 is not available");
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) fail();
}

void Sha256::add(const void* bytes, std::size_t size) {
  if (EVP_DigestUpdate(context_.get(), bytes, size) != 1) fail();
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) fail();
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string file_checksum(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Sha256 hash;
  std::vector<char> piece(std::size_t{1} << 16U);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    hash.add(piece.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad() || !file.eof()) {
    throw InputError(fmt::format("{}: it cannot be read", printable(path)));
  }
  return "sha256:" + hash.hex();
}

}  // namespace flotilla
