// SPDX-License-Identifier: BSD-3-Clause
#include "run/side_effects.hpp"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>

namespace flotilla {
namespace {

int running_threads() {
  std::error_code unknown;
  const std::filesystem::directory_iterator tasks("/proc/self/task", unknown);
  return unknown ? 0 : static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

/// Sends standard output into a file without a name while it lives.
class OutputKept {
 public:
  OutputKept() : file_(std::tmpfile(), &std::fclose) {
    if (file_ == nullptr) return;
    std::fflush(stdout);
    output_ = dup(STDOUT_FILENO);
    dup2(fileno(file_.get()), STDOUT_FILENO);
  }
  ~OutputKept() {
    if (output_ < 0) return;
    std::fflush(stdout);
    dup2(output_, STDOUT_FILENO);
    close(output_);
  }
  OutputKept(const OutputKept&) = delete;
  OutputKept& operator=(const OutputKept&) = delete;

  std::size_t bytes() const {
    if (output_ < 0) return 0;
    std::fflush(stdout);
    const off_t end = lseek(STDOUT_FILENO, 0, SEEK_END);
    return end < 0 ? 0 : static_cast<std::size_t>(end);
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  int output_ = -1;
};

}  // namespace

SideEffects watch_side_effects(const std::function<void()>& work) {
  SideEffects found;
  const int before = running_threads();
  const OutputKept output;
  work();
  found.printed = output.bytes();
  found.threads = running_threads() - before;
  return found;
}

}  // namespace flotilla
