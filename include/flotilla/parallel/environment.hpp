// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <mpi.h>

#include <functional>
#include <optional>
#include <string>

namespace flotilla {

/// Initialises MPI on construction and finalises it on destruction. One per process, in main().
///
/// Before MPI starts it sets what this program needs of Open MPI, where the user set nothing: no
/// shared file pointers, and a session folder of its own for a process without a launcher.
class MpiEnvironment {
 public:
  /// @throws MpiError
  MpiEnvironment(int& argc, char**& argv);
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  /// One sentence if a launcher started several processes and MPI knows of this one alone: each
  /// would do the whole work, into the same output.
  const std::optional<std::string>& misunderstanding() const { return misunderstanding_; }

 private:
  std::string session_folder_;  ///< empty if it is not ours
  std::optional<std::string> misunderstanding_;
};

/// The value of an environment variable; none if it is not set.
using Variables = std::function<std::optional<std::string>(const std::string& name)>;

/// What MpiEnvironment::misunderstanding() says of a launcher's variables.
///
/// @param size  the number of processes that MPI knows
std::optional<std::string> misunderstanding(const Variables& variables, int size);

/// The same sentence, of this process as it was when its MpiEnvironment was made.
const std::optional<std::string>& launcher_misunderstanding();

/// The version of the MPI library in use, in one line. @throws MpiError
std::string mpi_version();

}  // namespace flotilla
