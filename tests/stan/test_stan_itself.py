# SPDX-License-Identifier: BSD-3-Clause
"""A model that Stan itself compiled, against its formulas and against quadrature.

It takes half a minute to compile: set FLOTILLA_STAN to have it done. It needs rstan (Debian:
r-cran-rstan). Otherwise the test counts as skipped.
"""

import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from program import ProgramTest, random_flow, run  # noqa: E402

SKIPPED = 77  # how ctest knows
Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
DIM = 10  # mu, log(tau), eta


def skip(reason):
    print(f"SKIPPED: {reason}", file=sys.stderr)
    sys.exit(SKIPPED)


def expect_rstan():
    if not os.environ.get("FLOTILLA_STAN"):
        skip("set FLOTILLA_STAN=1 to compile a Stan model, which takes half a minute")
    if shutil.which("Rscript") is None:
        skip("there is no R")
    done = subprocess.run(
        ["Rscript", "-e", 'quit(status = !requireNamespace("rstan", quietly = TRUE))'],
        capture_output=True,
    )
    if done.returncode != 0:
        skip("rstan is not installed (Debian: r-cran-rstan)")


expect_rstan()


def build(folder):
    """The library of the model, as BridgeStan would make it."""
    source, library = folder / "model.cpp", folder / "eight_schools_model.so"
    translated = subprocess.run(
        ["Rscript", HERE / "translate.R", HERE / "eight_schools.stan", source],
        check=True, capture_output=True, text=True,
    )
    flags = translated.stdout.split()
    subprocess.run(
        ["g++", "-std=c++14", "-O1", "-w", "-shared", "-fPIC", *flags, "-include", source,
         HERE / "bridge.cpp", "-o", library],
        check=True,
    )
    return library


def write_data(path, **arrays):
    """R's dump format."""
    words = [
        f"{name} <- " + (f"c({', '.join(map(str, value))})" if np.ndim(value) else str(value))
        for name, value in arrays.items()
    ]
    path.write_text("\n".join(words) + "\n", encoding="utf-8")


def normal(value, mean, spread):
    return -0.5 * ((value - mean) / spread) ** 2 - np.log(spread) - 0.5 * math.log(2.0 * math.pi)


def log_density(u):
    """Of unconstrained points [..., DIM], with constants and with the Jacobian of tau."""
    mu, log_tau, eta = u[..., 0], u[..., 1], u[..., 2:]
    tau = np.exp(log_tau)
    theta = mu[..., None] + tau[..., None] * eta
    cauchy = -np.log(math.pi * 5.0) - np.log1p((tau / 5.0) ** 2)
    each = normal(eta, 0.0, 1.0) + normal(Y, theta, SIGMA)
    return normal(mu, 0.0, 5.0) + cauchy + log_tau + each.sum(axis=-1)


