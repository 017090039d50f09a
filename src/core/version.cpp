// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/version.hpp"

#include <string>

#include "build_facts.hpp"
#include "core/processor.hpp"

namespace flotilla {

namespace {

#if defined(__AVX512F__)
constexpr std::string_view kInstructionSet = "x86-64 AVX-512F FMA";
#elif defined(__AVX2__) && defined(__FMA__)
constexpr std::string_view kInstructionSet = "x86-64 AVX2 FMA";
#elif defined(__AVX__)
constexpr std::string_view kInstructionSet = "x86-64 AVX";
#elif defined(__SSE4_2__)
constexpr std::string_view kInstructionSet = "x86-64 SSE4.2";
#elif defined(__x86_64__)
constexpr std::string_view kInstructionSet = "x86-64 SSE2";
#elif defined(__aarch64__)
constexpr std::string_view kInstructionSet = "AArch64 NEON";
#else
constexpr std::string_view kInstructionSet = "unknown";
#endif

}  // namespace

BuildFacts build_facts() {
  static const std::string kFeatures = [] {
    std::string names;
    for (const char* const* name = needed_features(); *name != nullptr; ++name) {
      names.append(names.empty() ? "" : " ").append(*name);
    }
    return names;
  }();
  return {FLOTILLA_VERSION, FLOTILLA_GIT_COMMIT, FLOTILLA_COMPILER,
          FLOTILLA_FLAGS,   kInstructionSet,     kFeatures};
}

}  // namespace flotilla
