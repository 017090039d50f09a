// SPDX-License-Identifier: BSD-3-Clause
#include "quality/run_flow.hpp"

#include <fmt/format.h>

#include <utility>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/io/replication.hpp"

namespace flotilla {
FlowRecord flow_record_of_run(const RunReader& run, const std::string& given,
                              const Communicator& comm) {
  const std::string path = given.empty() ? run.text("flow_file") : given;
  FlowRecord record = replicate_flow(comm, path);
  const std::string expected = run.text("flow_checksum");
  if (record.checksum != expected) {
    throw InputError(
        fmt::format("{}: expected the flow that was sampled, {}, found {}: name the "
                    "right one with --flow",
                    path, expected, record.checksum));
  }
  const std::vector<double> context =
      replicate_context(comm, parse_context(run.has_fact("context") ? run.text("context") : ""));
  comm.together([&] { record = at_context(std::move(record), context); });
  return record;
}

std::unique_ptr<Flow<double>> flow_of_run(const RunReader& run, const std::string& path, Index dim,
                                          const Communicator& comm) {
  const FlowRecord record = flow_record_of_run(run, path, comm);
  std::unique_ptr<Flow<double>> flow;
  comm.together([&] { flow = std::make_unique<Flow<double>>(record); });
  if (flow->dim() == dim) return flow;
  throw InputError(
      fmt::format("{}: its draws have {} coordinates, but its flow has {}: the file is damaged",
                  run.path(), dim, flow->dim()));
}

}  // namespace flotilla
