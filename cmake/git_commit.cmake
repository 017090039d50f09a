# SPDX-License-Identifier: BSD-3-Clause
# Run at every build: writes build_facts.hpp, and touches it only when something changed.
#   cmake -D SOURCE=... -D OUTPUT=... -D COMPILER=... -D FLAGS=... -D VERSION=... -P git_commit.cmake

find_program(GIT git)
set(COMMIT "unknown")
if(GIT)
  execute_process(
    COMMAND ${GIT} -c safe.directory=* -C ${SOURCE} describe --always --dirty --abbrev=40
            --match=NONE
    OUTPUT_VARIABLE FOUND
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET)
  if(FOUND)
    set(COMMIT ${FOUND})
  endif()
endif()
file(
  CONFIGURE
  OUTPUT ${OUTPUT}
  CONTENT
    [[#pragma once

#define FLOTILLA_VERSION "@VERSION@"
#define FLOTILLA_GIT_COMMIT "@COMMIT@"
#define FLOTILLA_COMPILER "@COMPILER@"
#define FLOTILLA_FLAGS "@FLAGS@"
]]
  @ONLY)
