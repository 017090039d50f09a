// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"

namespace flotilla::test {

/// Fails where a row of a registry leaves out something that options, help or run files need.
void expect_whole(const Choice& choice);

/// Fails where parameters of one name differ between rows: they are one option. Returns how many
/// parameters were looked at.
int expect_one_meaning(const std::vector<Choice>& choices);

/// Fails where a specification with a value out of a parameter's range, NaN or an infinity is
/// accepted, or the message does not name the option. Returns how many values were tried.
int expect_ranges_kept(const Choice& choice,
                       const std::function<void(const Specification&)>& check);

/// The names of all kernels and targets, to run over.
std::vector<std::string> kernel_names();
std::vector<std::string> target_names();

/// A name as GoogleTest allows it: letters, digits and underscores.
std::string test_name(std::string name);

}  // namespace flotilla::test
