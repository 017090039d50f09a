// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"
#include "flotilla/sampler/local_move.hpp"

namespace flotilla {

/// A row of the registry of kernels: all that the program knows of one. What a step costs, the move
/// itself says.
struct KernelRow {
  Choice choice;  ///< of --kernel
  std::unique_ptr<LocalMove<float>> (*in_float)(const ParameterValues& values) = nullptr;
  std::unique_ptr<LocalMove<double>> (*in_double)(const ParameterValues& values) = nullptr;
};

/// Every kernel that a configuration may name, by its local move.
const std::vector<KernelRow>& kernel_registry();

/// @throws InputError naming the choices
const KernelRow& kernel_row(const std::string& name);

/// @throws InputError where no row has the name, a parameter is not the row's or out of its range
void expect_kernel(const Specification& specification);

/// The specification with every value in it, as a run file records it.
/// @throws InputError as expect_kernel() does
Specification resolve_kernel(const Specification& specification);

/// The local move that a specification means. @throws InputError as expect_kernel() does
template <typename T>
std::unique_ptr<LocalMove<T>> make_local_move(const Specification& specification);

}  // namespace flotilla
