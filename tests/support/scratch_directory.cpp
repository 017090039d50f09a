// SPDX-License-Identifier: BSD-3-Clause
#include "support/scratch_directory.hpp"

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace flotilla::test {

ScratchDirectory::ScratchDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "flotilla_XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
  }
  path_ = pattern;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace flotilla::test
