# SPDX-License-Identifier: BSD-3-Clause
"""The job script on a real Slurm: jobs that end at their limit, until the work is done.

FLOTILLA_SLURM=1, root and Debian's slurm-wlm and munge: ten minutes, since a job's time has
minutes.  Without them it is skipped, and says so.
"""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py

PROGRAM = Path(os.environ["FLOTILLA_PROGRAM"])
SOURCE = Path(__file__).parents[2]
MOONS = SOURCE / "apps/flows/two_moons.h5"
JOB = SOURCE / "scripts/cluster/flotilla.sbatch"
SKIPPED = 77  # exit code of slurm_here
CORES = 4
# Two minutes of work and more on two ranks, where a job has one.
WORK = "--chains 128 --draws 3000 --thin {thin} --checkpoint-every 0.1"

# Waits until no job is left, and says how the last one ended.
WAIT = """
while squeue --noheader | grep -q .; do sleep 1; done
scontrol show job "$job" | grep -oE "JobState=[A-Z]+|Restarts=[0-9]+"
"""


@unittest.skipUnless(os.environ.get("FLOTILLA_SLURM"), "SKIPPED, FLOTILLA_SLURM=1 starts a Slurm")
class OnSlurm(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="flotilla_slurm_")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def on_slurm(self, script, **settings):
        """What bash prints on a machine with Slurm."""
        words = [Path(__file__).parent / "slurm_here", self.folder / "slurm", str(CORES)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OMPI_MCA_")}
        environment |= {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", **settings}
        done = subprocess.run(
            [*words, "bash", "-ec", script],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=1500,
        )
        if done.returncode == SKIPPED:
            self.skipTest(done.stderr.strip())
        logs = "".join(log.read_text() for log in self.folder.glob("slurm-*.out"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + logs)
        return done.stdout

    def expect_twin(self, options):
        """run.h5 has the datasets of a run that was never stopped, bit for bit."""
        words = [PROGRAM, "sample", MOONS, "-o", "twin.h5", "--quiet", *options.split()]
        subprocess.run(words, cwd=self.folder, check=True, timeout=900)
        compared = []
        with h5py.File(self.folder / "run.h5") as run, h5py.File(self.folder / "twin.h5") as twin:

            def compare(name, item):
                if isinstance(item, h5py.Dataset):
                    self.assertEqual(item[()].tobytes(), run[name][()].tobytes(), name)
                    compared.append(name)

            twin.visititems(compare)
        self.assertIn("posterior/x", compared)

    def thin(self):
        """Steps per draw that make two minutes of work on this machine, as it is now."""
        words = [PROGRAM, "sample", MOONS, "-o", "trial.h5", "--quiet", "--chains", "128"]
        subprocess.run([*words, "--thin", "100", "--draws", "500"], cwd=self.folder, check=True)
        with h5py.File(self.folder / "trial.h5") as trial:
            rate = 50000 / float(trial.attrs["sampling_seconds"])
        return int(120 * rate / 3000) + 1

    def test_a_job_queues_again_before_its_limit_until_the_work_is_done(self):
        work = WORK.format(thin=self.thin())
        found = self.on_slurm(
            "job=$(sbatch --parsable --ntasks-per-node=2 --time=1 --signal=USR1@20 "
            f"{JOB}){WAIT}",
            FLOW=str(MOONS),
            JOB=str(SOURCE / "scripts/cluster/job"),
            RUN="run.h5",
            OPTIONS=work,
        )
        self.assertIn("JobState=COMPLETED", found)
        self.assertGreaterEqual(int(re.search("Restarts=([0-9]+)", found)[1]), 1, found)
        self.expect_twin(work)

    def test_a_job_killed_at_its_limit_goes_on_when_it_is_submitted_again(self):
        work = WORK.format(thin=self.thin())
        # A signal that nobody heeds: the limit comes without a warning.
        found = self.on_slurm(
            "for submitted in 1 2 3 4 5 6 7 8; do\n"
            f"job=$(sbatch --parsable --ntasks-per-node=2 --time=1 --signal=CONT@1 {JOB}){WAIT}"
            'scontrol show job "$job" | grep -q JobState=COMPLETED && break\n'
            "done",
            FLOW=str(MOONS),
            JOB=str(SOURCE / "scripts/cluster/job"),
            RUN="run.h5",
            OPTIONS=work,
        )
        self.assertGreaterEqual(found.count("JobState=TIMEOUT"), 1, found)
        self.assertEqual(found.count("JobState=COMPLETED"), 1, found)
        self.expect_twin(work)

    def test_the_command_of_the_readme_makes_a_run(self):
        text = (SOURCE / "README.md").read_text(encoding="utf-8")
        (command,) = re.findall(r"^FLOW=.* sbatch .*$", text, re.MULTILINE)
        (self.folder / "scripts").symlink_to(SOURCE / "scripts")
        (self.folder / "mine.h5").symlink_to(SOURCE / "apps/flows/three_rings.h5")
        found = self.on_slurm(
            f"{command}\nwhile squeue --noheader | grep -q .; do sleep 1; done\n"
            "flotilla summary run.h5"
        )
        self.assertIn("1024 chains", found)

    def test_scaling_is_measured_within_a_job(self):
        found = self.on_slurm(
            f"cd {SOURCE}\n"
            f"sbatch --wait --output={self.folder}/scaling.out --ntasks-per-node=4 "
            f"scripts/scaling.sbatch {MOONS} --flotilla {PROGRAM} --chains 256 --repeats 2 "
            f"--directory {self.folder} -o {self.folder}/scaling.csv\n"
            f"cat {self.folder}/scaling.out"
        )
        for ranks in (1, 2, 4):
            self.assertRegex(found, rf"\| strong \| {ranks} \|.*\d ± \d")
        self.assertNotIn("nan", found)


if __name__ == "__main__":
    unittest.main()
