// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace flotilla {

/// While it lives, a crash ends the program with a sentence that names this file, if
/// tell_hdf5_crashes() was called. One inside another leaves the outer one's sentence.
class CrashSentence {
 public:
  explicit CrashSentence(const std::string& path);
  CrashSentence(const CrashSentence&) = delete;
  CrashSentence& operator=(const CrashSentence&) = delete;
  ~CrashSentence();
};

}  // namespace flotilla
