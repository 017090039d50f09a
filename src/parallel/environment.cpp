// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/parallel/environment.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "flotilla/core/error.hpp"
#include "parallel/mpi_check.hpp"

namespace flotilla {
namespace {

struct Setting {
  const char* name;
  const char* value;
};

// OMPIO opens a shared file pointer with every file, which nothing here uses. Its usual component
// takes a semaphore named after the file for the whole machine: a stale one hangs the next run of
// that name, and another user's refuses it. The others open files beside the output or overrun a
// buffer with a long path. A component that may not be chosen leaves a file without any.
constexpr std::array<Setting, 2> kNoSharedFilePointers = {{
    {"OMPI_MCA_sharedfp", "sm"},
    {"OMPI_MCA_sharedfp_sm_priority", "-1"},
}};

// Open MPI has two components for files. A write that fails is passed on by ROMIO, at once and on
// all ranks; by OMPIO later, or as a success. Where there is no ROMIO, or a user chose, OMPIO
// serves.
constexpr Setting kTellOfFailedWrites = {"OMPI_MCA_io_ompio_priority", "1"};

// A process without a launcher would start a daemon, to spawn ranks that nobody asks for.
constexpr const char* kAlone = "OMPI_MCA_ess_singleton_isolated";
constexpr const char* kSessionBase = "OMPI_MCA_orte_tmpdir_base";

/// What a launcher sets in each process that it starts.
struct Launch {
  const char* variable;
  bool is_rank;  ///< the value is a rank, not a number of processes
  const char* launcher;
};

// Inner launchers come first: within a job of Slurm it is mpirun that counts.
constexpr std::array<Launch, 6> kLaunches = {{
    {"OMPI_COMM_WORLD_SIZE", false, "an mpirun of Open MPI"},
    {"PMI_SIZE", false, "an mpirun of MPICH or Intel MPI, or srun --mpi=pmi2,"},
    {"MPI_LOCALNRANKS", false, "an mpirun of MPICH or Intel MPI"},
    {"PMIX_RANK", true, "a launcher that speaks PMIx"},
    {"SLURM_STEP_NUM_TASKS", false, "srun"},
    {"SLURM_NTASKS", false, "Slurm"},
}};

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

bool has_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_NAMESPACE", "PMI_RANK", "PMI_FD"}) {
    if (variable(name)) return true;
  }
  return false;
}

std::optional<long long> whole(const std::string& text) {
  long long value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// @throws EnvironmentError if the process may not have the address space that MPI needs: it
/// crashes or hangs with less
void expect_address_space() {
  constexpr rlim_t kLeast = rlim_t{1} << 29U;
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur >= kLeast) return;
  throw EnvironmentError(fmt::format(
      "expected at least {} kB of address space, which MPI needs, found a limit of {} kB: raise it "
      "(ulimit -v unlimited)",
      kLeast / 1024, limit.rlim_cur / 1024));
}

/// Makes the folder below which Open MPI keeps what a process needs while it runs. The usual one is
/// shared by a user's processes: one that ends removes it while another enters it.
/// @return empty if it cannot be made, or if the user chose one
std::string make_session_folder() {
  if (variable(kSessionBase)) return {};
  std::error_code error;
  const std::filesystem::path base = std::filesystem::temp_directory_path(error);
  if (error) return {};
  std::string folder = base / "flotilla.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return {};
  setenv(kSessionBase, folder.c_str(), 0);
  return folder;
}

/// MPI itself sets some of what a launcher sets: later it could not be found any more.
std::optional<std::string>& found_at_start() {
  static std::optional<std::string> sentence;
  return sentence;
}

}  // namespace

const std::optional<std::string>& launcher_misunderstanding() {
  return found_at_start();
}

std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  check(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
  const std::string whole_text(text.data(), static_cast<std::size_t>(length));
  return whole_text.substr(0, whole_text.find_first_of(",\n"));
}

std::optional<std::string> misunderstanding(const Variables& variables, int size) {
  for (const Launch& launch : kLaunches) {
    const std::optional<std::string> text = variables(launch.variable);
    const std::optional<long long> value = text ? whole(*text) : std::nullopt;
    if (!value) continue;
    const bool fits = launch.is_rank ? *value < size : *value <= size;
    if (fits && launch.is_rank) continue;  // rank 0 of how many, a later row may say
    if (fits) return std::nullopt;
    return fmt::format(
        "expected one run on all processes that {} started ({}={}), found MPI with {} of them: "
        "launcher and MPI do not understand each other, and each process would do the whole work "
        "into the same output (start with 'srun --mpi=pmix', or with the mpirun of {}; for one "
        "process, 'mpirun -n 1')",
        launch.launcher, launch.variable, *value, size, mpi_version());
  }
  return std::nullopt;
}

MpiEnvironment::MpiEnvironment(int& argc, char**& argv) {
  expect_address_space();
  if (!variable(kNoSharedFilePointers[0].name)) {
    for (const auto& [name, value] : kNoSharedFilePointers) setenv(name, value, 0);
  }
  setenv(kTellOfFailedWrites.name, kTellOfFailedWrites.value, 0);
  if (!has_launcher()) {
    setenv(kAlone, "1", 0);
    session_folder_ = make_session_folder();
  }
  // MPI sets some of a launcher's variables itself when it starts.
  misunderstanding_ = flotilla::misunderstanding(variable, 1);
  check(MPI_Init(&argc, &argv), "MPI_Init");
  int size = 0;
  check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
  if (size > 1) misunderstanding_.reset();
  found_at_start() = misunderstanding_;
}

MpiEnvironment::~MpiEnvironment() {
  MPI_Finalize();
  std::error_code ignored;  // a folder left behind in /tmp harms nobody
  if (!session_folder_.empty()) std::filesystem::remove_all(session_folder_, ignored);
}

}  // namespace flotilla
