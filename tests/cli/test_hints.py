# SPDX-License-Identifier: BSD-3-Clause
"""What `flotilla summary` says would help: runs made to fail in each way, then made as it says."""

import json
import re
import unittest

import h5py
import numpy as np

from flotilla_tools.flow_file import FlowContents, LayerRecord, write_flow_file
from program import FLOWS, MOONS, SOURCE, ProgramTest, run

RINGS = FLOWS / "three_rings.h5"
GAUSSIANS = FLOWS / "six_gaussians.h5"
RANDOM_32 = SOURCE / "apps" / "studies" / "random_32.h5"
LOCAL = ["--global-fraction", 0]

SMALL = ["--chains", 64]
SLOW = ["--target-accept", 0.9]
SPIKE = "spike"  # a flow whose log det falls faster than log q_Z: the tempered target has no bound
SHEAR = "shear"  # chains start six standard deviations from where they belong

# By what the evidence is called: runs that show it.
CASES = {
    "few draws": [(MOONS, ["--chains", 32, "--draws", 3])],
    "short chains": [
        (MOONS, ["--draws", 20]),
        (MOONS, ["--chains", 30, "--draws", 110]),
        (RINGS, ["--beta", 2, "--chains", 128, "--draws", 200]),
        (MOONS, [*SMALL, "--superchains", 16, "--draws", 20]),
    ],
    "few effective draws": [(MOONS, ["--chains", 2, "--draws", 600])],
    "step size": [
        (MOONS, [*SMALL, *LOCAL, "--no-adapt", "--step-size", 0.01, "--draws", 400]),
        (MOONS, [*SMALL, *LOCAL, "--no-adapt", "--step-size", 30, "--draws", 400]),
        (MOONS, [*SMALL, *LOCAL, "--warmup", 2, "--step-size", 1e-4, "--draws", 400]),
    ],
    "moving in": [
        (SHEAR, [*SMALL, *LOCAL, *"--warmup 1 --step-size 0.4 --draws 100".split(), *SLOW]),
        (SPIKE, [*SMALL, "--draws", 500]),
    ],
    "acceptance target": [(RANDOM_32, ["--target-accept", 0.99, "--draws", 60])],
    "global moves rejected": [
        (RINGS, [*SMALL, "--beta", 2, "--global-fraction", 1, "--draws", 1000])
    ],
    "global moves accepted": [
        (MOONS, [*SMALL, "--global-fraction", 0.02, "--draws", 300]),
        (RINGS, [*SMALL, *"--global-fraction 0.05 --target clipped --warmup 0 --draws 60".split()]),
    ],
    "standing chains": [
        (GAUSSIANS, [*LOCAL, "--chains", 128, "--draws", 400]),
        ("heavy", [*SMALL, "--draws", 500]),
    ],
    "modes apart": [(RINGS, [*SMALL, *LOCAL, "--kernel", "metric-mala", "--draws", 300])],
    "modes far apart": [("heavy", [*SMALL, "--draws", 500, "--seed", 3])],
    "kernel": [
        (RANDOM_32, [*SMALL, "--kernel", "metric-mala", "--draws", 60]),
        (RANDOM_32, [*SMALL, *LOCAL, "--kernel", "mala", "--draws", 100]),
    ],
}
CLEARLY = 1.3  # times as many effective draws for a gradient
MOST_ROUNDS = 5


def coupling_flow(path, *layers):
    """Writes a flow in two dimensions of affine couplings.

    A layer is (kept coordinate, slopes of the log scale and of the shift, constant of it).
    """
    records = []
    for kept, scale, shift, *constant in layers:
        mask = np.eye(2, dtype=np.int8)[kept]
        arrays = {
            "mask": mask,
            "weight_0": np.array([[scale], [shift]], dtype=float),
            "bias_0": np.array([sum(constant), 0.0]),
        }
        records.append(LayerRecord("affine_coupling", {"activation": "tanh"}, arrays))
    contents = FlowContents(2, 0, LayerRecord("standard_normal", {}, {}), records)
    write_flow_file(path, contents, {}, {"made_by": "a test"})
    return path


def with_changes(options, change):
    """The options of a run after a change of some."""
    words = list(options)
    for name, value in change.items():
        if value == "true":
            words.remove(f"--no-{name}")
            continue
        if f"--{name}" in words:
            place = words.index(f"--{name}")
            del words[place : place + 2]
        words += [f"--{name}", value]
    return words


