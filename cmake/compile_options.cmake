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
if(FLOTILLA_ARCH)
  target_compile_options(flotilla_kernel_options INTERFACE -march=${FLOTILLA_ARCH})
endif()
# Where a package comes to a processor that is too old for it, the loader says so and ends.
if(FLOTILLA_ARCH MATCHES "^x86-64-v")
  target_link_options(flotilla_kernel_options INTERFACE -Wl,-z,${FLOTILLA_ARCH})
endif()
