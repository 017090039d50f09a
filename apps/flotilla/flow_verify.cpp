// SPDX-License-Identifier: BSD-3-Clause

// flotilla flow verify FLOW.h5: whether this program computes what the flow's exporter did, and
// what the flow's draws are like.

#include <fmt/format.h>

#include "command_line.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/run/flow_verification.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  FlowVerificationConfig verification;
  bool json = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.verification);
  options.push_back(json_row(call.json));
  return options;
}

int flow_verify(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const FlowVerification found = verify_flow(call.verification, comm);
  // Only rank 0 knows.
  const bool right = comm.all_agree(found.reproduces_golden());
  const bool healthy = comm.all_agree(!found.health || passed(found.health->findings));
  if (comm.is_root()) show(call.json ? as_json(found) : as_table(found));
  if (!right) {
    throw InputError(fmt::format(
        "{}: the golden values of the file are not what this program computes: do not sample from "
        "it; export it again, and report it if that does not help",
        call.verification.flow));
  }
  return healthy ? 0 : kVerdict;
}

}  // namespace

Command flow_verify_command() {
  return {.name = "flow verify",
          .summary =
              "Recomputes the golden values of a flow file; with --draws, says what its "
              "draws are like.",
          .examples = {"flotilla flow verify two_moons.h5",
                       "mpirun -n 4 flotilla flow verify mine.h5 --draws 100000 --json"},
          .verdict = "at the draws of --draws something is wrong with the flow",
          .options = default_options<Call>,
          .run = flow_verify};
}

}  // namespace flotilla::app
