// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <string>

namespace flotilla {

/// The SHA-256 of bytes that are added piece by piece. Throws EnvironmentError if the library has
/// none.
class Sha256 {
 public:
  Sha256();
  void add(const void* bytes, std::size_t size);
  void add(const std::string& text) { add(text.data(), text.size()); }

  /// The digest in hexadecimal. Nothing may be added after it.
  std::string hex();

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

/// "sha256:" and the digest of a file's bytes. @throws InputError if it cannot be read
std::string file_checksum(const std::string& path);

}  // namespace flotilla
