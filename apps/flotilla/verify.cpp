// SPDX-License-Identifier: BSD-3-Clause

// flotilla verify RUN.h5: whether a run file is what a run wrote.

#include "flotilla/quality/verification.hpp"

#include "command_line.hpp"
#include "flotilla/quality/text.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  VerificationConfig verification;
  bool json = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.verification);
  options.push_back(json_row(call.json));
  return options;
}

int verify(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const Verification found = verify_run(call.verification, comm);
  if (comm.is_root()) show(call.json ? as_json(found) : as_table(found));
  return passed(found.findings) ? 0 : kVerdict;
}

}  // namespace

Command verify_command() {
  return {.name = "verify",
          .summary = "Says whether a run file, finished or not, still is what the run wrote.",
          .examples = {"flotilla verify run.h5",
                       "mpirun -n 4 flotilla verify run.h5 --flow moved.h5 --json"},
          .verdict = "something in the file is not what the run wrote",
          .options = default_options<Call>,
          .run = verify};
}

}  // namespace flotilla::app
