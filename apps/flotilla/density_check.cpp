// SPDX-License-Identifier: BSD-3-Clause

// flotilla density check LIBRARY.so: whether a density is what a run takes it for, and its cost.

#include "flotilla/run/density_check.hpp"

#include "command_line.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  DensityCheckConfig check;
  bool json = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.check);
  options.push_back(json_row(call.json));
  return options;
}

int density_check(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const DensityCheck found = check_density(call.check, comm);
  if (comm.is_root()) show(call.json ? check_json(found) : check_text(found));
  const double failed = comm.is_root() && !passed(found.findings) ? 1.0 : 0.0;
  return comm.largest(failed) > 0.0 ? kVerdict : 0;
}

}  // namespace

Command density_check_command() {
  return {.name = "density check",
          .summary = "Checks a density for --density: gradients, repeats, batches, cost.",
          .examples = {"flotilla density check ./funnel.so --dim 10",
                       "flotilla density check ./model.so --density-args data.json --flow flow.h5"},
          .verdict = "something is wrong with the density",
          .options = default_options<Call>,
          .run = density_check};
}

}  // namespace flotilla::app
