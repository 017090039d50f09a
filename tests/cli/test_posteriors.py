# SPDX-License-Identifier: BSD-3-Clause
"""The posteriors of posteriordb: reference draws, moments with errors, gradients."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import zipfile

import numpy as np
from flotilla_tools.errors import InputError
from flotilla_tools.measuring import posterior_table
from program import PROGRAM

DATABASE = os.environ.get("FLOTILLA_POSTERIORDB")
"""posterior_database of a clone of posteriordb."""


class PosteriorTable(unittest.TestCase):
    def test_moments_have_the_errors_of_independent_chains(self):
        rng = np.random.default_rng(5)
        scores = []
        for _ in range(200):
            found = posterior_table.chain_moments(2.0 + 3.0 * rng.standard_normal((50, 40)))
            scores.append((found.mean - 2.0) / found.mean_error)
            scores.append((found.deviation - 3.0) / found.deviation_error)
        # 400 scores of variance 1 (of t with 49 degrees 1.04): 1 +- 0.07.
        self.assertAlmostEqual(float(np.mean(np.square(scores))), 1.04, delta=0.3)

    def test_reference_draws_and_data_come_from_the_database(self):
        with tempfile.TemporaryDirectory() as folder:
            database = pathlib.Path(folder)
            chains = [{"mu": [1.0, 2.0]}, {"mu": [3.0, 4.0]}]
            self.zip(database / "reference_posteriors/draws/draws/a-b.json.zip", chains)
            self.zip(database / "data/data/a.json.zip", {"N": 2})
            found = posterior_table.reference(database, "a-b")
            np.testing.assert_array_equal(found["mu"], [1, 2, 3, 4])
            posterior_table.write_data(database, "a-b", database / "data.json")
            self.assertEqual(json.loads((database / "data.json").read_text()), {"N": 2})
            whole = database / "data/data/a.json.zip"
            whole.write_bytes(whole.read_bytes()[:-30])
            with self.assertRaisesRegex(InputError, "expected JSON in a zip file"):
                posterior_table.write_data(database, "a-b", database / "data.json")

    @staticmethod
    def zip(path, content):
        path.parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.stem, json.dumps(content))

    def test_models_are_told_to_an_old_stan_in_its_own_words(self):
        self.assertEqual(
            posterior_table.for_old_stan("array[N, 2] real<lower=0> y;\narray[K] simplex[K] p;"),
            "real<lower=0> y[N, 2];\nsimplex[K] p[K];",
        )
        self.assertEqual(
            posterior_table.for_old_stan("array[] real f(real t, array[,] real z) {"),
            "real[] f(real t, real[,] z) {",
        )

    @unittest.skipUnless(DATABASE, "FLOTILLA_POSTERIORDB names no posterior_database")
    def test_every_posterior_is_the_gradient_of_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            library = posterior_table.build_library(pathlib.Path(folder) / "build")
            for name in posterior_table.POSTERIORS:
                with self.subTest(name=name):
                    data = pathlib.Path(folder) / "data.json"
                    posterior_table.write_data(pathlib.Path(DATABASE), name, data)
                    words = [PROGRAM, "density", "check", str(library), "--density-args"]
                    words += [f"{name.split('-')[1]} {data}"]
                    done = subprocess.run(words, capture_output=True, text=True, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
