#pragma once

#include "flotilla/parallel/communicator.hpp"

namespace flotilla::app {

/// flotilla flow evaluate FLOW.h5: a flow at points of a file. Collective; the exit code.
int flow_evaluate(const Communicator& comm, int argc, char** argv);

}  // namespace flotilla::app
