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

/// The points at which to evaluate a flow, and where the result goes.
struct EvaluationConfig {
  std::string flow;                  ///< flow file
  Location points;                   ///< points [n x dim]; empty: draws of q_Z
  Index naive = 0;                   ///< number of draws of q_Z, if no points are given
  std::uint64_t seed = 1;            ///< of these draws, below 2^63
  bool inverse = false;              ///< true: points are x and z is computed; false: points are z
  ContextSource context;             ///< context of a conditional flow; an empty list: none
  std::string precision = "double";  ///< or "float"
  std::string output = "points.h5";
  bool force = false;  ///< replace an existing output

  /// @throws InputError naming the first option that is out of range, and its range
  void validate() const;
};

/// The options of an evaluation as a table. It points into `evaluation`, which must outlive it.
std::vector<Option> options_of(EvaluationConfig& evaluation);

/// The outcome of an evaluation.
struct Evaluation {
  Index points = 0;      ///< evaluated by all ranks
  Index non_finite = 0;  ///< points at which x, z, l or log q_X is not finite
  std::string removed;   ///< a sentence on what a process that died had left where this one wrote,
                         ///< on rank 0; empty if there was nothing
};

/// Evaluates a flow at points. Writes x, z, l = log|det dx/dz| and log q_X(x) of each point.
///
/// Ranks share the points in blocks. A rank holds one block at a time, so memory does not grow with
/// the number of points. The written numbers are the same bits on any number of ranks. Collective.
/// @throws InputError, the same on every rank, if the points do not fit the flow, the flow needs an
/// inverse but has none, or the output would replace an input; EnvironmentError
Evaluation evaluate(const EvaluationConfig& config, const Communicator& comm);

}  // namespace flotilla
