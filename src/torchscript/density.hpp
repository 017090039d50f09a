// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "torchscript/engine.hpp"

namespace flotilla::torchscript {

/// Makes the density of a file from its bytes. @throws std::runtime_error if they hold none
std::unique_ptr<DensityEngine> make_density_engine(const std::string& bytes);

}  // namespace flotilla::torchscript
