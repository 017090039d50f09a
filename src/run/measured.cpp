// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/measured.hpp"

namespace flotilla {

const std::vector<MeasuredFigure>& measured_figures() {
  using S = RunSummary;
  static const std::vector<MeasuredFigure> rows = {
      {"step_size", "step size", [](const S& s) { return s.step_size; }, Print::kGeneral},
      {"global_fraction", "share of global moves", [](const S& s) { return s.global_fraction; },
       Print::kRate},
      {"damping", "damping", [](const S& s) { return s.damping; }, Print::kGeneral},
      {"smallest_scale", "smallest scale", [](const S& s) { return s.smallest_scale; },
       Print::kGeneral},
      {"largest_scale", "largest scale", [](const S& s) { return s.largest_scale; },
       Print::kGeneral},
      {"acceptance_rate", "acceptance rate, local",
       [](const S& s) { return s.moves.local_acceptance_rate(); }, Print::kRate},
      {"global_acceptance_rate", "acceptance rate, global",
       [](const S& s) { return s.moves.global_acceptance_rate(); }, Print::kRate},
      {"mean_squared_jump", "mean squared jump",
       [](const S& s) { return s.moves.mean_squared_jump(); }, Print::kGeneral},
      {"non_finite_proposals", "non-finite proposals",
       [](const S& s) { return s.moves.non_finite(); }, Print::kCount},
      {"warmup_seconds", "warm-up", [](const S& s) { return s.warmup_seconds; }, Print::kSeconds},
      {"sampling_seconds", "sampling", [](const S& s) { return s.sampling_seconds; },
       Print::kSeconds},
      {"chain_steps_per_second", "chain-steps per second",
       [](const S& s) { return s.chain_steps_per_second; }, Print::kCount},
      {"effective_draws_per_second", "effective draws per second",
       [](const S& s) { return s.last_report.ess / s.sampling_seconds; }, Print::kGeneral},
      {"effective_draws_per_gradient", "effective draws per gradient",
       [](const S& s) { return s.last_report.ess / s.gradients; }, Print::kGeneral},
      {"flow_share", "share of time in flow", [](const S& s) { return s.flow_share; },
       Print::kPercent},
      {"exchange_share", "share of time in exchange", [](const S& s) { return s.exchange_share; },
       Print::kPercent},
      {"output_share", "share of time in I/O", [](const S& s) { return s.output_share; },
       Print::kPercent},
      {"checkpoint_seconds", "checkpoints", [](const S& s) { return s.checkpoint_seconds; },
       Print::kSeconds},
      {"checkpoint_megabytes", "size of a checkpoint, MB",
       [](const S& s) { return s.checkpoint_megabytes; }, Print::kGeneral},
  };
  return rows;
}

}  // namespace flotilla
