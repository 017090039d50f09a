# SPDX-License-Identifier: BSD-3-Clause
# What the tests that start the program, or ranks, run in.

# The tests take one machine's settings for Open MPI from the file that a shell reads.
file(STRINGS ${PROJECT_SOURCE_DIR}/scripts/mpi_environment.sh FLOTILLA_MPI_ENVIRONMENT
     REGEX "^ *export ")
list(TRANSFORM FLOTILLA_MPI_ENVIRONMENT REPLACE "^ *export " "")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                                       ${PROJECT_SOURCE_DIR}/scripts/mpi_environment.sh)
# Open MPI leaks, and unloads its components before anyone could tell their leaks by name. Leaks of
# ours are found in the unit tests, which start no MPI.
list(APPEND FLOTILLA_MPI_ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)

# The sanitizers want to be loaded first themselves.
if(NOT FLOTILLA_SANITIZE)
  add_library(flotilla_patient_ranks MODULE ${CMAKE_CURRENT_SOURCE_DIR}/support/patient_ranks.c)
  target_compile_options(flotilla_patient_ranks PRIVATE -Wall -Wextra)
  list(APPEND FLOTILLA_MPI_ENVIRONMENT LD_PRELOAD=$<TARGET_FILE:flotilla_patient_ranks>)
endif()

find_program(FLOTILLA_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

# flotilla_add_python_suite(NAME MODULE): a module of unittest in the current folder as the test
# NAME. Its commands have time limits of their own (program.py). Extra words are test properties.
function(flotilla_add_python_suite name module)
  add_test(NAME ${name}
           COMMAND ${FLOTILLA_PYTHON} -m unittest -v ${module}
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  # PyTorch's threads would spin on the cores of the test beside this one.
  set(environment
      ${FLOTILLA_MPI_ENVIRONMENT}
      FLOTILLA_PROGRAM=$<TARGET_FILE:flotilla_program>
      FLOTILLA_PYTHON=${FLOTILLA_PYTHON}
      FLOTILLA_SOURCE=${PROJECT_SOURCE_DIR}
      OMP_NUM_THREADS=1
      PYTHONDONTWRITEBYTECODE=1
      PYTHONPATH=${PROJECT_SOURCE_DIR}/scripts)
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 ENVIRONMENT "${environment}" ${ARGN})
endfunction()
