// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/parameter.hpp"
#include "flotilla/io/run_reader.hpp"

namespace flotilla {

/// The specification of the target that a run sampled, resolved: make_target() makes that target
/// again. Not collective.
/// @throws InputError where it is no target of the registry, but a program's own
Specification recorded_target(const RunReader& run);

/// The specification of the kernel that a run was made with. Not collective.
/// @throws InputError where it is no kernel of the registry
Specification recorded_kernel(const RunReader& run);

}  // namespace flotilla
