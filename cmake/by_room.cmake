# SPDX-License-Identifier: BSD-3-Clause
# The sources of one folder compiled as one, for checks of everything: headers are read once a
# folder. Unnamed namespaces of one folder therefore share their names. Nothing that is installed or
# measured is built so: what a compiler inlines decides the last bits of a draw.

option(FLOTILLA_BY_ROOM "Compile the sources of a folder as one" OFF)

function(flotilla_compile_by_room)
  if(NOT FLOTILLA_BY_ROOM)
    return()
  endif()
  foreach(target IN LISTS ARGN)
    if(NOT TARGET ${target})
      continue()
    endif()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    get_target_property(folder ${target} SOURCE_DIR)
    get_target_property(sources ${target} SOURCES)
    foreach(source IN LISTS sources)
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${folder})
      cmake_path(GET source PARENT_PATH room)
      cmake_path(RELATIVE_PATH room BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
      string(MAKE_C_IDENTIFIER ${room} room)
      set_source_files_properties(${source} TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${room})
    endforeach()
  endforeach()
endfunction()
