// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The type of a layer that is a TorchScript module; it stands in no flow file.
inline constexpr std::string_view kTorchScript = "torchscript";

/// Whether there is a LibTorch that loads.
bool torchscript_available();

/// What a TorchScript file by scripts/export_torchscript.py holds: one layer whose `module` is
/// these very bytes, base density, golden values and provenance. The checksum is left empty.
///
/// Loads LibTorch the first time. @throws InputError where there is no LibTorch, or the bytes are
/// not such a file
FlowRecord torchscript_record(const std::string& bytes);

/// The layer of such a record: a module that LibTorch runs on one thread, its Jacobian products by
/// automatic differentiation, those of the inverse through the inverse's own graph.
///
/// Unlike other layers it allocates, and a product runs the module once more. It works in slabs of
/// the width that the module was exported for. Its operations throw InputError where the module
/// does.
/// @throws InputError where there is no LibTorch, or the module does not load
template <typename T>
std::unique_ptr<Layer<T>> make_torchscript_layer(const LayerRecord& record, Index dim);

}  // namespace flotilla
