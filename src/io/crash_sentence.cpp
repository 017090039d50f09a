// SPDX-License-Identifier: BSD-3-Clause
#include "io/crash_sentence.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>

#include "flotilla/core/printed.hpp"
#include "flotilla/io/hdf5_errors.hpp"

namespace flotilla {
namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr int kInputExitCode = 2;

// A handler may touch nothing else: the heap may be what is broken.
bool told = false;
int depth = 0;
std::array<char, 1024> sentence;
std::size_t sentence_bytes = 0;
std::array<char, std::size_t{1} << 16U> stack;  // the usual one may be what overflowed
std::array<struct sigaction, kSignals.size()> before;
stack_t stack_before;

void speak_and_end(int /*signal*/) {
  const ssize_t ignored = write(STDERR_FILENO, sentence.data(), sentence_bytes);
  (void)ignored;
  _exit(kInputExitCode);
}

void prepare_sentence(const std::string& path) {
  constexpr std::size_t kLongestPath = 600;
  const std::string shown = printable(path);
  const auto end = fmt::format_to_n(
      sentence.data(), sentence.size(),
      "flotilla: {}: HDF5 crashed while it was read: the file is damaged, or was made to do harm: "
      "make or copy it again\n",
      shown.size() > kLongestPath ? shown.substr(shown.size() - kLongestPath) : shown);
  sentence_bytes = std::min(sentence.size(), end.size);
}

}  // namespace

void tell_hdf5_crashes() {
  told = true;
}

CrashSentence::CrashSentence(const std::string& path) {
  if (!told || depth++ > 0) return;
  prepare_sentence(path);
  stack_t own{};
  own.ss_sp = stack.data();
  own.ss_size = stack.size();
  sigaltstack(&own, &stack_before);
  struct sigaction action {};
  action.sa_handler = speak_and_end;
  action.sa_flags = SA_ONSTACK;
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before[i]);
}

CrashSentence::~CrashSentence() {
  if (!told || --depth > 0) return;
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
  sigaltstack(&stack_before, nullptr);
}

}  // namespace flotilla
