// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/flow_verification.hpp"

#include "flotilla/core/error.hpp"
#include "flotilla/io/replication.hpp"
#include "run/flow_health.hpp"

namespace flotilla {
namespace {

constexpr double kMostDraws = 1e6;

void verify_golden_values(const FlowRecord& record, FlowVerification& found) {
  found.golden_points = static_cast<Index>(record.golden.z.shape.at(0));
  found.has_base_golden = !record.golden.base_log_density.values.empty();
  found.in_double = verify_golden<double>(record);
  found.in_float = verify_golden<float>(record);
}

}  // namespace

std::vector<Option> options_of(FlowVerificationConfig& verification) {
  return {
      {.name = "flow",
       .place = &verification.flow,
       .kind = OptionKind::kFlow,
       .help = "flow file",
       .positional = true,
       .required = true},
      {.name = "draws",
       .place = &verification.draws,
       .help = "draws of the base density to examine the flow at; 0: golden values only",
       .range = {0.0, kMostDraws}},
      {.name = "seed", .place = &verification.seed, .help = "of those draws"},
      {.name = "context",
       .place = &verification.context,
       .kind = OptionKind::kArray,
       .help =
           "what a conditional flow is conditioned on at the draws: numbers as in 0.5,-1, or an "
           "array"},
  };
}

void FlowVerificationConfig::validate() const {
  FlowVerificationConfig own = *this;  // options_of() needs a configuration that can be changed
  check_options(options_of(own));
}

bool FlowVerification::reproduces_golden() const {
  return in_double.largest() <= kDoubleTolerance &&
         in_float.largest() <= explained_in_float(in_double);
}

FlowVerification verify_flow(const FlowVerificationConfig& config, const Communicator& comm) {
  config.validate();
  FlowRecord record = replicate_flow(comm, config.flow);
  FlowVerification found;
  found.flow = config.flow;
  const bool golden = !record.golden.z.shape.empty();
  comm.together([&] {
    if (!golden && config.draws == 0) {
      throw InputError(
          "the flow file holds no golden values, so it cannot be verified; --draws 10000 examines "
          "it all the same");
    }
    if (golden && comm.is_root()) verify_golden_values(record, found);
  });
  if (config.draws == 0 || !comm.all_agree(found.reproduces_golden())) return found;
  record = replicate_flow(comm, config.flow, config.context);
  found.health = examine(record, {config.draws, config.seed}, comm);
  return found;
}

}  // namespace flotilla
