# SPDX-License-Identifier: BSD-3-Clause
# What cpack makes: flotilla_*.deb, and flotilla-torchscript_*.deb where LibTorch was found, so that
# nobody has to install PyTorch to draw from a flow file. scripts/packaging/build calls it.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME flotilla)
set(CPACK_PACKAGE_VENDOR "the flotilla authors")
set(CPACK_PACKAGE_CONTACT "the flotilla authors <flotilla@localhost>")
set(CPACK_STRIP_FILES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL ${CMAKE_INSTALL_DEFAULT_COMPONENT_NAME})

# What is linked is found by dpkg-shlibdeps; what is run or read is named here.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/src)

string(TOUPPER ${CMAKE_INSTALL_DEFAULT_COMPONENT_NAME} component)
set(CPACK_DEBIAN_${component}_PACKAGE_NAME flotilla)
set(CPACK_DEBIAN_${component}_DESCRIPTION
    "Draws from a trained normalizing flow by ensembles of latent MALA chains, on one
core or on many ranks of MPI with the same bits, and writes one HDF5 file that
xarray and ArviZ open.
.
Holds the program, the library with its headers, the scripts and some flows.
Needs a processor of the level ${FLOTILLA_ARCH}.")
set(CPACK_DEBIAN_${component}_PACKAGE_DEPENDS "openmpi-bin")
# Pictures of runs.
set(CPACK_DEBIAN_${component}_PACKAGE_RECOMMENDS "python3-h5py, python3-matplotlib")
# Training and import of flows; programs that use the library.
set(CPACK_DEBIAN_${component}_PACKAGE_SUGGESTS
    "flotilla-torchscript, python3-torch, python3-xarray, libopenmpi-dev, libeigen3-dev")

if(TARGET flotilla_torchscript)
  list(APPEND CPACK_COMPONENTS_ALL torchscript)
  set(CPACK_DEBIAN_TORCHSCRIPT_PACKAGE_NAME flotilla-torchscript)
  set(CPACK_DEBIAN_TORCHSCRIPT_DESCRIPTION
      "The plugin by which flotilla runs flows that are TorchScript files, with LibTorch.")
  set(CPACK_DEBIAN_TORCHSCRIPT_PACKAGE_DEPENDS "flotilla (= ${PROJECT_VERSION})")
endif()
include(CPack)
