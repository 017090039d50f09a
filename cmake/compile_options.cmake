# SPDX-License-Identifier: BSD-3-Clause
# Compile options of this project's own targets. All are private: nothing here reaches a consumer.

add_library(flotilla_options INTERFACE)
target_compile_features(flotilla_options INTERFACE cxx_std_20)
target_compile_options(
  flotilla_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                             -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual)
# Names that belong to the compiler: clang tells of ours alone, and at no cost.
target_compile_options(
  flotilla_options
  INTERFACE "$<$<CXX_COMPILER_ID:Clang>:-Wreserved-identifier;-Wreserved-macro-identifier>")
# What no header declares belongs into an unnamed namespace.
target_compile_options(
  flotilla_options
  INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wmissing-declarations>
            "$<$<CXX_COMPILER_ID:Clang>:-Wmissing-prototypes;-Wmissing-variable-declarations>")
# GCC 12 takes the undefined halves of its own AVX-512 intrinsics for a mistake of Eigen's.
target_compile_options(
  flotilla_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
# It tells so of its intrinsics alone where the sanitizers keep it from removing them.
if(FLOTILLA_SANITIZE)
  target_compile_options(flotilla_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
endif()
if(FLOTILLA_WARNINGS_AS_ERRORS)
  target_compile_options(flotilla_options INTERFACE -Werror)
endif()
if(FLOTILLA_SANITIZE)
  target_compile_options(
    flotilla_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                               -fno-omit-frame-pointer)
  target_link_options(flotilla_options INTERFACE -fsanitize=address,undefined)
endif()
if(FLOTILLA_FUZZ)
  target_compile_options(flotilla_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What the numerical kernels need to vectorise. No flag that lets the compiler reorder a sum or
# assume away NaN: those would change the draws.
add_library(flotilla_kernel_options INTERFACE)
target_compile_options(flotilla_kernel_options INTERFACE -fno-math-errno -fno-trapping-math
                                                         -ffp-contract=fast)
# On a processor that lacks it, the library says so before it does anything: core/processor.hpp.
string(REGEX MATCH "^(x86_64|AMD64)$" FLOTILLA_X86_64 "${CMAKE_SYSTEM_PROCESSOR}")
if(FLOTILLA_ARCH MATCHES "^x86-64" AND NOT FLOTILLA_X86_64)
  message(FATAL_ERROR "FLOTILLA_ARCH is ${FLOTILLA_ARCH}, but this is ${CMAKE_SYSTEM_PROCESSOR}: "
                      "take native, or an instruction set of this processor")
endif()
if(FLOTILLA_ARCH)
  include(CheckCXXCompilerFlag)
  string(MAKE_C_IDENTIFIER "FLOTILLA_TAKES_${FLOTILLA_ARCH}" takes)
  check_cxx_compiler_flag(-march=${FLOTILLA_ARCH} ${takes})
  if(${takes})
    target_compile_options(flotilla_kernel_options INTERFACE -march=${FLOTILLA_ARCH})
  elseif(FLOTILLA_ARCH STREQUAL "native")
    message(STATUS "The compiler knows no -march=native: it takes its own default")
  else()
    message(FATAL_ERROR "The compiler knows no FLOTILLA_ARCH ${FLOTILLA_ARCH}: take native, "
                        "x86-64-v2, x86-64-v3 or x86-64-v4")
  endif()
endif()
