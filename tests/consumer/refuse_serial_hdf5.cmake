# SPDX-License-Identifier: BSD-3-Clause
# Configures flotilla against an HDF5 without MPI and expects to be told so in a sentence. Such an
# HDF5 is made here from the parallel one: the same headers but for the macro that says "parallel",
# and the same library, which nothing gets as far as linking.
#   cmake -D SOURCE=... -D SCRATCH=... -D GENERATOR=... -D HDF5_INCLUDE_DIRS=...
#         -D HDF5_LIBRARIES=... -P refuse_serial_hdf5.cmake

file(REMOVE_RECURSE ${SCRATCH})
set(root ${SCRATCH}/root)

find_path(header_dir hdf5.h PATHS ${HDF5_INCLUDE_DIRS} NO_DEFAULT_PATH REQUIRED)
file(COPY ${header_dir}/ DESTINATION ${root}/include FILES_MATCHING PATTERN "*.h")
file(READ ${root}/include/H5pubconf.h text)
string(REGEX REPLACE "#define H5_HAVE_PARALLEL[^\n]*" "/* no H5_HAVE_PARALLEL */" serial "${text}")
if(serial STREQUAL text)
  message(FATAL_ERROR "${header_dir}/H5pubconf.h does not say that it is parallel")
endif()
file(WRITE ${root}/include/H5pubconf.h "${serial}")

list(FILTER HDF5_LIBRARIES INCLUDE REGEX "/libhdf5[^/]*$")
list(GET HDF5_LIBRARIES 0 library)
get_filename_component(library_dir ${library} DIRECTORY)
file(MAKE_DIRECTORY ${root}/lib)
foreach(name IN ITEMS libhdf5.so libhdf5_hl.so)
  file(CREATE_LINK ${library_dir}/${name} ${root}/lib/${name} SYMBOLIC)
endforeach()

execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${SCRATCH}/build -G ${GENERATOR} -D HDF5_ROOT=${root}
  RESULT_VARIABLE result
  OUTPUT_VARIABLE output
  ERROR_VARIABLE errors)
string(REGEX REPLACE "[ \n]+" " " sentence "${errors}")  # CMake breaks lines where it likes
if(result EQUAL 0
   OR NOT sentence MATCHES "flotilla needs an HDF5 built with MPI"
   OR NOT sentence MATCHES "is serial: install libhdf5-openmpi-dev"
   OR NOT sentence MATCHES "${root}/include")
  message(FATAL_ERROR "expected a refusal of the serial HDF5 in ${root}, found (${result})\n"
                      "${output}${errors}")
endif()
message(STATUS "refused: ${sentence}")
