// SPDX-License-Identifier: BSD-3-Clause
#include "run/density_of_run.hpp"

#include <filesystem>

#include "flotilla/io/replication.hpp"
#include "flotilla/target/observation.hpp"
#include "io/sha256.hpp"
#include "run/facts.hpp"

namespace flotilla {
namespace {

/// The checksum of a file as rank 0 reads it; empty if there is no such file. Collective.
std::string checksum_on_root(const std::string& path, const Communicator& comm) {
  std::string checksum;
  comm.together([&] {
    std::error_code unknown;
    const bool file = comm.is_root() && std::filesystem::is_regular_file(path, unknown);
    if (file) checksum = file_checksum(path);
  });
  comm.broadcast(checksum);
  return checksum;
}

/// The file that arguments name, alone or with a word behind it ("data.json generated"); empty if
/// they name none. Collective.
std::string file_of(const std::string& arguments, const Communicator& comm) {
  std::error_code unknown;
  const std::string before = arguments.substr(0, arguments.rfind(' '));
  std::string path;
  for (const std::string& candidate : {before, arguments}) {
    if (comm.is_root() && std::filesystem::is_regular_file(candidate, unknown)) path = candidate;
  }
  comm.broadcast(path);
  return path;
}

}  // namespace

std::unique_ptr<Density> density_of(const DensitySource& source, Index dim,
                                    const Communicator& comm) {
  std::unique_ptr<Density> density;
  if (!source.observation.empty()) {
    const Observation observation = replicate_observation(comm, source.observation);
    comm.together([&] { density = likelihood(observation, dim); });
  } else if (!source.path.empty()) {
    comm.together([&] { density = open_density(source, dim); });
  }
  return density;
}

std::unique_ptr<Density> density_of_run(const RunConfig& config, Index dim,
                                        const Communicator& comm) {
  return density_of({config.density, config.density_args, config.observe}, dim, comm);
}

RunFacts density_facts(const RunConfig& config, const Communicator& comm) {
  if (!config.observe.empty()) {
    return {{"observation", absolute_on_root(comm, config.observe)},
            {"observation_checksum", checksum_on_root(config.observe, comm)}};
  }
  if (config.density.empty()) return {};
  const std::string& arguments = config.density_args;
  const std::string data = file_of(arguments, comm);
  RunFacts facts = {
      {"density", absolute_on_root(comm, config.density)},
      {"density_checksum", checksum_on_root(config.density, comm)},
  };
  if (data.empty()) {
    facts.emplace_back("density_args", arguments);
  } else {
    facts.emplace_back("density_args",
                       absolute_on_root(comm, data) + arguments.substr(data.size()));
    facts.emplace_back("density_data_checksum", checksum_on_root(data, comm));
  }
  return facts;
}

}  // namespace flotilla
