// SPDX-License-Identifier: BSD-3-Clause

// flotilla flow evaluate FLOW.h5 --points FILE.h5: x, z, l and log q_X at points, into a file.

#include <fmt/format.h>

#include "command_line.hpp"
#include "flotilla/run/evaluation.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

int flow_evaluate(const Communicator& comm, const Command& command, const Words& words) {
  EvaluationConfig config;
  if (!read_command_line(comm, command, options_of(config), words)) return 0;
  const Evaluation found = evaluate(config, comm);
  if (!comm.is_root()) return 0;
  show(fmt::format("{}: x, z, log_det_jacobian and log_density of {} points\n", config.output,
                   found.points));
  if (found.non_finite > 0) {
    show(fmt::format("at {} of them a value is not finite: it is NaN or infinite in the file\n",
                     found.non_finite));
  }
  if (!found.removed.empty()) show(found.removed + "\n");
  return 0;
}

}  // namespace

Command flow_evaluate_command() {
  return {.name = "flow evaluate",
          .summary =
              "Evaluates a flow at points: x = f(z) or z = f^-1(x), log|det dx/dz| and log "
              "q_X(x) of each.",
          .examples = {"flotilla flow evaluate two_moons.h5 --points z.h5:z -o x.h5",
                       "mpirun -n 4 flotilla flow evaluate two_moons.h5 --points x.h5 --inverse"},
          .verdict = "",
          .options = default_options<EvaluationConfig>,
          .run = flow_evaluate};
}

}  // namespace flotilla::app
