// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The type of a layer that is a TorchScript module. It is never in a flow file.
inline constexpr std::string_view kTorchScript = "torchscript";

/// Whether LibTorch is installed and loads.
bool torchscript_available();

/// The record of a TorchScript file of scripts/export_torchscript.py: one layer whose `module` is
/// these bytes, base density, golden values and provenance. The checksum is empty.
///
/// Loads LibTorch on the first call. @throws InputError if there is no LibTorch, or the bytes are
/// not such a file
FlowRecord torchscript_record(const std::string& bytes);

/// The layer of such a record. LibTorch runs its module on one thread. Jacobian products use
/// automatic differentiation; those of the inverse differentiate the inverse.
///
/// Unlike other layers it allocates, and a product runs the module once more. It works in slabs of
/// the width that the module was exported for. Its operations throw InputError if the module fails.
/// @throws InputError if there is no LibTorch, or the module does not load
template <typename T>
std::unique_ptr<Layer<T>> make_torchscript_layer(const LayerRecord& record, Index dim);

}  // namespace flotilla
