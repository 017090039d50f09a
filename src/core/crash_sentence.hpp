// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace flotilla {

/// What a program says as it ends, if it crashes and tell_crashes() was called.
///
/// One of the processes that share_last_words() speaks. A sentence that is being spoken for counts;
/// where several are, the outermost. Handlers of signals are set while at least one sentence lives.
class CrashSentence {
 public:
  /// When a sentence counts: throughout its life, or only where Speaking says so.
  enum class When { kAlways, kWhereSpeaking };

  /// @param sentence  without "flotilla: " and the end of the line
  explicit CrashSentence(const std::string& sentence, int exit_code = 2, When when = When::kAlways);
  CrashSentence(const CrashSentence&) = delete;
  CrashSentence& operator=(const CrashSentence&) = delete;
  ~CrashSentence();

  /// While it lives, the sentence counts. It costs nothing to speak of.
  class Speaking {
   public:
    explicit Speaking(const CrashSentence& sentence);
    Speaking(const Speaking&) = delete;
    Speaking& operator=(const Speaking&) = delete;
    ~Speaking();

   private:
    const CrashSentence* before_;
  };

 private:
  static void handle(int signal);

  std::array<char, 1024> text_{};
  std::size_t bytes_ = 0;
  int exit_code_;
  bool always_;
  bool lives_ = false;  ///< whether handlers are set for it
  const CrashSentence* before_ = nullptr;
};

}  // namespace flotilla
