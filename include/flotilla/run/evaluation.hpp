// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/location.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// At which points a flow is to be evaluated, and where the result goes.
struct EvaluationConfig {
  std::string flow;                  ///< flow file
  Location points;                   ///< of points [n x dim]; empty: draws of q_Z
  Index naive = 0;                   ///< how many draws of q_Z, where no points are given
  std::uint64_t seed = 1;            ///< of those draws, below 2^63
  bool inverse = false;              ///< the points are x, and z is found; else the other way about
  ContextSource context;             ///< of a conditional flow; an empty list: none
  std::string precision = "double";  ///< or "float"
  std::string output = "points.h5";
  bool force = false;  ///< replace an existing output

  /// @throws InputError naming the first option that is out of range, and its range
  void validate() const;
};

/// The table of an evaluation's options, bound to a configuration that outlives it.
std::vector<Option> options_of(EvaluationConfig& evaluation);

/// What came of it.
struct Evaluation {
  Index points = 0;
  Index non_finite = 0;  ///< points of which x, z, l or log q_X is NaN or infinite
};

/// Evaluates a flow at points and writes x, z, l = log|det dx/dz| and log q_X(x) of each.
///
/// Ranks share the points in blocks, of which each holds one at a time: memory does not grow with
/// the number of points. The numbers written are the same bits on any number of ranks. Collective.
/// @throws InputError, the same on every rank, where the points do not fit the flow, the flow has
///         no inverse but needs one, or the output would replace what is read; EnvironmentError
Evaluation evaluate(const EvaluationConfig& config, const Communicator& comm);

}  // namespace flotilla
