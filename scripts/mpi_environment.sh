# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Settings that let Open MPI run many ranks on one small machine: a laptop, a container, CI.
# Usage: source scripts/mpi_environment.sh
#
# Only this project's own scripts and tests read it. A user's mpirun, on a cluster above all, is
# left exactly as its administrator set it up.

# Containers and CI often have only the user root. mpirun refuses root unless told twice.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1
  export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Tests use more ranks than this machine may have cores,
export OMPI_MCA_rmaps_base_oversubscribe=1
# so a waiting rank has to yield its core instead of spinning on it.
export OMPI_MCA_mpi_yield_when_idle=1
# Ranks must not be bound to cores: two mpiruns at a time would both use core 0.
export OMPI_MCA_hwloc_base_binding_policy=none

# Copying directly from another process's memory needs ptrace rights, which containers withhold.
# Every rank would print a warning and then fall back to this.
export OMPI_MCA_btl_vader_single_copy_mechanism=none

# A program started without mpirun would start a daemon in order to spawn ranks later, which ours
# never does. Looking for a fast network is not needed either.
export OMPI_MCA_ess_singleton_isolated=1
export OMPI_MCA_pml=ob1
export OMPI_MCA_btl=self,vader
