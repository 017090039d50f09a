// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

namespace flotilla {

// What those who write a run file and those who look at it have to agree on.

/// ArviZ expects these on every group.
inline constexpr std::array kGroupFacts = {
    "created_at",       "inference_library",        "inference_library_version",
    "creation_library", "creation_library_version", "creation_library_language"};

/// The value of a flag that was not recorded, 0 and 1 being those that were.
inline constexpr std::int8_t kMissingFlag = -1;

// A reader sees the flags of a run under way as numbers, of which kMissingFlag is none. They become
// truth values at the end. The attributes change in place: a kill in between does no harm.
inline constexpr const char* kFlagType = "dtype";
inline constexpr const char* kNumbers = "int8";
inline constexpr const char* kTruthValues = "bool";

/// Attributes of the root, texts of circles_as_text(): the coordinates of x and of z on circles.
inline constexpr const char* kDataCircles = "circles";
inline constexpr const char* kLatentCircles = "latent_circles";

/// An attribute of the root and of every group: one of the next two.
inline constexpr const char* kStatus = "status";
inline constexpr const char* kUnfinished =
    "unfinished: what was not made reads as missing; draws_committed in the root counts the draws "
    "that are complete";
inline constexpr const char* kComplete = "complete";

/// The number of draws of each chain that are complete; in warm-up with the next before it.
inline constexpr const char* kCommitted = "draws_committed";
inline constexpr const char* kWarmupPrefix = "warmup_";

/// The group that holds the tables `points` and `statistics` of checksums, each
/// [block x tile x variable]. Attributes of a table that are named after groups list the variables
/// of these, one group after another in byte order; two more tell how large a block and a tile are.
inline constexpr const char* kChecksumGroup = "checksums";
inline constexpr std::array kChecksumTables = {"points", "statistics"};
inline constexpr const char* kBlockDraws = "draws";
inline constexpr const char* kTileChains = "chains";

}  // namespace flotilla
