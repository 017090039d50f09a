# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Settings that let Open MPI run many ranks on one small machine: a laptop, a container, CI.
# Usage: source scripts/mpi_environment.sh
#
# Only this project's own scripts and tests read it. A user's mpirun, on a cluster above all, is
# left exactly as its administrator set it up.

# Containers and CI often have no user but root, whom mpirun turns away unless told twice.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1
  export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Tests want more ranks than this machine may have cores...
export OMPI_MCA_rmaps_base_oversubscribe=1
# ...so a rank that waits has to give its core away instead of spinning on it...
export OMPI_MCA_mpi_yield_when_idle=1
# ...and must not be tied to one, or two mpiruns at a time would share core 0 and leave the rest.
export OMPI_MCA_hwloc_base_binding_policy=none

# Copying straight from another process's memory needs ptrace rights, which containers withhold:
# every rank would print a warning and fall back to this anyway.
export OMPI_MCA_btl_vader_single_copy_mechanism=none

# A program started without mpirun would start a daemon of its own, to be able to spawn ranks later:
# ours never does. Nor does anyone here need to look for a fast network.
export OMPI_MCA_ess_singleton_isolated=1
export OMPI_MCA_pml=ob1
export OMPI_MCA_btl=self,vader
