# SPDX-License-Identifier: BSD-3-Clause
"""How the program starts: as users start it, and as launchers that MPI does not know do."""

import os
import pathlib
import subprocess
import unittest

from program import ENVIRONMENT, MOONS, ProgramTest, command

# Without these no rank starts for root or on a machine with one core.
NEEDED = "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_MCA_rmaps_base_oversubscribe"
PLAIN = {
    name: value
    for name, value in ENVIRONMENT.items()
    if not name.startswith("OMPI_") or name.startswith(NEEDED)
}


LAUNCHERS = {
    "SLURM_NTASKS": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "PMI_SIZE": "2",
    "PMIX_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
}


class PlainStart(ProgramTest):
    def start(self, *arguments, ranks=None, **variables):
        return subprocess.run(
            command(*arguments, ranks=ranks),
            env={**PLAIN, **variables}, capture_output=True, text=True, timeout=60,
        )

    def test_alone_and_on_ranks(self):
        self.assertLess(len(PLAIN), len(ENVIRONMENT))
        for ranks in (None, 2):
            done = self.start("--version", ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.startswith("flotilla "), done.stdout)

    def test_a_process_whose_launcher_mpi_does_not_understand_writes_nothing(self):
        run = self.path("run.h5")
        for name, value in LAUNCHERS.items():
            with self.subTest(name=name):
                done = self.start("sample", MOONS, "-o", run, **{name: value})
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(f"{name}={value}", done.stderr)
                self.assertIn("srun --mpi=pmix", done.stderr)
                self.assertEqual(list(self.directory.iterdir()), [])
                for words in (("flow", "show", MOONS), ("sample", "--help")):
                    done = self.start(*words, **{name: value})
                    self.assertEqual(done.returncode, 0, done.stderr)
        inside = self.start(
            "sample", MOONS, "-o", run, "--chains", "4", "--draws", "2", ranks=1, SLURM_NTASKS="2"
        )
        self.assertEqual(inside.returncode, 0, inside.stderr)

    def test_many_may_start_and_end_at_once(self):
        """None enters a folder of sessions that another one removes, and none leaves one."""
        sessions = self.directory / "sessions"
        sessions.mkdir()
        running = [
            subprocess.Popen(
                command("flow", "evaluate", MOONS, "--naive", "4", "-o", self.path(f"{i}.h5")),
                env={**PLAIN, "TMPDIR": str(sessions)},
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )
            for i in range(40)
        ]
        for process in running:
            _, error = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, error)
            self.assertEqual(error, "")
        self.assertEqual(list(sessions.iterdir()), [])

    def test_no_shared_file_pointer_is_made(self):
        """A semaphore of the output's name, taken by somebody else, is nobody's business."""
        name = f"flotilla_{os.getpid()}.h5"
        semaphores = [pathlib.Path(f"/dev/shm/sem.OMPIO_{name}{end}") for end in ("", ".unfinished")]
        for semaphore in semaphores:
            semaphore.write_bytes(bytes(32))  # its count is 0: whoever waits for it hangs
            self.addCleanup(semaphore.unlink)
        far = self.directory.joinpath(*["folder" * 20] * 3)
        far.mkdir(parents=True)
        self.assertGreater(len(str(far)), 307)
        for ranks in (None, 2):
            for folder in (self.directory, far):
                done = self.start(
                    "sample", MOONS, "-o", str(folder / name), "--force",
                    "--chains", "4", "--draws", "2", "--quiet", ranks=ranks,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