class Hints(ProgramTest):
    def flow(self, name):
        """The path of a flow that ships, or of one that is made here."""
        couplings = {
            SHEAR: [(0, 6, 0)],
            SPIKE: [(0, 1, 0), (1, 1, 0)],
            "heavy": [(0, 0.5, 0), (1, 0.7, 0)],
            "shift": [(0, 0, 2)],
            "flat": [(0, 0, 0, -800)],
        }
        if name not in couplings:
            return name
        return coupling_flow(self.path(f"{name}.h5"), *couplings[name])

    def figures(self, flow, options):
        """The summary of a run as JSON; --strict and the hints agree with its verdict."""
        path = self.sample("--force", "--no-latent", "--report-every", 0, *options, flow=flow)
        done = run("summary", path, "--json", "--strict")
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if found["converged"] else 3, done.stderr)
        self.assertEqual(found["converged"], not found["hints"])
        self.assertLessEqual(len(found["hints"]), 3)
        for hint in found["hints"]:
            self.assertIn(f"\n  {hint['sentence']}\n", done.stderr)
        return found

    def assert_helped(self, before, after, what):
        """What failed passes now, or each gradient brings clearly more."""
        failed, fails = (
            {sentence.split(" of ")[0] for sentence in one["failures"]} for one in (before, after)
        )
        if not failed & fails:
            return
        yields = [one["sampling"]["ess_per_gradient"] or 0 for one in (before, after)]
        self.assertGreater(yields[1], CLEARLY * yields[0], (what, after["failures"]))

    def follow(self, name):
        """Makes the runs that show a kind of evidence, and follows what is said of it."""
        followed = 0
        for flow, options in CASES[name]:
            flow = self.flow(flow)
            before = self.figures(flow, options)
            hints = {hint["evidence"]: hint for hint in before["hints"]}
            self.assertIn(name, hints, before["failures"])
            for change in hints[name]["changes"]:
                after = self.figures(flow, with_changes(options, change))
                self.assert_helped(before, after, change)
                followed += 1
            # The first hint, again and again, leads to a run that has converged.
            rounds = 0
            while not before["converged"]:
                options = with_changes(options, before["hints"][0]["changes"][0])
                before = self.figures(flow, options)
                rounds += 1
                self.assertLessEqual(rounds, MOST_ROUNDS, (options, before["failures"]))
        self.assertGreaterEqual(followed, len(CASES[name]))

    def test_every_kind_of_evidence_is_tried(self):
        """The names in the table are those of the program."""
        source = (SOURCE / "src" / "quality" / "hints.cpp").read_text(encoding="utf-8")
        rows = source[source.index("hint_rows() {") :]
        names = re.findall(r'^      \{"([^"]+)"', rows, re.MULTILINE)
        self.assertEqual(set(names), {*CASES, "draws that are not finite", "no bound"})

    def test_a_spike_and_draws_that_are_not_finite(self):
        path = self.sample(*SMALL, "--draws", 300)
        for name, where, value, change in (
            ("no bound", "sample_stats/lp", 2e9, [{"target": "clipped"}]),
            ("draws that are not finite", "posterior/x", np.nan, []),
        ):
            with h5py.File(path, "r+") as file:
                file[where][7, 100:110] = value
            found = json.loads(run("summary", path, "--json").stdout)
            hint = {hint["evidence"]: hint for hint in found["hints"]}[name]
            self.assertEqual(hint["changes"], change)

    def test_a_quantity_that_is_constant_is_no_failure(self):
        """The log det of a shift is 0 everywhere: it has no R-hat, and needs none."""
        path = self.sample(*SMALL, "--draws", 1000, flow=self.flow("shift"))
        done = run("summary", path, "--strict")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("for every quantity that varies\n", done.stdout)
        self.assertIn("without R-hat and ESS: log_det_jacobian\n", done.stdout)
        found = json.loads(run("summary", path, "--json").stdout)
        self.assertEqual(found["constant"], ["log_det_jacobian"])
        sampling = found["sampling"]
        ess = sampling["ess_per_gradient"] * sampling["gradients"]
        smallest = min(
            min(one["ess_bulk"], one["ess_tail"])
            for one in found["quantities"]
            if one["ess_bulk"] is not None
        )
        self.assertAlmostEqual(ess, smallest, delta=1e-9 * ess)
        self.assertAlmostEqual(
            sampling["ess_per_second"], ess / sampling["sampling_seconds"], delta=1e-9 * ess
        )
        for line in ("smallest ESS per second", "smallest ESS per gradient"):
            self.assertRegex(run("summary", path).stdout, rf"{line} +[0-9]")

    def test_a_constant_coordinate_does_not_keep_a_run_going(self):
        """One whose image is 0, for exp(-800) is."""
        path = self.path("run.h5")
        words = [*SMALL, "--until-rhat", 1.05, "--until-ess", 500, "--precision", "double"]
        for more in ([], ["--superchains", 8]):
            done = run("sample", self.flow("flat"), "-o", path, "--quiet", "--force", *words, *more)
            self.assertEqual(done.returncode, 0, done.stderr)
            found = json.loads(run("summary", path, "--json").stdout)
            self.assertLess(found["draws"], 3000)
            self.assertEqual(found["constant"], ["x[1]", "log_det_jacobian"])

    def test_chains_that_stand_still_are_not_taken_for_a_constant(self):
        path = self.sample(*SMALL, *LOCAL, "--no-adapt", "--step-size", 1000, "--draws", 50)
        done = run("summary", path, "--strict")
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn("64 of 64 chains never moved", done.stderr)
        one = self.sample("--chains", 1, *LOCAL, "--no-adapt", "--step-size", 1000, output="1.h5")
        done = run("summary", one, "--strict")
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn("1 of 1 chains never moved", done.stderr)
        self.assertIn("its draws do not vary", done.stderr)


def add_test(name):
    """A test for each kind of evidence: each failure is told by itself."""

    def test(self):
        self.follow(name)

    setattr(Hints, f"test_{name.replace(' ', '_')}", test)


for kind in CASES:
    add_test(kind)


if __name__ == "__main__":
    unittest.main()
