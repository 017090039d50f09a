// SPDX-License-Identifier: BSD-3-Clause
#include "core/crash_sentence.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <ctime>

#include "flotilla/core/crashes.hpp"

namespace flotilla {
namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// A handler may touch nothing else: the heap may be what is broken.
bool told = false;
int living = 0;
const CrashSentence* volatile spoken = nullptr;
std::array<char, std::size_t{1} << 16U> stack;  // the usual one may be what overflowed
std::array<struct sigaction, kSignals.size()> before;
stack_t stack_before;
int own_flag = 0;
int* flag = &own_flag;

constexpr timespec kHearing = {.tv_sec = 0, .tv_nsec = 200'000'000};  // a launcher may end us all

void restore_handlers() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
}

void set_handlers(void (*handler)(int)) {
  stack_t own{};
  own.ss_sp = stack.data();
  own.ss_size = stack.size();
  sigaltstack(&own, &stack_before);
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_ONSTACK;
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before[i]);
}

}  // namespace

void tell_crashes() {
  told = true;
}

void share_last_words(int* shared) {
  own_flag = 0;
  flag = shared == nullptr ? &own_flag : shared;
}

bool claim_last_words() {
  static_assert(std::atomic_ref<int>::is_always_lock_free);
  if (std::atomic_ref<int>(*flag).exchange(1) == 0) return true;
  nanosleep(&kHearing, nullptr);
  return false;
}

CrashSentence::CrashSentence(const std::string& sentence, int exit_code, When when)
    : exit_code_(exit_code), always_(when == When::kAlways) {
  if (!told) return;
  const auto end = fmt::format_to_n(text_.data(), text_.size() - 1, "flotilla: {}", sentence);
  bytes_ = std::min(text_.size() - 1, end.size);
  text_[bytes_++] = '\n';
  lives_ = true;
  if (living++ == 0) set_handlers(&CrashSentence::handle);
  before_ = spoken;
  if (always_ && spoken == nullptr) spoken = this;
}

CrashSentence::~CrashSentence() {
  if (!lives_) return;
  if (always_) spoken = before_;
  if (--living > 0) return;
  restore_handlers();
  sigaltstack(&stack_before, nullptr);
}

void CrashSentence::handle(int signal) {
  const CrashSentence* const sentence = spoken;
  if (sentence == nullptr) {  // a crash of our own: as if no handler had been set
    restore_handlers();
    raise(signal);
    return;
  }
  if (claim_last_words()) {
    const ssize_t ignored = write(STDERR_FILENO, sentence->text_.data(), sentence->bytes_);
    (void)ignored;
  }
  _exit(sentence->exit_code_);
}

CrashSentence::Speaking::Speaking(const CrashSentence& sentence) : before_(spoken) {
  if (spoken == nullptr && sentence.lives_) spoken = &sentence;
}

CrashSentence::Speaking::~Speaking() {
  spoken = before_;
}

}  // namespace flotilla
