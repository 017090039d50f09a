// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/finding.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// Where a run would write.
struct DoctorConfig {
  std::string folder = ".";
  Index megabytes = 8;  ///< that each rank writes, about

  /// @throws InputError naming what is out of range
  void validate() const;
};

/// The options of an examination as a table. It points into `doctor`, which must outlive it.
std::vector<Option> options_of(DoctorConfig& doctor);

/// Looks at ranks, nodes, MPI and the file system as a run would find them, and what to change. A
/// finding failed where it would break a run. All nodes have their say; rank 0 gets the findings,
/// the others none. Collective.
///
/// @throws InputError, the same on every rank, if there is no such folder
std::vector<Finding> examine_machine(const DoctorConfig& config, const Communicator& comm);

/// The findings as a table with its last word, and as JSON.
std::string doctor_text(const std::vector<Finding>& findings);
std::string doctor_json(const std::vector<Finding>& findings);

}  // namespace flotilla
