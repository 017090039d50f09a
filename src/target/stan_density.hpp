// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "flotilla/target/density.hpp"
#include "target/shared_library.hpp"

namespace flotilla {

/// Opens a Stan model in a library with BridgeStan's interface, version 1 or 2. Its points are
/// unconstrained parameters, and its density counts the Jacobian of their constraints. Constants
/// are kept, so that the evidence is the model's. What it derives are constrained parameters and
/// transformed parameters.
///
/// A point where the model throws an exception has log density NaN. Where a model throws while it
/// derives, the outputs are NaN.
///
/// Source: github.com/roualdes/bridgestan, src/bridgestan.h.
///
/// @param arguments  the data as BridgeStan takes it: a file *.json, JSON itself, or nothing; with
///                   " generated" behind it generated quantities are derived too. Their random
///                   numbers depend on the point alone
/// @throws InputError if the library is of another version, lacks a function, or refuses the data
std::unique_ptr<Density> open_stan_density(const SharedLibrary& library,
                                           const std::string& arguments);

}  // namespace flotilla
