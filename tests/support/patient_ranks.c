// SPDX-License-Identifier: BSD-3-Clause
// Loaded before the programs that tests start (LD_PRELOAD): a rank that waits for others sleeps.
//
// A waiting rank of Open MPI calls sched_yield in a loop. On a machine with more ranks than cores it
// gets a core again and again for nothing, and those that it waits for do not: five ranks on two
// busy cores took four times as long.

#include <sched.h>
#include <time.h>

int sched_yield(void) {
  const struct timespec moment = {.tv_sec = 0, .tv_nsec = 50000};
  return nanosleep(&moment, 0);
}
