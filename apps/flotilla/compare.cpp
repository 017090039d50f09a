// SPDX-License-Identifier: BSD-3-Clause

// flotilla compare RUN.h5: how close a run's draws are to draws of the truth, or to true moments.

#include <vector>

#include "command_line.hpp"
#include "flotilla/quality/comparison.hpp"
#include "flotilla/quality/text.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  ComparisonConfig comparison;
  bool json = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.comparison);
  options.push_back(json_row(call.json));
  return options;
}

int compare(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const Comparison comparison = flotilla::compare(call.comparison, comm);
  if (comm.is_root()) show(call.json ? as_json(comparison) : as_table(comparison));
  return comparison.truth && comparison.truth->apart() > 0 ? kVerdict : 0;
}

}  // namespace

Command compare_command() {
  return {.name = "compare",
          .summary =
              "Says how close the draws of a run are to a sample of the truth, or to true moments.",
          .examples = {"flotilla compare run.h5 --reference two_moons.h5:x",
                       "flotilla compare run.h5 --reference toy.h5:x --modes toy.h5:modes --json",
                       "flotilla compare run.h5 --truth moments.toml"},
          .verdict = "a moment is more than 4 standard errors from that of --truth",
          .options = default_options<Call>,
          .run = compare};
}

}  // namespace flotilla::app
