// SPDX-License-Identifier: BSD-3-Clause
#include "command.hpp"

namespace flotilla::app {

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      sample_command(),        resume_command(),        summary_command(),
      compare_command(),       evidence_command(),      verify_command(),
      study_command(),         flow_show_command(),     flow_verify_command(),
      flow_evaluate_command(), flow_identity_command(), density_check_command(),
      doctor_command(),
  };
  return all;
}

}  // namespace flotilla::app
