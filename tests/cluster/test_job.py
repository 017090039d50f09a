# SPDX-License-Identifier: BSD-3-Clause
"""The job scripts under stand-ins for the three schedulers: what it starts, and what it does after.

Each stand-in writes down how it was called.  The program is one too, and ends as it is told.
"""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

CLUSTER = Path(__file__).parents[2] / "scripts/cluster"

RECORD = '#!/bin/bash\necho "${0##*/} $*" >>"$CALLS"\n'
# A launcher starts one rank: it drops its own options.
LAUNCH = RECORD + 'while [[ $1 != flotilla ]]; do shift; done\nexec "$@"\n'
PROGRAM = RECORD + 'while [[ $1 != -o ]]; do shift; done\n: >>"$2"\nexit "$CODE"\n'
WALLTIME = RECORD + 'echo "    Resource_List.walltime = 01:30:00"\n'
COMMANDS = {
    "srun": LAUNCH,
    "mpirun": LAUNCH,
    "flotilla": PROGRAM,
    "scontrol": RECORD,
    "qsub": RECORD,
    "qstat": WALLTIME,
    "lfs": RECORD,
}
# The file that is submitted, and what the scheduler sets in a job.
FILES = {"slurm": "flotilla.sbatch", "pbs": "flotilla.pbs", "lsf": "flotilla.lsf"}
SCHEDULERS = {
    "slurm": {"SLURM_JOB_ID": "7"},
    "pbs": {"PBS_JOBID": "7.host", "PBS_O_WORKDIR": "."},
    "lsf": {"LSB_JOBID": "7"},
}
# A job of an array knows its place in it.
INDICES = {"slurm": "SLURM_ARRAY_TASK_ID", "pbs": "PBS_ARRAY_INDEX", "lsf": "LSB_JOBINDEX"}


class Job(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        commands = self.folder / "commands"
        commands.mkdir()
        for name, text in COMMANDS.items():
            (commands / name).write_text(text, encoding="ascii")
            (commands / name).chmod(0o755)
        self.path = f"{commands}:{os.environ['PATH']}"

    def submit(self, scheduler, code=0, **settings):
        """Runs the script as a job of the scheduler; its exit code, and the calls that it made."""
        calls = self.folder / "calls"
        calls.write_text("")
        surroundings = {"PATH": self.path, "CALLS": str(calls), "CODE": str(code)}
        surroundings |= {"FLOW": "mine.h5", "RUN": "runs/run.h5", "OPTIONS": "--chains 128"}
        surroundings["JOB"] = str(CLUSTER / "job")
        done = subprocess.run(
            ["bash", CLUSTER / FILES.get(scheduler, "flotilla.sbatch")],
            env=surroundings | SCHEDULERS.get(scheduler, {}) | settings,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=20,
        )
        self.errors = done.stderr
        return done.returncode, calls.read_text().splitlines()

    def test_each_scheduler_starts_the_run_with_its_launcher(self):
        launchers = {"slurm": "srun --mpi=pmix", "pbs": "mpirun", "lsf": "mpirun"}
        for scheduler, launcher in launchers.items():
            with self.subTest(scheduler):
                code, calls = self.submit(scheduler)
                self.assertEqual(code, 0, self.errors)
                started = "flotilla sample mine.h5 -o runs/run.h5 --resume --chains 128"
                self.assertTrue(any(call.startswith(started) for call in calls), calls)
                self.assertTrue(any(call.startswith(launcher) for call in calls), calls)
                self.assertFalse(any(call.startswith(("scontrol", "qsub")) for call in calls))

    def test_a_stopped_run_queues_again(self):
        again = {
            "slurm": "scontrol requeue 7",
            "pbs": f"qsub -v FLOW,RUN,OPTIONS,KEEP,START,INDEX,JOB {CLUSTER / FILES['pbs']}",
        }
        for scheduler in SCHEDULERS:
            with self.subTest(scheduler):
                code, calls = self.submit(scheduler, code=75)
                self.assertEqual(code, 75)  # which is what LSF looks at
                self.assertEqual(
                    [call for call in calls if call.startswith(("scontrol", "qsub"))],
                    [again[scheduler]] if scheduler in again else [],
                )
        self.assertIn("#BSUB -Q 75", (CLUSTER / FILES["lsf"]).read_text(encoding="ascii"))

    def test_a_run_that_failed_does_not_queue_again(self):
        for scheduler in SCHEDULERS:
            for code in (1, 2):
                with self.subTest(scheduler, code=code):
                    found, calls = self.submit(scheduler, code=code)
                    self.assertEqual(found, code)
                    self.assertFalse(any(call.startswith(("scontrol", "qsub")) for call in calls))

    def test_a_run_that_never_ends_stops_queueing(self):
        code, calls = self.submit("slurm", code=75, SLURM_RESTART_COUNT="3", MOST_STARTS="3")
        self.assertEqual(code, 1)
        self.assertIn("not done after 4 starts", self.errors)
        self.assertFalse(any(call.startswith("scontrol") for call in calls))

    def test_jobs_of_an_array_have_seeds_and_files_of_their_own(self):
        for scheduler, variable in INDICES.items():
            with self.subTest(scheduler):
                code, calls = self.submit(scheduler, **{variable: "4"})
                self.assertEqual(code, 0, self.errors)
                started = "flotilla sample mine.h5 -o runs/run_4.h5 --resume --chains 128 --seed 4"
                self.assertTrue(any(call.startswith(started) for call in calls), calls)

    def test_pbs_tells_the_run_how_long_it_may_take(self):
        _, calls = self.submit("pbs")
        self.assertTrue(any(call.endswith("--max-walltime 5280s") for call in calls), calls)

    def test_a_finished_run_is_kept_and_its_folder_is_striped(self):
        code, calls = self.submit("slurm", KEEP="home/kept")
        self.assertEqual(code, 0, self.errors)
        self.assertTrue((self.folder / "home/kept/run.h5").exists())
        self.assertIn("lfs setstripe --stripe-count -1 runs", calls)
        self.submit("slurm", code=75, KEEP="not_yet")
        self.assertFalse((self.folder / "not_yet").exists())

    def test_what_is_missing_is_said(self):
        for settings in ({"FLOW": ""}, {"RUN": ""}):
            code, calls = self.submit("slurm", **settings)
            self.assertEqual(code, 1)
            self.assertIn("expected the name of a", self.errors)
            self.assertEqual(calls, [])
        code, _ = self.submit("none")
        self.assertEqual(code, 1)
        self.assertIn("found none", self.errors)


if __name__ == "__main__":
    unittest.main()
