// SPDX-License-Identifier: BSD-3-Clause

// flotilla flow identity --dim D: a flow file of the base density alone.

#include <fmt/format.h>

#include "command_line.hpp"
#include "flotilla/run/identity_flow.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

int flow_identity(const Communicator& comm, const Command& command, const Words& words) {
  IdentityConfig config;
  if (!read_command_line(comm, command, options_of(config), words)) return 0;
  const Index dim = write_identity_flow(config, comm);
  if (comm.is_root()) show(fmt::format("{}: a flow of {} coordinates\n", config.output, dim));
  return 0;
}

}  // namespace

Command flow_identity_command() {
  return {
      .name = "flow identity",
      .summary =
          "Writes a flow that has learnt nothing, x = loc + scale z, where none is trained yet.",
      .examples = {"flotilla flow identity --dim 10 -o identity.h5",
                   "flotilla flow identity --like run.h5 -o scaled.h5"},
      .verdict = "",
      .options = default_options<IdentityConfig>,
      .run = flow_identity};
}

}  // namespace flotilla::app
