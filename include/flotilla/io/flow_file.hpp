// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The version of the flow file format that this library reads and writes.
inline constexpr int kFlowFileVersion = 1;

/// Reads a flow file. Structure, sizes and checksum are verified here; the layers' own rules are
/// verified when the Flow is built. Not collective.
///
/// @throws InputError if the file is missing, is no flow file, has another version, is damaged, or
/// would need more memory than any flow does
FlowRecord read_flow_file(const std::string& path);

/// Writes a flow file under a temporary name, then renames it. Computes the checksum anew. Not
/// collective.
///
/// @throws Hdf5Error, EnvironmentError
void write_flow_file(const std::string& path, const FlowRecord& record);

/// "sha256:<hex>" over dim, context_dim, base density and layers: over all that determines the
/// draws. Provenance is not part of it. The bytes are specified in src/io/README.md, flow files.
std::string checksum(const FlowRecord& record);

/// "sha256:<hex>" over an array's shape and values.
std::string checksum(const Tensor& array);

}  // namespace flotilla
