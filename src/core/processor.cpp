// SPDX-License-Identifier: BSD-3-Clause

// Compiled for every x86-64 processor: see src/CMakeLists.txt and the header.

#include "core/processor.hpp"

#include <unistd.h>

#include <cstring>

namespace flotilla {
namespace {

struct Feature {
  const char* name;
  bool (*present)();
};

#ifdef __x86_64__
// The built-in function takes nothing but a literal.
constexpr Feature kFeatures[] = {
    {"sse3", [] { return __builtin_cpu_supports("sse3") != 0; }},
    {"ssse3", [] { return __builtin_cpu_supports("ssse3") != 0; }},
    {"sse4.1", [] { return __builtin_cpu_supports("sse4.1") != 0; }},
    {"sse4.2", [] { return __builtin_cpu_supports("sse4.2") != 0; }},
    {"popcnt", [] { return __builtin_cpu_supports("popcnt") != 0; }},
    {"avx", [] { return __builtin_cpu_supports("avx") != 0; }},
    {"avx2", [] { return __builtin_cpu_supports("avx2") != 0; }},
    {"fma", [] { return __builtin_cpu_supports("fma") != 0; }},
    {"bmi", [] { return __builtin_cpu_supports("bmi") != 0; }},
    {"bmi2", [] { return __builtin_cpu_supports("bmi2") != 0; }},
    {"avx512f", [] { return __builtin_cpu_supports("avx512f") != 0; }},
    {"avx512dq", [] { return __builtin_cpu_supports("avx512dq") != 0; }},
    {"avx512bw", [] { return __builtin_cpu_supports("avx512bw") != 0; }},
    {"avx512vl", [] { return __builtin_cpu_supports("avx512vl") != 0; }},
    {"avx512cd", [] { return __builtin_cpu_supports("avx512cd") != 0; }},
    {"avx512vbmi", [] { return __builtin_cpu_supports("avx512vbmi") != 0; }},
    {"avx512ifma", [] { return __builtin_cpu_supports("avx512ifma") != 0; }},
    {"avx512vbmi2", [] { return __builtin_cpu_supports("avx512vbmi2") != 0; }},
    {"avx512vnni", [] { return __builtin_cpu_supports("avx512vnni") != 0; }},
    {"avx512bitalg", [] { return __builtin_cpu_supports("avx512bitalg") != 0; }},
    {"avx512vpopcntdq", [] { return __builtin_cpu_supports("avx512vpopcntdq") != 0; }},
    {"gfni", [] { return __builtin_cpu_supports("gfni") != 0; }},
    {"sse4a", [] { return __builtin_cpu_supports("sse4a") != 0; }},
    {"fma4", [] { return __builtin_cpu_supports("fma4") != 0; }},
    {"xop", [] { return __builtin_cpu_supports("xop") != 0; }},
};
#else
constexpr Feature kFeatures[] = {{"none", [] { return false; }}};
#endif

/// Appends as much of a word as finds room.
void append(const char* word, char* text, std::size_t room, std::size_t& length) {
  for (; *word != '\0' && length < room; ++word) text[length++] = *word;
}

#ifdef __x86_64__
/// Runs before all other initialisers of the program or the library that it is linked into.
[[gnu::constructor(101)]] void expect_processor() {
  char sentence[1024];
  __builtin_cpu_init();
  const std::size_t length =
      tell_missing_features(kNeededFeatures, processor_has, sentence, sizeof sentence);
  if (length == 0) return;
  const ssize_t ignored = write(STDERR_FILENO, sentence, length);
  (void)ignored;  // there is nobody else to tell
  _exit(1);
}
#endif

}  // namespace

const char* const* needed_features() {
  return kNeededFeatures;
}

bool processor_has(const char* feature) {
  for (const Feature& row : kFeatures) {
    if (std::strcmp(row.name, feature) == 0) return row.present();
  }
  return false;
}

std::size_t tell_missing_features(const char* const* needed, bool (*has)(const char*), char* text,
                                  std::size_t room) {
  std::size_t length = 0;
  for (; *needed != nullptr; ++needed) {
    if (has(*needed)) continue;
    const char* const before =
        length == 0 ? "flotilla: this processor lacks what the program was built for: " : " ";
    append(before, text, room, length);
    append(*needed, text, room, length);
  }
  if (length == 0) return 0;
  append(
      ": run it on nodes like the one where it was built, or build it for all of them, with "
      "cmake -D FLOTILLA_ARCH=x86-64-v3 or x86-64-v2\n",
      text, room, length);
  return length;
}

}  // namespace flotilla
