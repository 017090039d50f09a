// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"

namespace flotilla::test {

/// Fails if a row of a registry lacks something that options, help or run files need.
void expect_whole(const Choice& choice);

/// Fails if parameters of the same name differ between rows: they are one option. Returns the
/// number of parameters checked.
int expect_one_meaning(const std::vector<Choice>& choices);

/// Fails if a specification is accepted with a parameter out of its range, NaN or infinite, or if
/// the message does not name the option. Returns the number of values tried.
int expect_ranges_kept(const Choice& choice,
                       const std::function<void(const Specification&)>& check);

/// The names of all kernels, and of all targets that need no density, to loop over.
std::vector<std::string> kernel_names();
std::vector<std::string> target_names();

/// A name as GoogleTest allows it: letters, digits and underscores.
std::string test_name(std::string name);

}  // namespace flotilla::test
