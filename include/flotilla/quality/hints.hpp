// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "flotilla/quality/diagnosis.hpp"
#include "flotilla/quality/figures.hpp"

namespace flotilla {

/// Options of `flotilla sample` that would help together, by name, each with its new value. Of a
/// switch that the run turned off the value is "true".
using Change = std::vector<std::pair<std::string, std::string>>;

/// What would help a run that has not converged.
struct Hint {
  std::string evidence;         ///< name of the row of the table that it comes from
  std::string finding;          ///< what the run file shows
  std::vector<Change> changes;  ///< each is enough by itself; empty if no option helps

  /// "each chain is worth 20 independent draws, ...: --draws 900, or --thin 9"
  std::string sentence() const;
};

/// A kind of evidence, as a row of a table. Its functions are called for runs that have not
/// converged.
struct HintRow {
  const char* evidence;
  bool (*found)(const Diagnosis& diagnosis, const Thresholds& thresholds);
  std::string (*finding)(const Diagnosis& diagnosis, const Thresholds& thresholds);
  std::vector<Change> (*changes)(const Diagnosis& diagnosis, const Thresholds& thresholds);
};

/// The kinds of evidence, the likeliest cause first: what explains a failure by itself comes before
/// what any failure might have.
const std::vector<HintRow>& hint_rows();

/// At most this many hints are given.
inline constexpr std::size_t kMostHints = 3;

/// The first rows of the table whose evidence is in the run file. Empty if the run has converged.
std::vector<Hint> hints(const Diagnosis& diagnosis, const Thresholds& thresholds);

}  // namespace flotilla
