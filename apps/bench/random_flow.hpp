#pragma once

#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla::bench {

/// An untrained RealNVP with tanh conditioners whose weights keep activations of order one.
FlowRecord random_realnvp(Index dim, int layers, const std::vector<Index>& widths);

}  // namespace flotilla::bench
