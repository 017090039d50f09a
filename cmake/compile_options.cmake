# Compile options of this project's own targets. All are private: nothing here reaches a consumer.

add_library(flotilla_options INTERFACE)
target_compile_features(flotilla_options INTERFACE cxx_std_20)
target_compile_options(
  flotilla_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                             -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual)
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
if(FLOTILLA_NATIVE)
  target_compile_options(flotilla_kernel_options INTERFACE -march=native)
endif()
