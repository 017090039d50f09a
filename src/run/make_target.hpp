#pragma once

#include <memory>
#include <optional>

#include "flotilla/flow/flow.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/target/target.hpp"

namespace flotilla {

/// The level of a clipped target, given or estimated; nothing for another target. Collective.
/// @throws InputError as clip_level() does
template <typename T>
std::optional<double> target_level(const RunConfig& config, const Flow<T>& flow,
                                   const Communicator& comm);

/// The target that a configuration names. @param flow  outlives the target
template <typename T>
std::unique_ptr<Target<T>> make_target(const RunConfig& config, const Flow<T>& flow,
                                       std::optional<double> level);

}  // namespace flotilla
