// The program flotilla: hands over to a subcommand, and turns what it throws into a sentence and an
// exit code: 2 for input that cannot be used, 1 for a machine that failed. (3 is a command's own
// answer: a threshold was not met.)

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "commands.hpp"
#include "flotilla/core/version.hpp"
#include "flotilla/io/hdf5_errors.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace {

constexpr std::string_view kUsage =
    R"(flotilla samples normalizing flows with ensembles of latent MALA chains.

  flotilla sample FLOW.h5 -o RUN.h5    draw from a flow; with mpirun, on all ranks
  flotilla summary RUN.h5              whether the draws can be trusted, and what they say
  flotilla compare RUN.h5 --reference DATA.h5    how close the draws are to a sample of the truth
  flotilla study STUDY.toml            a sweep over runs: figures with errors over seeds
  flotilla flow show FLOW.h5           what a flow file holds
  flotilla flow verify FLOW.h5         whether this program computes the flow that the file means
  flotilla flow evaluate FLOW.h5 --points FILE.h5 -o OUT.h5    a flow at points of a file
  flotilla --version

'flotilla COMMAND --help' lists a command's options.
)";

int dispatch(const flotilla::Communicator& comm, int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "--help";
  if (command == "sample") return flotilla::app::sample(comm, argc - 1, argv + 1);
  if (command == "summary") return flotilla::app::summary(comm, argc - 1, argv + 1);
  if (command == "compare") return flotilla::app::compare(comm, argc - 1, argv + 1);
  if (command == "study") return flotilla::app::study(comm, argc - 1, argv + 1);
  if (command == "flow") return flotilla::app::flow(comm, argc - 1, argv + 1);
  if (command == "--version") {
    const flotilla::BuildFacts build = flotilla::build_facts();
    if (comm.is_root()) fmt::print("flotilla {} ({})\n", build.version, build.git_commit);
    return 0;
  }
  if (command == "--help" || command == "-h") {
    if (comm.is_root()) fmt::print("{}", kUsage);
    return 0;
  }
  throw flotilla::InputError(
      fmt::format("'{}' is not a command: choose sample, summary, compare, study or flow, see "
                  "'flotilla --help'",
                  command));
}

int run(const flotilla::Communicator& comm, int argc, char** argv) {
  try {
    return dispatch(comm, argc, argv);
  } catch (const flotilla::InputError& error) {
    if (comm.is_root()) fmt::print(stderr, "flotilla: {}\n", error.what());
    return 2;
  } catch (const flotilla::Hdf5Error& error) {
    if (comm.is_root()) fmt::print(stderr, "flotilla: {}\n", error.what());
    // HDF5 1.10 cannot clean up after a failed write, and crashes where it tries to on leaving.
    std::fflush(nullptr);
    comm.barrier();
    std::_Exit(1);
  } catch (const flotilla::MpiError& error) {
    // The other ranks may know nothing of it, and wait.
    comm.abort(error.what());
  } catch (const flotilla::EnvironmentError& error) {
    if (comm.is_root()) fmt::print(stderr, "flotilla: {}\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    // Nobody else knows of this one: end all ranks rather than leave them waiting.
    comm.abort(fmt::format("unexpected: {}", error.what()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const flotilla::MpiEnvironment environment(argc, argv);
    flotilla::silence_hdf5_errors();
    const flotilla::Communicator comm = flotilla::Communicator::world();
    return run(comm, argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "flotilla: {}\n", error.what());
    return 1;
  }
}
