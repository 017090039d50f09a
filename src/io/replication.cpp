// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/replication.hpp"

#include <fmt/format.h>

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <sstream>
#include <utility>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/context.hpp"
#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/numbers.hpp"
#include "flotilla/io/observation_file.hpp"
#include "io/points.hpp"

namespace boost::serialization {

template <typename Archive>
void serialize(Archive& archive, flotilla::Tensor& tensor, unsigned /*version*/) {
  archive& tensor.shape& tensor.values;
}

template <typename Archive>
void serialize(Archive& archive, flotilla::LayerRecord& layer, unsigned /*version*/) {
  archive& layer.type& layer.texts& layer.numbers& layer.arrays& layer.module;
}

template <typename Archive>
void serialize(Archive& archive, flotilla::Observation& observation, unsigned /*version*/) {
  archive& observation.name& observation.arrays;
}

template <typename Archive>
void serialize(Archive& archive, flotilla::GoldenValues& golden, unsigned /*version*/) {
  archive& golden.z& golden.x& golden.log_det& golden.log_det_gradient& golden.tangent& golden
      .jvp& golden.base_log_density& golden.base_score& golden.context& golden.z_from_x& golden
      .tangent_from_jvp;
}

template <typename Archive>
void serialize(Archive& archive, flotilla::FlowRecord& record, unsigned /*version*/) {
  archive& record.dim& record.context_dim& record.base& record.layers& record.golden& record
      .provenance& record.checksum;
}

}  // namespace boost::serialization

namespace flotilla {
namespace {

template <typename Record>
std::string pack(const Record& record) {
  std::ostringstream stream;
  {
    boost::archive::binary_oarchive archive(stream);
    archive << record;
  }
  return std::move(stream).str();
}

template <typename Record>
Record unpack(const std::string& bytes) {
  std::istringstream stream(bytes);
  boost::archive::binary_iarchive archive(stream);
  Record record;
  archive >> record;
  return record;
}

/// Calls `read` on rank 0 and broadcasts what it returns. `accept` checks what arrived on every
/// rank.
template <typename Record, typename Read, typename Accept>
Record replicate(const Communicator& comm, Read read, Accept accept) {
  std::string bytes;
  comm.together([&] {
    if (comm.is_root()) bytes = pack(read());
  });
  comm.broadcast(bytes);
  Record record;
  comm.together([&] {
    record = unpack<Record>(bytes);
    accept(record);
  });
  return record;
}

}  // namespace

std::string to_bytes(const FlowRecord& record) {
  return pack(record);
}

FlowRecord flow_from_bytes(const std::string& bytes) {
  return unpack<FlowRecord>(bytes);
}

FlowRecord replicate_flow(const Communicator& comm, const std::string& path) {
  return replicate<FlowRecord>(
      comm, [&] { return read_flow_file(path); },
      [&](const FlowRecord& record) {
        const std::string found = checksum(record);
        if (found == record.checksum) return;
        throw EnvironmentError(fmt::format(
            "the flow that reached rank {} has checksum {}, but rank 0 sent {}: the network or the "
            "memory of a node is damaged",
            comm.rank(), found, record.checksum));
      });
}

Tensor replicate_numbers(const Communicator& comm, const Location& location) {
  return replicate<Tensor>(
      comm, [&] { return read_numbers(location); }, [](const Tensor& /*numbers*/) {});
}

Tensor replicate_points(const Communicator& comm, const Location& location) {
  return replicate<Tensor>(
      comm, [&] { return read_points(location); }, [](const Tensor& /*points*/) {});
}

std::vector<double> replicate_context(const Communicator& comm, const ContextSource& source) {
  return replicate<std::vector<double>>(
      comm, [&] { return read_context(source); }, [](const std::vector<double>& /*context*/) {});
}

Observation replicate_observation(const Communicator& comm, const std::string& path) {
  return replicate<Observation>(
      comm, [&] { return read_observation(path); }, [](const Observation& /*observation*/) {});
}

FlowRecord replicate_flow(const Communicator& comm, const std::string& path,
                          const ContextSource& source) {
  FlowRecord record = replicate_flow(comm, path);
  const std::vector<double> context = replicate_context(comm, source);
  comm.together([&] { record = at_context(std::move(record), context); });
  return record;
}

}  // namespace flotilla
