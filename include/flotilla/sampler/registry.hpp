// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"
#include "flotilla/sampler/local_move.hpp"

namespace flotilla {

/// A row of the registry of kernels. It holds all that the program knows of a kernel, except the
/// cost of a step, which the move itself tells.
struct KernelRow {
  Choice choice;  ///< a choice of --kernel
  std::unique_ptr<LocalMove<float>> (*in_float)(const ParameterValues& values) = nullptr;
  std::unique_ptr<LocalMove<double>> (*in_double)(const ParameterValues& values) = nullptr;
  double target_accept = 0.0;  ///< acceptance rate of local moves that warm-up aims at
};

/// All kernels that a configuration may name. A kernel is named after its local move.
const std::vector<KernelRow>& kernel_registry();

/// The row of a kernel. @throws InputError naming the choices if there is none
const KernelRow& kernel_row(const std::string& name);

/// @throws InputError if no row has the name, the row does not have a parameter, or a value is out
/// of range
void expect_kernel(const Specification& specification);

/// The specification with every parameter filled in, as a run file records it.
/// @throws InputError as expect_kernel() does
Specification resolve_kernel(const Specification& specification);

/// Makes the local move of a specification. @throws InputError as expect_kernel() does
template <typename T>
std::unique_ptr<LocalMove<T>> make_local_move(const Specification& specification);

}  // namespace flotilla
