# SPDX-License-Identifier: BSD-3-Clause
# Installs the library, its headers and a CMake package: find_package(flotilla), flotilla::flotilla;
# the flows that come with the program, and the licence.

include(CMakePackageConfigHelpers)

install(TARGETS flotilla EXPORT flotillaTargets)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/flotilla
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(
  EXPORT flotillaTargets
  NAMESPACE flotilla::
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/flotilla)
# A shared library brings what it stands on; whoever links a static one needs it too.
get_target_property(library_type flotilla TYPE)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/flotillaConfig.cmake.in ${PROJECT_BINARY_DIR}/flotillaConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/flotilla)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/flotillaConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/flotillaConfig.cmake
              ${PROJECT_BINARY_DIR}/flotillaConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/flotilla)

if(FLOTILLA_BUILD_APPS)
  install(
    DIRECTORY ${PROJECT_SOURCE_DIR}/apps/flows
    DESTINATION ${CMAKE_INSTALL_DATADIR}/flotilla
    FILES_MATCHING
    PATTERN "*.h5")
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/apps/densities
          DESTINATION ${CMAKE_INSTALL_DATADIR}/flotilla)
  install(
    FILES ${PROJECT_SOURCE_DIR}/LICENSE
    DESTINATION ${CMAKE_INSTALL_DOCDIR}
    RENAME copyright)
  install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

if(PROJECT_IS_TOP_LEVEL)
  include(debian_packages)
endif()
