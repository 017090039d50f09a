// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/tuning.hpp"

#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {

double Tuning::refreshment() const {
  return std::sqrt(-elementary::expm1(-2.0 * step_size.value() * damping));
}

}  // namespace flotilla
