// SPDX-License-Identifier: BSD-3-Clause

// flotilla doctor [FOLDER]: what this machine and its MPI are, and what would break a run.

#include "flotilla/run/doctor.hpp"

#include "command_line.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

struct Call {
  DoctorConfig doctor;
  bool json = false;
};

std::vector<Option> options_of(Call& call) {
  std::vector<Option> options = flotilla::options_of(call.doctor);
  options.push_back(json_row(call.json));
  return options;
}

int doctor(const Communicator& comm, const Command& command, const Words& words) {
  Call call;
  if (!read_command_line(comm, command, options_of(call), words)) return 0;
  const std::vector<Finding> findings = examine_machine(call.doctor, comm);
  if (comm.is_root()) show(call.json ? doctor_json(findings) : doctor_text(findings));
  return comm.all_agree(passed(findings)) ? 0 : 1;
}

}  // namespace

Command doctor_command() {
  return {.name = "doctor",
          .summary = "Says what this machine and its MPI are, and what would break a run.",
          .examples = {"flotilla doctor /scratch/me",
                       "mpirun -n 64 flotilla doctor /scratch/me --json"},
          .verdict = "",
          .options = default_options<Call>,
          .run = doctor};
}

}  // namespace flotilla::app
