# SPDX-License-Identifier: BSD-3-Clause
"""flotilla doctor: what the machine and its MPI are, and what would break a run."""

import json
import os
import subprocess
import unittest

from program import ENVIRONMENT, TIME_LIMIT, ProgramTest, command

NAMES = [
    "launch", "binding", "threads", "MPI files", "shared pointers", "file system", "striping",
    "writing", "HDF5", "processors", "/dev/shm",
]  # fmt: skip


class Doctor(ProgramTest):
    def doctor(self, *arguments, code=0, ranks=None, **settings):
        """The findings, by name."""
        done = subprocess.run(
            command("doctor", *arguments, "--json", ranks=ranks),
            env={**ENVIRONMENT, **settings},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["passed"], code == 0)
        self.assertEqual([finding["name"] for finding in found["findings"]], NAMES)
        return {finding["name"]: finding for finding in found["findings"]}

    def test_it_tells_of_a_machine_alone_and_on_ranks(self):
        for ranks in (None, 3):
            found = self.doctor(self.directory, ranks=ranks)
            self.assertIn(f"{ranks or 1} ranks on 1 nodes", found["launch"]["sentence"])
            self.assertIn("read back equal", found["writing"]["sentence"])
            self.assertIn(str(self.directory), found["file system"]["sentence"])
        self.assertEqual(os.listdir(self.directory), [])

    def test_what_would_break_a_run_fails(self):
        found = self.doctor(self.directory, code=1, SLURM_NTASKS="4")
        self.assertIn("srun --mpi=pmix", found["launch"]["sentence"])
        found = self.doctor("/proc", code=1, ranks=2)
        self.assertIn("no file can be made there", found["writing"]["sentence"])

    def test_what_is_set_is_told(self):
        found = self.doctor(OMP_NUM_THREADS="1", HDF5_USE_FILE_LOCKING="FALSE")
        self.assertEqual(found["threads"]["verdict"], "ok")
        self.assertIn("is FALSE", found["HDF5"]["sentence"])
        if "Open MPI" not in found["MPI files"]["sentence"]:
            self.skipTest("components are Open MPI's")
        self.assertIn("ROMIO", found["MPI files"]["sentence"])
        found = self.doctor(OMPI_MCA_io="ompio")
        self.assertEqual(found["MPI files"]["verdict"], "note")

    def test_a_folder_that_is_none_is_refused(self):
        done = subprocess.run(
            command("doctor", self.path("nowhere"), ranks=2),
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("flotilla: "), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
