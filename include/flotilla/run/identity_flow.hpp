// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/location.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// A flow that has learnt nothing, x = loc + scale z, and the file it goes to.
struct IdentityConfig {
  Index dim = 0;        ///< 0: as many as loc, scale or the points have
  ContextSource loc;    ///< [dim]; an empty list: zeros
  ContextSource scale;  ///< [dim], > 0; an empty list: ones
  Location like;        ///< points or a run file, whose means and standard deviations are taken
  std::string output = "identity.h5";
  bool force = false;  ///< replace an existing output

  /// @throws InputError naming the first option that is out of range, and its range
  void validate() const;
};

/// The options of an identity flow as a table. It points into `identity`, which must outlive it.
std::vector<Option> options_of(IdentityConfig& identity);

/// Writes the flow file: the base density N(0, I), and one diagonal layer if a loc or a scale is
/// given. Returns the flow's dim. Collective; rank 0 reads and writes.
/// @throws InputError, the same on every rank, if an input cannot be used or the sizes do not
/// agree; EnvironmentError
Index write_identity_flow(const IdentityConfig& config, const Communicator& comm);

}  // namespace flotilla
