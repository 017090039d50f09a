// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/parallel/environment.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

namespace flotilla {
namespace {

using Environment = std::map<std::string, std::string>;

std::optional<std::string> said_of(const Environment& environment, int size = 1) {
  const Variables variables = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  };
  return misunderstanding(variables, size);
}

TEST(MpiEnvironment, ALauncherOfMoreProcessesThanMpiKnowsIsNamed) {
  const Environment launches = {{"OMPI_COMM_WORLD_SIZE", "2"}, {"PMI_SIZE", "3"},
                                {"MPI_LOCALNRANKS", "2"},      {"PMIX_RANK", "1"},
                                {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_NTASKS", "2"}};
  for (const auto& [name, value] : launches) {
    const std::optional<std::string> said = said_of({{name, value}});
    ASSERT_TRUE(said.has_value()) << name;
    EXPECT_NE(said->find(name + "=" + value), std::string::npos) << *said;
    EXPECT_NE(said->find("srun --mpi=pmix"), std::string::npos) << *said;
  }
  EXPECT_EQ(launches.size(), 6U);
}

TEST(MpiEnvironment, ALauncherThatMpiUnderstandsIsNoMisunderstanding) {
  EXPECT_FALSE(said_of({}));
  EXPECT_FALSE(said_of({{"SLURM_NTASKS", "1"}}));
  EXPECT_FALSE(said_of({{"PMIX_RANK", "0"}}));
  EXPECT_FALSE(said_of({{"PMIX_RANK", "1"}, {"SLURM_NTASKS", "2"}}, 2));
  EXPECT_FALSE(said_of({{"SLURM_NTASKS", ""}}));
  EXPECT_FALSE(said_of({{"SLURM_NTASKS", "4(x2)"}}));
}

// mpirun -n 1 or srun -n 1 within a job of many tasks.
TEST(MpiEnvironment, TheInnerLauncherCounts) {
  EXPECT_FALSE(said_of({{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_NTASKS", "16"}}));
  EXPECT_FALSE(said_of({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_NTASKS", "16"}}));
  EXPECT_TRUE(said_of({{"PMIX_RANK", "0"}, {"SLURM_NTASKS", "16"}}));
}

}  // namespace
}  // namespace flotilla
