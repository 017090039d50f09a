# Installs the library, its headers and a CMake package: find_package(flotilla), flotilla::flotilla.

include(CMakePackageConfigHelpers)

install(TARGETS flotilla EXPORT flotillaTargets)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/flotilla
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(
  EXPORT flotillaTargets
  NAMESPACE flotilla::
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/flotilla)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/flotillaConfig.cmake.in ${PROJECT_BINARY_DIR}/flotillaConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/flotilla)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/flotillaConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/flotillaConfig.cmake
              ${PROJECT_BINARY_DIR}/flotillaConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/flotilla)
