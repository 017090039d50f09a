// SPDX-License-Identifier: BSD-3-Clause
#include "run/facts.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>

#include "flotilla/core/circle.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/core/version.hpp"
#include "flotilla/run/measured.hpp"
#include "flotilla/run/recorded.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"
#include "flow/circles.hpp"
#include "io/run_layout.hpp"
#include "run/density_of_run.hpp"

namespace flotilla {
namespace {

std::string from_root(const Communicator& comm, std::string text) {
  comm.broadcast(text);
  return text;
}

std::string now() {
  const std::time_t time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S+00:00}", fmt::gmtime(time));
}

std::string absolute(const std::string& path) {
  std::error_code unknown;
  const std::filesystem::path whole = std::filesystem::absolute(path, unknown);
  return unknown ? path : whole.string();
}

/// 128 random bits, in hexadecimal.
std::string random_number() {
  std::random_device device;
  std::string text;
  for (int word = 0; word < 4; ++word) text += fmt::format("{:08x}", device());
  return text;
}

/// The name as attributes and Python can spell it.
std::string as_fact(std::string parameter) {
  std::replace(parameter.begin(), parameter.end(), '-', '_');
  return parameter;
}

/// Records each parameter as a number under its own name. recorded_target() and recorded_kernel()
/// read it back.
void add_parameters(const Specification& specification, RunFacts& facts) {
  for (const auto& [parameter, value] : specification.parameters) {
    const std::string name = as_fact(parameter);
    std::vector<std::string> taken = measured_names();
    for (const auto& fact : facts) taken.push_back(fact.first);
    if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
      throw InputError(
          fmt::format("'{}' records '{}', but so does every run: give its parameter another name",
                      specification.name, parameter));
    }
    facts.emplace_back(name, value);
  }
}

/// Whether another parameter may have taken this one's place.
bool may_be_replaced(const Choice& choice, const Parameter& parameter) {
  return std::any_of(
      choice.parameters.begin(), choice.parameters.end(),
      [&](const Parameter& other) { return std::string(other.in_place_of) == parameter.name; });
}

Specification recorded(const RunReader& run, const Choice& choice) {
  Specification specification{choice.name, {}};
  for (const Parameter& parameter : choice.parameters) {
    const std::string name = as_fact(parameter.name);
    if (run.has_fact(name)) {
      specification.parameters[parameter.name] = run.number(name);
    } else if (!may_be_replaced(choice, parameter)) {
      throw InputError(fmt::format("{}: it does not record its {}: name a run file that is whole",
                                   run.path(), name));
    }
  }
  return specification;
}

}  // namespace

Specification recorded_target(const RunReader& run) {
  return recorded(run, target_row(run.text("target")).choice);
}

Specification recorded_kernel(const RunReader& run) {
  return recorded(run, kernel_row(run.text("kernel")).choice);
}

DensitySource recorded_density(const RunReader& run) {
  if (run.has_fact("observation")) return {"", "", run.text("observation")};
  if (!run.has_fact("density")) return {};
  return {run.text("density"), run.text("density_args")};
}

std::string absolute_on_root(const Communicator& comm, const std::string& path) {
  return from_root(comm, absolute(path));
}

RunFacts library_facts() {
  const BuildFacts build = build_facts();
  const std::string version(build.version);
  return {
      {"inference_library", "flotilla"},
      {"inference_library_version", version},
      {"creation_library", "flotilla"},
      {"creation_library_version", version},
      {"creation_library_language", "C++"},
      {"git_commit", std::string(build.git_commit)},
      {"compiler", std::string(build.compiler)},
      {"compiler_flags", std::string(build.flags)},
      {"instruction_set", std::string(build.instruction_set)},
  };
}

RunFacts run_facts(const RunConfig& config, const Specification& target, const FlowRecord& record,
                   const Communicator& comm) {
  RunFacts facts = {{"created_at", from_root(comm, now())}};
  const RunFacts library = library_facts();
  facts.insert(facts.end(), library.begin(), library.end());
  const RunFacts own = {
      {"config", from_root(comm, config.text())},
      {"run_id", from_root(comm, random_number())},
      {"flow_file", absolute_on_root(comm, config.flow)},
      {"flow_checksum", record.checksum},
      {"random", "Philox4x32-10"},
      {"target", target.name},
      {"kernel", config.kernel.name},
      {"precision", config.precision},
      {"seed", static_cast<std::int64_t>(config.seed)},
      {"ranks", std::int64_t{comm.size()}},
      {"tile_width", std::int64_t{config.tile_width}},
      {"warmup", std::int64_t{config.warmup}},
      {"thin", std::int64_t{config.thin}},
      {"adapt", std::int64_t{config.adapt}},
      {"target_accept", config.wanted_acceptance()},
  };
  facts.insert(facts.end(), own.begin(), own.end());
  if (config.superchains > 0) {
    facts.emplace_back("superchains", std::int64_t{config.superchains});
  }
  if (!record.context.empty()) {
    facts.emplace_back("context", fmt::format("{}", fmt::join(record.context, ",")));
  }
  for (const auto& [name, circles] : {std::pair{kDataCircles, data_circles(record)},
                                      std::pair{kLatentCircles, latent_circles(record)}}) {
    const std::string text = circles_as_text(circles);
    if (!text.empty()) facts.emplace_back(name, text);
  }
  const RunFacts density = density_facts(config, comm);
  facts.insert(facts.end(), density.begin(), density.end());
  add_parameters(target, facts);
  add_parameters(resolve_kernel(config.kernel), facts);
  return facts;
}

std::vector<std::pair<std::string, double>> measured_facts(const RunSummary& summary) {
  std::vector<std::pair<std::string, double>> facts;
  for (const MeasuredFigure& figure : measured_figures()) {
    facts.emplace_back(figure.name, figure.of(summary));
  }
  return facts;
}

std::vector<std::string> measured_names() {
  std::vector<std::string> names;
  for (const MeasuredFigure& figure : measured_figures()) names.emplace_back(figure.name);
  return names;
}

}  // namespace flotilla
