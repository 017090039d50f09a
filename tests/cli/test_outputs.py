# SPDX-License-Identifier: BSD-3-Clause
"""An output has one owner; what was promised is there at the end, or it is said.

FLOTILLA_PAIRS in the environment sets how many pairs of runs start at once.
"""

import errno
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import h5py

from interrupted import DOES_WITHOUT
from program import (
    ENVIRONMENT, MOONS, TIME_LIMIT, ProgramTest, command, datasets, preloaded, run, same_bits,
)

FAULTS = os.environ["FLOTILLA_FAULTS"]
PAIRS = int(os.environ.get("FLOTILLA_PAIRS", "4"))
SIZE = ["--chains", 64, "--tile-width", 32, "--warmup", 4, "--draws", 20, "--report-every", 10,
        "--step-size", 0.3, "--no-adapt"]
LONG = ["--chains", 32, "--warmup", 4, "--draws", 10**5, "--no-latent", "--report-every", 1000]

STUDY = """
seeds = [1, 2]
[sample]
flow = "{flow}"
chains = 32
warmup = 4
draws = 20
"""


class Outputs(ProgramTest):
    def begin(self, *arguments, ranks=None, **more):
        """Starts the program and goes on."""
        # Of two that share mpirun's usual folder, one that ends removes it while the other enters it.
        session = tempfile.mkdtemp(prefix="flotilla_session_")
        self.addCleanup(shutil.rmtree, session, ignore_errors=True)
        process = subprocess.Popen(
            command(*arguments, ranks=ranks),
            env=dict(ENVIRONMENT, TMPDIR=session, **more),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process):
        """Waits for a process; its exit code and its own sentences."""
        _, text = process.communicate(timeout=TIME_LIMIT)
        sentences = [line for line in text.splitlines() if line.startswith("flotilla: ")]
        if process.returncode != 0 and not sentences:
            print(text)  # of mpirun
        return process.returncode, sentences

    def long_run(self, *arguments):
        """A run that has made its file and goes on for minutes; it is killed in the end."""
        process = self.begin("sample", MOONS, "-o", "long.h5", *LONG, "--quiet", *arguments)
        self.wait_for(lambda: os.path.exists(self.path("long.jsonl")))
        return process

    def wait_for(self, holds):
        begin = time.monotonic()
        while not holds():
            self.assertLess(time.monotonic() - begin, TIME_LIMIT)
            time.sleep(0.01)

    def refused(self, *arguments, words=()):
        """A call that has to end with one sentence and exit code 2; returns the sentence."""
        done = run(*arguments, directory=self.directory)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        return done.stderr

    def names(self):
        """What lies in the folder, but for checkpoints: those come when they come."""
        names = sorted(path.name for path in self.directory.iterdir())
        return [name for name in names if ".checkpoint" not in name]

    # ---- One owner.

    def test_of_two_runs_that_start_together_one_wins_and_the_other_says_so(self):
        whole = {}
        for seed in (1, 2):
            whole[seed] = datasets(self.sample(*SIZE, "--seed", seed, output=f"whole{seed}.h5"))
        self.assertFalse(same_bits(whole[1]["posterior/x"], whole[2]["posterior/x"]))
        delays = random.Random(7)
        told_of_owner = 0
        for pair in range(PAIRS):
            with self.subTest(pair=pair):
                name = f"pair{pair}.h5"
                started = []
                for seed in (1, 2):
                    words = ["sample", MOONS, "-o", name, *SIZE, "--seed", seed, "--quiet"]
                    started.append(self.begin(*words, ranks=2))
                    time.sleep(delays.uniform(0, 0.1))
                ended = [self.end(process) for process in started]
                self.assertEqual(sorted(code for code, _ in ended), [0, 2], ended)
                winner = 1 if ended[0][0] == 0 else 2
                self.assertEqual(ended[winner - 1][1], [])
                sentences = ended[2 - winner][1]
                self.assertEqual(len(sentences), 1, sentences)
                self.assertRegex(sentences[0], "is being written by process|exists already")
                told_of_owner += "is being written by process" in sentences[0]
                found = datasets(self.path(name))
                for dataset, values in whole[winner].items():
                    self.assertTrue(same_bits(found[dataset], values), dataset)
                with open(self.path(f"pair{pair}.jsonl"), encoding="utf-8") as file:
                    self.assertEqual(len(file.readlines()), 2)
                left = [name for name in self.names() if ".lock" in name or "unfinished" in name]
                self.assertEqual(left, [])
        print(f"{PAIRS} pairs, in {told_of_owner} of them the loser met the owner")

    def test_of_six_processes_without_a_launcher_one_writes(self):
        words = ["sample", MOONS, "-o", "run.h5", *SIZE, "--quiet"]
        ended = [self.end(process) for process in [self.begin(*words) for _ in range(6)]]
        self.assertEqual(sorted(code for code, _ in ended), [0, 2, 2, 2, 2, 2], ended)
        whole = datasets(self.sample(*SIZE, output="whole.h5"))
        for dataset, values in datasets(self.path("run.h5")).items():
            self.assertTrue(same_bits(values, whole[dataset]), dataset)

    def test_a_running_output_is_nobody_elses(self):
        owner = self.long_run()
        before = self.names()
        who = [f"being written by process {owner.pid} on ", ", since 20"]
        for output in ("long.h5", "long"):  # both would have long.jsonl
            self.refused("sample", MOONS, "-o", output, "--force", *SIZE, words=who)
        self.refused("flow", "evaluate", MOONS, "--naive", 9, "-o", "long.h5", "--force", words=who)
        self.assertEqual(self.names(), before)
        self.assertIsNone(owner.poll())

    def test_what_an_owner_that_died_left_is_removed_and_told(self):
        owner = self.long_run()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        self.assertIn("long.lock", self.names())
        for kind in ("h5", "checkpoint"):
            left = self.directory / f"long.{kind}.unfinished.elsewhere-{owner.pid}"
            left.write_text("half", encoding="utf-8")
        # The kill itself may have left more: it comes at any time.
        unfinished = sorted(path.name for path in self.directory.glob("*.unfinished.*"))
        self.assertGreaterEqual(len(unfinished), 2)
        done = run("sample", MOONS, "-o", "long.h5", "--force", *SIZE, directory=self.directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = [line for line in done.stdout.splitlines() if line.startswith("removed what ")]
        removed = []
        for line in told:
            self.assertIn(f"process {owner.pid} on ", line)
            removed += line.rsplit(" left unfinished: ")[1].split(", ")
        removed.sort()
        self.assertEqual(removed, unfinished, done.stdout)
        for name in unfinished:
            self.assertFalse((self.directory / name).exists(), name)
        self.assertEqual(self.names(), ["long.h5", "long.jsonl"])

    def test_of_two_studies_of_one_file_one_runs(self):
        (self.directory / "study.toml").write_text(STUDY.format(flow=MOONS), encoding="utf-8")
        started = [self.begin("study", "study.toml", "--quiet") for _ in range(2)]
        ended = [self.end(process) for process in started]
        codes = sorted(code for code, _ in ended)
        # The second may also come after the first: then it finds every run done.
        self.assertIn(codes, [[0, 0], [0, 2]], ended)
        if codes == [0, 2]:
            sentence = max(ended)[1]
            self.assertEqual(len(sentence), 1)
            self.assertIn("is being written by process", sentence[0])
        self.assertIn("study.h5", self.names())
        self.assertNotIn("study.lock", self.names())

    # ---- What may be replaced.

    def test_links_and_pipes_are_no_outputs(self):
        # No device here: should the program ever fail this test, it must not write to one.
        target = self.directory / "target.h5"
        target.write_text("precious", encoding="utf-8")
        os.symlink(target, self.path("link.h5"))
        os.symlink(self.path("missing"), self.path("nowhere.h5"))
        os.mkfifo(self.path("pipe.h5"))
        os.mkfifo(self.path("reports.jsonl"))
        before = self.names()
        for name, word in (("link.h5", "a link"), ("nowhere.h5", "a link"), ("pipe.h5", "a pipe"),
                           ("reports.h5", "a pipe")):
            with self.subTest(name=name):
                self.refused("sample", MOONS, "-o", name, "--force", *SIZE, words=[word])
        self.refused("flow", "evaluate", MOONS, "--naive", 9, "-o", "link.h5", "--force",
                     words=["a link"])
        self.assertEqual(self.names(), before)
        self.assertEqual(target.read_text(encoding="utf-8"), "precious")

    # ---- What was promised is there, or it is said.

    def stopped_run(self):
        """A run of a few thousand draws that stands still in its middle."""
        words = ["--chains", 128, "--warmup", 4, "--draws", 4000, "--report-every", 100, "--quiet"]
        process = self.begin("sample", MOONS, "-o", "sub/run.h5", *words)
        output = self.directory / "sub" / "run.h5"
        self.wait_for(output.with_suffix(".jsonl").exists)  # made after the output
        process.send_signal(signal.SIGSTOP)
        self.assertIsNone(process.poll())
        return process, output

    def failed(self, process, words):
        process.send_signal(signal.SIGCONT)
        code, sentences = self.end(process)
        self.assertEqual(code, 1)
        # It may have stood still right before a checkpoint, which fails first.
        sentences = [sentence for sentence in sentences if DOES_WITHOUT not in sentence]
        self.assertEqual(len(sentences), 1, sentences)
        for word in words:
            self.assertIn(word, sentences[0])

    def test_an_output_that_goes_away_in_mid_run(self):
        def replace(output):
            shutil.copy(output, output.with_name("other.h5"))
            os.rename(output.with_name("other.h5"), output)

        for name, harm, words in (
            ("folder removed", lambda output: shutil.rmtree(output.parent), ["is gone"]),
            ("file removed", os.remove, ["is gone"]),
            ("file replaced", replace, ["another file"]),
            ("reports removed", lambda output: os.remove(output.with_suffix(".jsonl")),
             ["run.jsonl is gone", "draws are complete"]),
        ):
            with self.subTest(name):
                (self.directory / "sub").mkdir()
                process, output = self.stopped_run()
                harm(output)
                self.failed(process, words)
                shutil.rmtree(self.directory / "sub", ignore_errors=True)

    def test_reports_that_the_disk_refuses(self):
        for last, code in ((1, 0), (0, 1)):  # one write fails, and is made up for; all fail
            with self.subTest(last=last):
                name = f"run{last}.h5"
                reports = self.path(f"run{last}.jsonl")
                process = self.begin(
                    "sample", MOONS, "-o", name, *SIZE, "--quiet", LD_PRELOAD=preloaded(FAULTS),
                    ASAN_OPTIONS=ENVIRONMENT.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
                    FAULTS_FOLDER=reports, FAULTS_CALL="write", FAULTS_LAST=str(last),
                    FAULTS_HOW=str(errno.ENOSPC),
                )
                ended, sentences = self.end(process)
                self.assertEqual(ended, code, sentences)
                self.assertEqual(len(sentences), code)
                lines = pathlib.Path(reports).read_text(encoding="utf-8").splitlines()
                self.assertEqual(len(lines), 0 if code else 2)
                for sentence in sentences:
                    for word in ("No space left", "last 2 reports", "draws are complete"):
                        self.assertIn(word, sentence)
                with h5py.File(self.path(name), "r") as file:
                    self.assertEqual(int(file["draws_committed"][()]), 20)

    def test_results_that_standard_output_refuses(self):
        path = self.sample(*SIZE)
        tried = 0
        for words in (["summary", path], ["summary", path, "--json"], ["flow", "show", MOONS],
                      ["flow", "verify", MOONS], ["--help"], ["--version"], ["sample", "--help"]):
            with self.subTest(words=words), open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run(
                    command(*words), env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE,
                    text=True, timeout=TIME_LIMIT, check=False,
                )
                self.assertEqual(done.returncode, 1)
                sentence = "flotilla: cannot write on standard output: No space left on device\n"
                self.assertEqual(done.stderr, sentence)
                tried += 1
        self.assertEqual(tried, 7)

    def test_a_reader_who_leaves_is_no_error(self):
        path = self.sample(*SIZE)
        process = subprocess.Popen(
            command("summary", path, "--json"), env=ENVIRONMENT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        process.stdout.close()
        text = process.stderr.read()
        process.stderr.close()
        self.assertEqual(text, "")
        self.assertIn(process.wait(timeout=TIME_LIMIT), (0, -signal.SIGPIPE))


if __name__ == "__main__":
    unittest.main()
