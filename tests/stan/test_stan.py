# SPDX-License-Identifier: BSD-3-Clause
"""Stan models are sampled as they are; by stand-ins for BridgeStan's libraries (model.hpp)."""

import hashlib
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from program import ProgramTest, random_flow, run  # noqa: E402

STAND_INS = pathlib.Path(os.environ["FLOTILLA_STAND_INS"])
MODEL = STAND_INS / "version_2.so"
SIZE = ["--chains", 64, "--warmup", 300, "--draws", 400]
SHORT = ["--chains", 96, "--warmup", 20, "--draws", 10, "--tile-width", 32]


class StanTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="flotilla_stan_")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.flow = random_flow(f"{folder}/flow.h5", "--dim", 8, "--layers", 2)

    def data(self, **values):
        path = self.path("data.json")
        pathlib.Path(path).write_text(json.dumps(values), encoding="utf-8")
        return path

    def checksum(self):
        """Of the data, as a run file has it."""
        data = pathlib.Path(self.path("data.json")).read_bytes()
        return "sha256:" + hashlib.sha256(data).hexdigest()

    def model(self, data, library=MODEL):
        words = ["--target", "explicit", "--density", library]
        return [*words, "--density-args", data] if data else words

    def made(self, *arguments, data, output="run.h5", ranks=None):
        return self.sample(
            *self.model(data), *arguments, flow=self.flow, output=output, ranks=ranks
        )


class Draws(StanTest):
    def expect_mean(self, draws, mean, what):
        """Within four standard errors, from the spread between chains."""
        by_chain = draws.mean(axis=1)
        error = by_chain.std(ddof=1) / math.sqrt(len(by_chain))
        self.assertLess(abs(by_chain.mean() - mean), 4.0 * error, what)
        self.assertLess(error, 0.1, what)

    def test_variables_have_stans_names_shapes_and_moments(self):
        path = self.made(*SIZE, data=self.data(m=1.5))
        with h5py.File(path) as file:
            draws = {name: file["posterior"][name][()] for name in ("mu", "tau", "a", "theta")}
            scales = [dimension[0].name for dimension in file["posterior/a"].dims]
            self.assertEqual(file.attrs["density_args"].decode(), self.path("data.json"))
            self.assertEqual(file.attrs["density_data_checksum"].decode(), self.checksum())
        self.assertEqual(
            {name: values.shape[2:] for name, values in draws.items()},
            {"mu": (), "tau": (), "a": (2, 3), "theta": (2,)},
        )
        self.assertEqual(
            [pathlib.PurePosixPath(name).name for name in scales],
            ["chain", "draw", "a_dim_0", "a_dim_1"],
        )
        self.expect_mean(draws["mu"], 1.5, "mu")
        self.expect_mean((draws["mu"] - 1.5) ** 2, 1.0, "variance of mu")
        # Without the Jacobian of exp it would be exp(-0.125).
        self.expect_mean(draws["tau"], math.exp(0.125), "tau")
        compared = 0
        for row in range(2):
            for column in range(3):
                mean = 2.0 * (row + 1) + 0.5 * (column + 1)
                self.expect_mean(draws["a"][..., row, column], mean, (row, column))
                compared += 1
        self.assertEqual(compared, 6)
        np.testing.assert_array_equal(draws["theta"][..., 0], draws["mu"])
        np.testing.assert_array_equal(draws["theta"][..., 1], 2.0 * draws["tau"])

    def test_the_check_of_densities_finds_nothing(self):
        done = run("density", "check", MODEL, "--density-args", f"{self.data()} generated")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_exceptions_reject_their_points(self):
        # mu ~ N(0, 1) below 0.5: its mean is -phi(0.5) / Phi(0.5)
        path = self.made(*SIZE, data=self.data(limit=0.5))
        with h5py.File(path) as file:
            mu = file["posterior/mu"][()]
        self.assertLessEqual(float(mu.max()), 0.5)
        below = 0.5 * (1.0 + math.erf(0.5 / math.sqrt(2.0)))
        mean = -math.exp(-0.125) / math.sqrt(2.0 * math.pi) / below
        self.expect_mean(mu, mean, "mu below its limit")

    def test_generated_quantities_are_on_request(self):
        data = self.data(m=0.5)
        with h5py.File(self.made(*SIZE, data=data)) as file:
            self.assertNotIn("y", file["posterior"])
        path = self.made(*SIZE, "--force", data=f"{data} generated")
        with h5py.File(path) as file:
            self.assertEqual(file.attrs["density_args"].decode(), f"{data} generated")
            self.assertEqual(file.attrs["density_data_checksum"].decode(), self.checksum())
            noise = file["posterior/y"][()] - file["posterior/mu"][()]
        self.expect_mean(noise, 0.0, "noise")
        self.expect_mean(noise**2, 1.0, "variance of the noise")

    def test_any_number_of_ranks_draws_the_same_bits(self):
        data = f"{self.data(limit=2.0)} generated"
        one = self.made(*SHORT, data=data, output="1.h5", ranks=1)
        for ranks in (2, 3):
            many = self.made(*SHORT, "--force", data=data, output="n.h5", ranks=ranks)
            self.assert_same_datasets(one, many)


class Words(StanTest):
    def test_what_a_model_prints_is_no_result(self):
        done = run("sample", self.flow, "-o", self.path("run.h5"), *self.model(""), *SHORT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("a model is made", done.stderr)
        self.assertNotIn("a model is made", done.stdout)

    def test_what_is_wrong_is_one_sentence_on_any_number_of_ranks(self):
        cases = [
            (MODEL, "nowhere.json", "cannot read the file nowhere.json"),
            (MODEL, self.data(limit=-1e9), "version_2.so"),  # no point has a density
            (STAND_INS / "version_3.so", "", "version 3 of BridgeStan"),
        ]
        for library, data, words in cases:
            sentences = set()
            for ranks in (None, 3):
                done = run(
                    "sample", self.flow, "-o", self.path("run.h5"), *self.model(data, library),
                    *SHORT, ranks=ranks,
                )
                self.assertEqual(done.returncode, 2, done.stderr)
                ours = [row for row in done.stderr.splitlines() if row.startswith("flotilla: ")]
                self.assertEqual(len(ours), 1, done.stderr)
                self.assertIn(words, ours[0])
                sentences.add(ours[0])
            self.assertEqual(len(sentences), 1)


if __name__ == "__main__":
    unittest.main()
