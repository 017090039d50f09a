# SPDX-License-Identifier: BSD-3-Clause
# Installs the library that was built in BUILD below SCRATCH, then configures, builds and runs the
# outside project in SOURCE against it, and looks at the flags that it was compiled with.
#   cmake -D BUILD=... -D SOURCE=... -D SCRATCH=... -D GENERATOR=... -D COMPILER=... -D FLAGS=...
#         -D MPIRUN=... -P install_and_use.cmake

file(REMOVE_RECURSE ${SCRATCH})
set(prefix ${SCRATCH}/prefix)
set(build ${SCRATCH}/build)

execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix}
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND
    ${CMAKE_COMMAND} -S ${SOURCE} -B ${build} -G ${GENERATOR} -D CMAKE_BUILD_TYPE=Release -D
    CMAKE_PREFIX_PATH=${prefix} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_FLAGS=${FLAGS} -D
    CMAKE_EXPORT_COMPILE_COMMANDS=ON COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${build} COMMAND_ERROR_IS_FATAL ANY)

# Found here, and not in some other installation on this machine.
file(STRINGS ${build}/CMakeCache.txt found REGEX "^flotilla_DIR:")
if(NOT found MATCHES "=${prefix}/")
  message(FATAL_ERROR "expected flotilla below ${prefix}, found ${found}")
endif()

execute_process(COMMAND ${build}/shear OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
set(expected [[x = (1, 3.5), log|det J| = 0
x = (-2, 2), log|det J| = 0
x = (4, 5), log|det J| = 0
]])
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "expected\n${expected}found\n${printed}")
endif()

# A target of the outside project's own, on two ranks, recorded and diagnosed.
execute_process(COMMAND ${MPIRUN} ${build}/own_target ${SCRATCH}/own.h5 OUTPUT_VARIABLE printed
                COMMAND_ERROR_IS_FATAL ANY)
set(expected [[normal with deviation 0.5: 3000 draws of each chain on 2 ranks
x[0]: mean 1.0, sd 0.5, converged
x[1]: mean -2.0, sd 0.5, converged
]])
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "expected\n${expected}found\n${printed}")
endif()

# The example densities, through the installed header alone. They sample in the program's tests.
execute_process(
  COMMAND
    ${CMAKE_COMMAND} -S ${prefix}/share/flotilla/densities -B ${SCRATCH}/densities -G ${GENERATOR}
    -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_C_FLAGS=-Werror -D CMAKE_CXX_FLAGS=-Werror
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${SCRATCH}/densities OUTPUT_QUIET
                COMMAND_ERROR_IS_FATAL ANY)
file(STRINGS ${SCRATCH}/densities/CMakeCache.txt found REGEX "^FLOTILLA_INCLUDE:")
if(NOT found MATCHES "=${prefix}/include$")
  message(FATAL_ERROR "expected the header below ${prefix}, found ${found}")
endif()
file(GLOB built ${SCRATCH}/densities/*.so)
list(LENGTH built number)
if(number LESS 5)
  message(FATAL_ERROR "expected five densities or more, found ${built}")
endif()

# How the kernels are compiled is the library's own affair.
file(READ ${build}/compile_commands.json commands)
if(NOT commands MATCHES "main\\.cpp" OR NOT commands MATCHES "-std=(c|gnu)\\+\\+20")
  message(FATAL_ERROR "these are not the outside project's compile commands:\n${commands}")
endif()
foreach(
  flag IN
  ITEMS -march=
        -mtune=
        -mavx
        -ffast-math
        -fno-math-errno
        -fno-trapping-math
        -ffp-contract
        -funsafe-math-optimizations
        -fassociative-math
        -ffinite-math-only
        -Wall
        -Werror)
  if(commands MATCHES ${flag})
    message(FATAL_ERROR "${flag} reaches whoever uses the library:\n${commands}")
  endif()
endforeach()
