#pragma once

#include "flotilla/parallel/communicator.hpp"

namespace flotilla::app {

/// The subcommands of the program. argv[0] is the subcommand's own name; every rank calls the same
/// one and gets the same exit code. Errors are thrown, the same on every rank.
int sample(const Communicator& comm, int argc, char** argv);
int compare(const Communicator& comm, int argc, char** argv);
int study(const Communicator& comm, int argc, char** argv);
int summary(const Communicator& comm, int argc, char** argv);
int flow(const Communicator& comm, int argc, char** argv);

}  // namespace flotilla::app
