// SPDX-License-Identifier: BSD-3-Clause

// flotilla evidence RUN.h5: the normalising constant of a run's target.

#include "flotilla/quality/evidence.hpp"

#include <fmt/format.h>

#include "command_line.hpp"
#include "flotilla/quality/text.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  EvidenceConfig evidence;
  bool json = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.evidence);
  options.push_back(json_row(call.json));
  return options;
}

int evidence(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const Evidence found = estimate_evidence(call.evidence, comm);
  const std::string refused = refusal(found);
  if (comm.is_root()) {
    show(call.json ? as_json(found) : as_table(found));
    if (!refused.empty()) {
      fmt::print(stderr,
                 "flotilla: no evidence: {}: train a flow on the run and sample with it, or take "
                 "more --draws\n",
                 refused);
    }
  }
  return refused.empty() ? 0 : kVerdict;
}

}  // namespace

Command evidence_command() {
  return {.name = "evidence",
          .summary = "Estimates the normalising constant of a run's target, by bridge sampling.",
          .examples = {"flotilla evidence run.h5",
                       "mpirun -n 4 flotilla evidence run.h5 --draws 1000000 --json"},
          .verdict = "target and base density overlap too little for an estimate",
          .options = default_options<Call>,
          .run = evidence};
}

}  // namespace flotilla::app
