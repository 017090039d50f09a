# SPDX-License-Identifier: BSD-3-Clause
"""What may go on, what may not, and that what is refused stays as it is."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

import h5py

from interrupted import Fault, Run, content, reports
from program import ENVIRONMENT, FLOWS, MOONS, ProgramTest, command, run

DENSITIES = pathlib.Path(os.environ["FLOTILLA_DENSITIES"])
EXPLICIT = ["--target", "explicit", "--density", DENSITIES / "banana.so"]
SIZE = ["--chains", 64, "--tile-width", 32, "--warmup", 20, "--report-every", 20]

# Options that differ from the run's; some are given to a run of this target.
CLIPPED = ["--target", "clipped"]
OTHERS = {
    "--seed": 2, "--chains": 96, "--tile-width": 64, "--warmup": 21, "--thin": 2,
    "--superchains": 32, "--report-every": 10, "--until-rhat": 1.1, "--until-ess": 10,
    "--target": "clipped", "--beta": 0.7, "--kernel": "mala", "--global-fraction": 0.25,
    "--step-size": 0.3, "--target-accept": 0.5, "--exchange-every": 1, "--precision": "double",
    "--no-adapt": None, "--no-scale": None, "--save-warmup": None, "--no-latent": None,
}
OTHERS_OF_CLIPPED = {"--clip-quantile": 0.5, "--clip-sharpness": 2, "--clip-level": 0.1}
# Where results go, how a run is carried out, and what has tests of its own below.
OF_NO_BEARING = {"--output", "--quiet", "--force", "--resume", "--accept-seam", "--max-walltime",
                 "--checkpoint-every", "--stall-timeout"}
OF_THEIR_OWN = {"--config", "--draws", "--start", "--context", "--density", "--density-args",
                "--observe"}


class Resumption(ProgramTest):
    def made(self, *options, name="run.h5", draws=40):
        """A complete run."""
        return pathlib.Path(self.sample(*SIZE, "--draws", draws, *options, output=name))

    def stopped(self, *options, name="run.h5", draws=300, at=70):
        """A run that was told to stop at one of its writes, and did."""
        fault = Fault("write", at, at, 0, -signal.SIGUSR1)
        words = ["sample", MOONS, "-o", name, "--quiet", *SIZE, "--draws", draws, *options]
        going = Run(self.directory, *words, "--checkpoint-every", 0.0002, fault=fault)
        self.assertEqual(going.wait(), 75, going.text())
        return self.directory / name

    def seen(self):
        """Every file of the test's folder: its bytes and the time of its last change."""
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.directory.iterdir()
            if path.is_file() and not path.is_symlink()
        }

    def refused(self, *words, says):
        """Holds that these words end with one sentence that says this, and change nothing."""
        before = self.seen()
        done = run(*words, "--quiet", directory=self.directory)
        self.assertEqual(done.returncode, 2, (words, done.stderr))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(says, done.stderr)
        self.assertEqual(self.seen(), before)

    def goes_on(self, *words):
        done = run(*words, "--quiet", directory=self.directory)
        self.assertEqual(done.returncode, 0, (words, done.stderr))

    def assert_twins(self, path, twin):
        mine, its = content(path), content(twin)
        self.assertEqual(mine.keys(), its.keys())
        self.assertGreater(len(its), 30)
        self.assertEqual([name for name in its if mine[name] != its[name]], [])
        self.assertEqual(reports(path), reports(twin))

    def test_every_other_option_is_refused_by_name(self):
        help_text = run("sample", "--help").stdout
        options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", help_text, re.MULTILINE))
        tried = {*OTHERS, *OTHERS_OF_CLIPPED}
        self.assertEqual(options, tried | OF_NO_BEARING | OF_THEIR_OWN)
        self.made(name="run.h5")
        self.made(*CLIPPED, name="clipped.h5")
        for output, others, own in (
            ("run.h5", OTHERS, []),
            ("clipped.h5", OTHERS_OF_CLIPPED, CLIPPED),
        ):
            for option, value in others.items():
                with self.subTest(option=option):
                    words = ["sample", MOONS, "-o", output, *SIZE, "--draws", 40, *own, option]
                    words += [] if value is None else [value]
                    name = option.replace("--no-", "--")
                    self.refused(*words, "--resume", says=f"{name} is ")

    def test_another_flow_start_or_density_is_refused(self):
        self.made()
        shutil.copy(self.path("run.h5"), self.path("points.h5"))
        words = ["-o", "run.h5", *SIZE, "--draws", 60, "--resume"]
        self.refused("sample", FLOWS / "three_rings.h5", *words, says="the checksum of the flow")
        self.refused("sample", MOONS, *words, "--start", "points.h5", says="--start is ")
        words = ["sample", MOONS, "-o", "explicit.h5", *SIZE, "--draws", 60, "--resume"]
        self.made(*EXPLICIT, "--density-args", "3,0.2", name="explicit.h5")
        mixture = ["--target", "explicit", "--density", DENSITIES / "gaussian_mixture.so"]
        self.refused(*words, *mixture, "--density-args", "3", says="checksum of the density")
        self.refused(*words, *EXPLICIT, "--density-args", "2,0.2", says="--density-args is '2,0.2'")
        self.refused(*words, *EXPLICIT, says="--density-args is ''")
        self.goes_on(*words, *EXPLICIT, "--density-args", "3,0.2")

    def test_another_observation_is_refused(self):
        for name, value in (("one.h5", 0.5), ("other.h5", 0.75)):
            with h5py.File(self.path(name), "w") as file:
                file["y"] = [value]
                file["noise"] = 0.5
                file["indices"] = [0]
        words = ["sample", MOONS, "-o", "run.h5", *SIZE, "--target", "posterior"]
        self.goes_on(*words, "--draws", 40, "--observe", "one.h5")
        words += ["--draws", 60, "--resume", "--observe"]
        self.refused(*words, "other.h5", says="the checksum of the observation")
        self.goes_on(*words, "one.h5")

    def test_what_is_no_run_is_refused(self):
        self.refused("resume", "none.h5", says="none.h5")
        words = ["sample", MOONS, *SIZE, "--draws", 40, "--resume", "-o"]
        shutil.copy(MOONS, self.path("flow.h5"))
        self.refused(*words, "flow.h5", says="flow.h5")
        pathlib.Path(self.path("text.h5")).write_text("not HDF5\n", encoding="ascii")
        self.refused(*words, "text.h5", says="text.h5")
        self.refused("resume", "text.h5", says="text.h5")

    def test_a_complete_run_is_left_alone(self):
        self.made()
        before = self.seen()
        for words in (["resume", "run.h5"], ["resume", "run.h5", "--draws", 40],
                      ["sample", MOONS, "-o", "run.h5", *SIZE, "--draws", 40, "--resume"]):
            self.goes_on(*words)
            self.assertEqual(self.seen(), before)
        self.refused("resume", "run.h5", "--draws", 39, says="--draws should be at least")

    def test_a_run_is_extended_twice_and_when_it_was_stopped(self):
        twin = self.made(name="twin.h5", draws=130)
        path = self.made(draws=50)
        self.goes_on("resume", path, "--draws", 70)
        self.goes_on("resume", path, "--draws", 130)
        self.assert_twins(path, twin)
        path = self.stopped(name="stopped.h5", draws=125)
        self.goes_on("resume", path, "--draws", 130)
        self.assert_twins(path, twin)

    def test_a_run_that_met_its_threshold_is_extended_as_its_twin(self):
        until = ["--until-ess", 100]
        twin = self.made(*until, name="twin.h5", draws=130)  # ends at its first report
        path = self.made(*until, draws=70)
        self.goes_on("resume", path, "--draws", 130)
        self.assert_twins(path, twin)
        # The shorter run's last report is one that the longer run does not make.
        path = self.made(*until, name="short.h5", draws=15)
        self.assertEqual(len(reports(path)), 1)
        self.goes_on("resume", path, "--draws", 130)
        self.assert_twins(path, twin)

    def test_a_run_that_is_killed_while_it_is_extended_keeps_what_it_had(self):
        twin = self.made(name="twin.h5", draws=130)
        short = self.made(name="short.h5", draws=50)
        replaced = 0
        for write in (3, 20, 40, 55, 75):
            path = self.directory / f"run_{write}.h5"
            for suffix in (".h5", ".checkpoint", ".jsonl"):
                shutil.copy(short.with_suffix(suffix), path.with_suffix(suffix))
            words = ["resume", path.name, "--draws", 130, "--quiet"]
            fault = Fault("write", write, write, 0, -signal.SIGKILL)
            self.assertEqual(Run(self.directory, *words, fault=fault).wait(), -signal.SIGKILL)
            with h5py.File(path, "r") as file:
                is_short = file["posterior/x"].shape[1] == 50
            if is_short:
                self.assertEqual(path.read_bytes(), short.read_bytes())
            replaced += not is_short
            self.goes_on(*words)
            self.assert_twins(path, twin)
        self.assertLess(replaced, 5)

    def test_a_run_that_is_stopped_before_it_is_longer_keeps_its_reports(self):
        thin = ["--thin", 10]  # more than the steps before a stop
        twin = self.made(*thin, name="twin.h5", draws=130)
        path = self.made(*thin, draws=25)
        self.assertEqual([report["draws"] for report in reports(path)], [20, 25])
        longer = ["resume", path.name, "--draws", 130, "--quiet"]
        fault = Fault("rename", 1, 1, 0, -signal.SIGTERM)
        stopping = Run(self.directory, *longer, fault=fault)
        self.assertEqual(stopping.wait(), 75, stopping.text())
        self.assertIn("after 25 of 130 draws", stopping.text())
        self.assertEqual([report["draws"] for report in reports(path)], [20])
        self.goes_on(*longer)
        self.assert_twins(path, twin)

    def test_a_run_that_is_moved_goes_on(self):
        twin = self.made(name="twin.h5", draws=300)
        path = self.stopped()
        folder = self.directory / "elsewhere"
        folder.mkdir()
        for suffix in (".h5", ".checkpoint", ".jsonl"):
            path.with_suffix(suffix).rename(folder / f"moved{suffix}")
        done = run("resume", "../elsewhere/moved.h5", "--quiet", directory=folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_twins(folder / "moved.h5", twin)

    def test_without_a_checkpoint_or_a_run_file_it_begins_again(self):
        twin = self.made(name="twin.h5", draws=300)
        for gone in (".checkpoint", ".h5"):
            path = self.stopped()
            path.with_suffix(gone).unlink()
            words = ["sample", MOONS, "-o", "run.h5", *SIZE, "--draws", 300, "--resume"]
            done = run(*words, directory=self.directory)
            self.assertEqual(done.returncode, 0, done.stderr)
            if gone == ".checkpoint":
                self.assertIn("it begins again", done.stdout + done.stderr)
            self.assert_twins(path, twin)
            for suffix in (".h5", ".jsonl", ".checkpoint"):
                path.with_suffix(suffix).unlink()
        path = self.made()
        path.with_suffix(".checkpoint").unlink()
        self.refused("resume", "run.h5", "--draws", 60, says="cannot be extended")

    def test_a_checkpoint_that_cannot_be_read_is_refused(self):
        path = self.stopped()
        beside = path.with_suffix(".checkpoint")
        whole = beside.read_bytes()
        changed = bytearray(whole)
        changed[100] ^= 1
        record = bytearray(whole)
        record[-4096 + 10] ^= 1
        future = bytearray(whole)
        future[32] = 2
        for bytes_, says in ((whole[:5000], "its size"), (whole + b"0", "its size"),
                             (bytes(changed), "its checksum"), (bytes(record), "checksum of tile"),
                             (bytes(future), "version is 2"), (b"text", "is no checkpoint"),
                             (b"", "it is no checkpoint")):
            with self.subTest(says=says, size=len(bytes_)):
                beside.write_bytes(bytes_)
                self.refused("resume", "run.h5", says=says)
        beside.unlink()
        for make, says in ((os.mkdir, "is a directory"), (os.mkfifo, "is a device or a pipe"),
                           (lambda place: os.symlink("other", place), "is a link")):
            with self.subTest(says=says):
                (self.directory / "other").write_bytes(whole)
                make(beside)
                self.refused("resume", "run.h5", says=says)
                if beside.is_dir():
                    beside.rmdir()
                else:
                    beside.unlink()
        beside.write_bytes(whole)
        self.goes_on("resume", "run.h5")

    def test_two_do_not_go_on_at_once(self):
        path = self.stopped("--thin", 100000, at=30)
        with subprocess.Popen(
            command("resume", path, "--quiet"), env=ENVIRONMENT,
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as first:
            while not self.directory.joinpath("run.lock").exists():
                self.assertIsNone(first.poll())
                time.sleep(0.01)
            done = run("resume", path, "--quiet")
            first.send_signal(signal.SIGKILL)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("is being written by process", done.stderr)


if __name__ == "__main__":
    unittest.main()
