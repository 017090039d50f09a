// SPDX-License-Identifier: BSD-3-Clause

// flotilla flow show|verify FLOW.h5: what a flow file holds, and whether this program reproduces
// it.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

#include "command_line.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/flow/golden.hpp"
#include "flotilla/io/replication.hpp"

namespace flotilla::app {
namespace {

std::string describe(const LayerRecord& layer) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : layer.texts) parts.push_back(fmt::format("{}={}", name, value));
  for (const auto& [name, value] : layer.numbers) {
    parts.push_back(fmt::format("{}={}", name, value));
  }
  if (!layer.module.empty()) parts.push_back(fmt::format("{} bytes", layer.module.size()));
  for (const auto& [name, tensor] : layer.arrays) {
    parts.push_back(fmt::format("{}[{}]", name, fmt::join(tensor.shape, "x")));
  }
  return printable(fmt::format("{}", fmt::join(parts, " ")));
}

std::string describe_base(const LayerRecord& base) {
  const std::string entries = describe(base);
  return printable(entries.empty() ? base.type : fmt::format("{} {}", base.type, entries));
}

void show(const std::string& path, const FlowRecord& record) {
  // A flow that cannot be built is an error. Any context will do to find out.
  const std::vector<double> context(static_cast<std::size_t>(record.context_dim));
  const Flow<double> flow(at_context(record, context));
  fmt::print("{}\n  dim          {}\n  base         {}\n  checksum     {}\n", path, record.dim,
             describe_base(record.base), record.checksum);
  if (record.context_dim > 0) fmt::print("  context      {} numbers\n", record.context_dim);
  if (flow.multiply_adds() > 0) {
    fmt::print("  multiply-adds {} of one forward pass, per chain\n", flow.multiply_adds());
  }
  if (!flow.has_inverse()) {
    fmt::print("  no inverse: only --kernel mala and global moves, and no --start\n");
  }
  fmt::print("\n");
  fmt::print("{:>5}  {:<24} {:>10} {:>8} {:>8}  {}\n", "layer", "type", "parameters", "forward",
             "inverse", "entries");
  std::size_t total = 0;
  for (std::size_t k = 0; k < record.layers.size(); ++k) {
    const LayerRecord& layer = record.layers[k];
    total += layer.parameters();
    fmt::print("{:>5}  {:<24} {:>10} {:>8} {:>8}  {}\n", k, printable(layer.type),
               layer.parameters(), flow.layer(k).forward_passes(), flow.layer(k).inverse_passes(),
               describe(layer));
  }
  fmt::print("{:>5}  {:<24} {:>10}\n", "", "all", total);
  fmt::print(
      "\nforward, inverse: passes through the conditioner, one after another; each computes\nonly "
      "what depends on the last coordinate found\n\nprovenance\n");
  for (const auto& [name, value] : record.provenance) {
    fmt::print("  {:<24} {}\n", printable(name), printable(value));
  }
}

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

/// Reads a flow on every rank, and looks at it on rank 0.
int look(const Communicator& comm, const Command& command, const Words& words,
         void (*at)(const std::string& path, const FlowRecord& record)) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const FlowRecord record = replicate_flow(comm, call.flow);
  comm.together([&] {
    if (comm.is_root()) at(call.flow, record);
  });
  return 0;
}

int flow_show(const Communicator& comm, const Command& command, const Words& words) {
  return look(comm, command, words, show);
}

int flow_verify(const Communicator& comm, const Command& command, const Words& words) {
  return look(comm, command, words, verify);
}

}  // namespace

Command flow_show_command() {
  return {.name = "flow show",
          .summary = "Shows the layers, parameters and provenance of a flow file.",
          .examples = {"flotilla flow show two_moons.h5"},
          .verdict = "",
          .options = default_options<Call>,
          .run = flow_show};
}

Command flow_verify_command() {
  return {.name = "flow verify",
          .summary = "Recomputes the golden values of a flow file; fails if they differ.",
          .examples = {"flotilla flow verify two_moons.h5"},
          .verdict = "",
          .options = default_options<Call>,
          .run = flow_verify};
}

}  // namespace flotilla::app
