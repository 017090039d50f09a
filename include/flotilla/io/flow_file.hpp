// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The version of the flow file format that this library reads and writes.
inline constexpr int kFlowFileVersion = 1;

/// Reads a flow file: structure, sizes and checksum are verified here, the layers' own rules when
/// the Flow is built.
///
/// @throws InputError where the file is missing, is no flow file, is of another version, damaged,
/// or
///         would need more memory than any flow does
FlowRecord read_flow_file(const std::string& path);

/// Writes a flow file under a temporary name and renames it; the checksum is computed anew.
///
/// @throws Hdf5Error, EnvironmentError
void write_flow_file(const std::string& path, const FlowRecord& record);

/// "sha256:<hex>" over dim, context_dim, base density and layers: what determines the draws,
/// whatever its provenance. src/io/README.md, flow files, lays down the bytes.
std::string checksum(const FlowRecord& record);

/// "sha256:<hex>" over an array's shape and values.
std::string checksum(const Tensor& array);

}  // namespace flotilla
