// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "flotilla/target/density.hpp"

namespace flotilla {

/// Opens a density of a file by scripts/export_torchscript.py --density. LibTorch runs its module
/// in double precision on one thread, in slabs of the width that it was exported for. Automatic
/// differentiation makes the gradient.
///
/// @throws InputError if there is no LibTorch, the file holds no such density, arguments are given,
/// or the module does not compute what it did when it was exported
std::unique_ptr<Density> open_torchscript_density(const DensitySource& source);

}  // namespace flotilla
