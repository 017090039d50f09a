// SPDX-License-Identifier: BSD-3-Clause

// flotilla flow verify FLOW.h5: whether this program computes what the flow's exporter did.

#include <fmt/format.h>

#include <vector>

#include "command_line.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/flow/golden.hpp"
#include "flotilla/io/replication.hpp"

namespace flotilla::app {
namespace {

/// @param base_known  whether the file has golden values of its base density
/// @param bound       deviations between the tolerance and this mean imprecise, larger ones wrong
bool report(const char* precision, const GoldenDeviations& found, bool base_known, double tolerance,
            double bound) {
  const bool good = found.largest() <= tolerance;
  const bool right = found.largest() <= bound;
  const auto of_base = [&](double deviation) {
    return base_known ? fmt::format("{:.2e}", deviation) : std::string("-");
  };
  fmt::print(
      "{:<10} {:>9.2e} {:>9.2e} {:>9.2e} {:>9.2e} {:>9.2e} {:>9.2e} {:>9} {:>9} {:>10.0e}  "
      "{}\n",
      precision, found.x, found.log_det, found.log_det_gradient, found.jvp, found.z_from_x,
      found.tangent_from_jvp, of_base(found.base_log_density), of_base(found.base_score), tolerance,
      good ? "ok" : (right ? "imprecise" : "FAILED"));
  return right;
}

void verify(const std::string& path, const FlowRecord& record) {
  const GoldenDeviations in_double = verify_golden<double>(record);
  const GoldenDeviations in_float = verify_golden<float>(record);
  fmt::print("{}: checksum ok; largest deviations from {} golden values\n", path,
             record.golden.z.shape[0]);
  fmt::print("{:<10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}\n", "precision", "x",
             "log_det", "gradient", "J v", "f^-1(x)", "J^-1 J v", "log q_Z", "score q_Z",
             "tolerance");
  const bool base_known = !record.golden.base_log_density.values.empty();
  const bool double_good =
      report("double", in_double, base_known, kDoubleTolerance, kDoubleTolerance);
  const bool float_good =
      report("float", in_float, base_known, kFloatTolerance, explained_in_float(in_double));
  if (double_good && float_good) {
    if (in_float.largest() <= kFloatTolerance) return;
    fmt::print(
        "the flow is ill-conditioned: float loses that much of its Jacobian products;\nif the "
        "acceptance rate is too low, sample with --precision double\n");
    return;
  }
  throw InputError(fmt::format(
      "{}: the golden values of the file are not what this program computes: do not sample from "
      "it; export it again, and report it if that does not help",
      path));
}

struct Call {
  std::string flow;
};

std::vector<Option> options_of(Call& call) {
  return {{.name = "flow",
           .place = &call.flow,
           .kind = OptionKind::kFlow,
           .help = "flow file",
           .positional = true,
           .required = true}};
}

int flow_verify(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const FlowRecord record = replicate_flow(comm, call.flow);
  comm.together([&] {
    if (comm.is_root()) verify(call.flow, record);
  });
  return 0;
}

}  // namespace

Command flow_verify_command() {
  return {.name = "flow verify",
          .summary = "Recomputes the golden values of a flow file; fails if they differ.",
          .examples = {"flotilla flow verify two_moons.h5"},
          .verdict = "",
          .options = default_options<Call>,
          .run = flow_verify};
}

}  // namespace flotilla::app
