# SPDX-License-Identifier: BSD-3-Clause
# Everything the library stands on, from the system's packages; the installed package looks for the
# same list in flotillaConfig.cmake.in.

find_package(MPI REQUIRED COMPONENTS C)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(Boost 1.74 REQUIRED COMPONENTS serialization)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)

set(HDF5_PREFER_PARALLEL ON)
find_package(HDF5 1.10 REQUIRED COMPONENTS C HL)
if(NOT HDF5_IS_PARALLEL)
  message(
    FATAL_ERROR
      "flotilla needs an HDF5 built with MPI, but the one found (${HDF5_VERSION}, "
      "${HDF5_C_INCLUDE_DIRS}) is serial: install libhdf5-openmpi-dev, or point HDF5_ROOT at a "
      "parallel build.")
endif()