def posterior_moments():
    """E of mu, mu^2, log(tau), and of each school's theta and theta^2: sums over log(tau), with the
    other parameters integrated in closed form."""
    log_tau = np.linspace(-12.0, 6.0, 4001)
    tau = np.exp(log_tau)
    variance = SIGMA**2 + tau[:, None] ** 2  # of y given mu
    precision = 1.0 / 25.0 + (1.0 / variance).sum(axis=1)
    mu = (Y / variance).sum(axis=1) / precision
    log_weight = (
        -0.5 * np.log(variance).sum(axis=1) - 0.5 * np.log(precision)
        - 0.5 * (Y**2 / variance).sum(axis=1) + 0.5 * precision * mu**2
        - np.log1p((tau / 5.0) ** 2) + log_tau
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    pull = SIGMA**2 / variance  # theta = pull * mu + (1 - pull) * y + noise
    theta = pull * mu[:, None] + (1.0 - pull) * Y
    theta_variance = pull * tau[:, None] ** 2 + pull**2 / precision[:, None]
    return {
        "mu": weight @ mu,
        "mu^2": weight @ (mu**2 + 1.0 / precision),
        "log(tau)": weight @ log_tau,
        "theta": weight @ theta,
        "theta^2": weight @ (theta**2 + theta_variance),
    }


class StanItself(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="flotilla_stan_"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.library = build(cls.folder)
        cls.data = cls.folder / "schools.R"
        write_data(cls.data, J=8, y=Y, sigma=SIGMA)

    def setUp(self):
        super().setUp()
        self.flow = random_flow(self.path("flow.h5"), "--dim", DIM, "--layers", 2)

    def made(self, *arguments, generated=False, output="run.h5", ranks=None):
        data = f"{self.data} generated" if generated else self.data
        return self.sample(
            "--target", "explicit", "--density", self.library, "--density-args", data,
            "--precision", "double", *arguments, flow=self.flow, output=output, ranks=ranks,
        )

    def test_log_densities_are_the_models(self):
        path = self.made("--chains", 64, "--warmup", 20, "--draws", 20, "--kernel", "ghmc")
        with h5py.File(path) as file:
            u = file["posterior/x"][()]
            lp = file["sample_stats/lp"][()] - file["sample_stats/log_det_jacobian"][()]
        self.assertEqual(u.shape, (64, 20, DIM))
        self.assertLess(float(np.abs(log_density(u) - lp).max()), 1e-9)

    def test_the_check_of_densities_finds_nothing(self):
        done = run("density", "check", self.library, "--density-args", self.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_moments_are_those_of_quadrature(self):
        path = self.made("--chains", 128, "--warmup", 300, "--draws", 500, "--kernel", "ghmc")
        with h5py.File(path) as file:
            draws = {name: file["posterior"][name][()] for name in ("mu", "tau", "eta", "theta")}
        self.assertEqual(draws["eta"].shape[2:], (8,))
        self.assertEqual(draws["theta"].shape[2:], (2, 8))
        theta = draws["theta"][:, :, 0]
        apart = np.abs(theta - draws["mu"][..., None] - draws["theta"][:, :, 1]).max()
        self.assertLess(float(apart), 1e-9)
        found = {
            "mu": draws["mu"],
            "mu^2": draws["mu"] ** 2,
            "log(tau)": np.log(draws["tau"]),
            "theta": theta,
            "theta^2": theta**2,
        }
        compared = 0
        for name, expected in posterior_moments().items():
            by_chain = found[name].mean(axis=1)
            error = by_chain.std(axis=0, ddof=1) / math.sqrt(len(by_chain))
            distance = np.abs(by_chain.mean(axis=0) - expected) / error
            print(name, np.round(expected, 3), "distance in errors", np.round(distance, 1))
            self.assertLess(float(np.max(distance)), 4.0, name)
            compared += np.size(expected)
        self.assertEqual(compared, 19)

    def test_generated_quantities_repeat_on_any_number_of_ranks(self):
        words = ["--chains", 96, "--warmup", 20, "--draws", 40, "--tile-width", 32]
        one = self.made(*words, generated=True, output="1.h5", ranks=1)
        self.assert_same_datasets(
            one, self.made(*words, generated=True, output="3.h5", ranks=3)
        )
        with h5py.File(one) as file:
            noise = (file["posterior/repeated"][()] - file["posterior/theta"][:, :, 0]) / SIGMA
        self.assertEqual(noise.shape, (96, 40, 8))
        self.assertLess(abs(float(noise[:, -1].mean())), 4.0 / math.sqrt(noise[:, -1].size))
        self.assertLess(abs(float(noise[:, -1].var()) - 1.0), 4.0 * math.sqrt(2.0 / (96 * 8)))

    def test_data_that_the_model_refuses_is_one_sentence(self):
        bad = self.folder / "bad.R"
        write_data(bad, J=8, y=Y, sigma=-SIGMA)
        done = run(
            "sample", self.flow, "-o", self.path("run.h5"), "--target", "explicit",
            "--density", self.library, "--density-args", bad, ranks=2,
        )
        self.assertEqual(done.returncode, 2)
        ours = [row for row in done.stderr.splitlines() if row.startswith("flotilla: ")]
        self.assertEqual(len(ours), 1, done.stderr)
        self.assertIn("sigma", ours[0])


if __name__ == "__main__":
    unittest.main()
