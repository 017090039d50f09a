// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/versions.hpp"

#include "flotilla/core/version.hpp"
#include "flotilla/parallel/environment.hpp"
#include "flow/torchscript.hpp"
#include "io/hdf5.hpp"

namespace flotilla {

std::vector<std::pair<std::string, std::string>> versions() {
  const BuildFacts build = build_facts();
  return {
      {"flotilla", std::string(build.version)},
      {"commit", std::string(build.git_commit)},
      {"compiler", std::string(build.compiler)},
      {"instruction set", std::string(build.instruction_set)},
      {"MPI", mpi_version()},
      {"HDF5", hdf5::version()},
      {"LibTorch", torchscript_available() ? "found" : "not found: no TorchScript flows"},
  };
}

}  // namespace flotilla
