// SPDX-License-Identifier: BSD-3-Clause

// flotilla flow show FLOW.h5: what a flow file holds, and how its layers compute.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "command_line.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/flow/flow.hpp"
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

void show_layers(const FlowRecord& record, const Flow<double>& flow) {
  fmt::print("{:>5}  {:<24} {:>10} {:>8} {:>8}  {}\n", "layer", "type", "parameters", "forward",
             "inverse", "entries");
  std::size_t total = 0;
  for (std::size_t k = 0; k < record.layers.size(); ++k) {
    const LayerRecord& layer = record.layers[k];
    const Directions directions = flow.layer(k).directions();
    total += layer.parameters();
    fmt::print("{:>5}  {:<24} {:>10} {:>8} {:>8}  {}\n", k, printable(layer.type),
               layer.parameters(), directions.forward.passes, directions.inverse.passes,
               describe(layer));
  }
  fmt::print("{:>5}  {:<24} {:>10}\n", "", "all", total);
  fmt::print(
      "\nforward, inverse: passes through the conditioner, one after another; each computes\nonly "
      "what depends on the last coordinate found\n");
}

// ---- Directions that are not in closed form --------------------------------------------------

struct NamedDirection {
  const char* name;
  Direction Directions::*place;
};
constexpr NamedDirection kDirections[] = {
    {"forward", &Directions::forward},
    {"inverse", &Directions::inverse},
    {"J v", &Directions::products},
    {"J^-1 v", &Directions::inverse_products},
};

std::string describe(const Direction& direction) {
  if (direction.tolerance > 0.0) {
    return fmt::format("{}, at most {}, until it is solved to {:.1e} (|u| + 1)", direction.method,
                       direction.steps, direction.tolerance);
  }
  if (direction.steps > 0) {
    return fmt::format("{}, always {}: no tolerance is promised", direction.method,
                       direction.steps);
  }
  return fmt::format("{}: no tolerance is promised", direction.method);
}

/// Whether some layer does not compute this in closed form.
bool solved(const Flow<double>& flow, Direction Directions::*place) {
  for (std::size_t k = 0; k < flow.depth(); ++k) {
    if (!(flow.layer(k).directions().*place).closed_form()) return true;
  }
  return false;
}

double largest_distance(const std::vector<double>& one, const std::vector<double>& other) {
  double largest = 0.0;
  for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i) {
    largest = std::max(largest, std::abs(one[i] - other[i]));
  }
  return largest;
}

/// What the exporter of a TorchScript module found of its inverse.
std::string module_inverse(const GoldenValues& golden) {
  if (golden.z_from_x.values.empty()) {
    return "at the golden points the module's inverse is exact but for rounding: metric MALA "
           "inherits\nno error";
  }
  return fmt::format(
      "metric MALA inherits the error of the module's inverse: at the golden points f^-1(f(z)) is\n"
      "{:.1e} from z, and J^-1 J v {:.1e} from v; the other kernels use no inverse",
      largest_distance(golden.z_from_x.values, golden.z.values),
      largest_distance(golden.tangent_from_jvp.values, golden.tangent.values));
}

std::string inherited(const FlowRecord& record, const Flow<double>& flow) {
  if (std::any_of(record.layers.begin(), record.layers.end(),
                  [](const LayerRecord& layer) { return !layer.module.empty(); })) {
    return module_inverse(record.golden);
  }
  std::string text;
  if (solved(flow, &Directions::forward)) {
    text +=
        "x, l and J of every kernel are those of the point that forward() finds, within its "
        "tolerance\nof f(z)\n";
  }
  if (solved(flow, &Directions::products) || solved(flow, &Directions::inverse_products)) {
    return text + "metric MALA inherits the tolerance of J v and J^-1 v in its acceptance";
  }
  return text +
         "metric MALA inherits no error of an inverse: it takes J v and J^-1 v at the point that "
         "forward()\nfound, exact but for rounding; only --start and flow evaluate --inverse call "
         "the inverse";
}

void show_directions(const FlowRecord& record, const Flow<double>& flow) {
  fmt::print("\nequations solved by steps\n");
  bool any = false;
  for (std::size_t k = 0; k < flow.depth(); ++k) {
    const Directions directions = flow.layer(k).directions();
    for (const NamedDirection& row : kDirections) {
      const Direction& direction = directions.*row.place;
      if (direction.closed_form()) continue;
      fmt::print("{:>5}  {:<24} {:<8} {}\n", k, printable(flow.layer(k).type()), row.name,
                 describe(direction));
      any = true;
    }
  }
  if (any) {
    fmt::print("{}\n", inherited(record, flow));
  } else {
    fmt::print("none: every direction is in closed form, and metric MALA inherits no error\n");
  }
}

// ---- The command -----------------------------------------------------------------------------

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
  show_layers(record, flow);
  if (flow.has_inverse()) show_directions(record, flow);
  fmt::print("\nprovenance\n");
  for (const auto& [name, value] : record.provenance) {
    fmt::print("  {:<24} {}\n", printable(name), printable(value));
  }
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

int flow_show(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const FlowRecord record = replicate_flow(comm, call.flow);
  comm.together([&] {
    if (comm.is_root()) show(call.flow, record);
  });
  return 0;
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

}  // namespace flotilla::app
