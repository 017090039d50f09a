# SPDX-License-Identifier: BSD-3-Clause
"""How the program starts: as users start it, and as launchers that MPI does not know do."""

import ctypes
import os
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

CREATED = 0x100  # IN_CREATE of inotify(7)


class Creations:
    """What is created in a folder, however short it lives."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.events = libc.inotify_init1(os.O_NONBLOCK)
        if self.events < 0 or libc.inotify_add_watch(self.events, folder.encode(), CREATED) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.events)

    def seen(self):
        """The events so far as bytes, which contain the names."""
        found = b""
        try:
            while True:
                found += os.read(self.events, 1 << 16)
        except BlockingIOError:
            return found


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

    def semaphores_made(self, name, **variables):
        """How many semaphores Open MPI's own files (OMPIO) make for an output during a run."""
        with Creations("/dev/shm") as creations:
            done = self.start(
                "sample", MOONS, "-o", self.path(name), "--force", "--quiet",
                "--chains", "4", "--draws", "2", ranks=2, OMPI_MCA_io="ompio", **variables,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            return creations.seen().count(f"sem.OMPIO_{name}".encode())

    def test_no_shared_file_pointer_is_made_unless_the_user_wants_one(self):
        """Its semaphore is named after the output for the whole machine: one left behind hangs."""
        name = f"flotilla_{os.getpid()}.h5"
        self.assertEqual(self.semaphores_made(name), 0)
        self.assertGreater(self.semaphores_made(name, OMPI_MCA_sharedfp="sm"), 0)

    def test_a_long_path_is_no_trouble_to_open_mpi(self):
        far = self.directory.joinpath(*["folder" * 20] * 3)
        far.mkdir(parents=True)
        self.assertGreater(len(str(far)), 307)
        for ranks in (None, 2):
            for files in ("ompio", "romio321"):
                done = self.start(
                    "sample", MOONS, "-o", str(far / "run.h5"), "--force",
                    "--chains", "4", "--draws", "2", "--quiet", ranks=ranks, OMPI_MCA_io=files,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
