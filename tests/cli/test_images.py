# SPDX-License-Identifier: BSD-3-Clause
"""The shipped Glow of Fashion-MNIST: 784 dimensions, stretched from 0.05 to 3000, in float."""

import unittest

import h5py
import numpy as np

from program import FLOWS, ProgramTest

GLOW = str(FLOWS / "fashion_mnist_glow.h5")


class Images(ProgramTest):
    def test_metric_mala_finds_its_step_size_in_float(self):
        size = ["--chains", 64, "--tile-width", 32, "--warmup", 300, "--draws", 20]
        size += ["--exchange-every", 5]
        size += ["--kernel", "metric-mala", "--global-fraction", 0]
        path = self.sample(*size, flow=GLOW, ranks=2)
        with h5py.File(path) as file:
            # The mean acceptance probability of 1280 moves has an error of 0.01; the rest of
            # 0.05 is how well 60 windows find the step size.
            self.assertLess(abs(file.attrs["acceptance_rate"] - 0.574), 0.05)
            self.assertEqual(file.attrs["non_finite_proposals"], 0)
            self.assertTrue(np.isfinite(file["posterior/x"][()]).all())

    def test_any_number_of_ranks_draws_the_same_bits(self):
        size = ["--chains", 96, "--warmup", 12, "--draws", 4, "--tile-width", 32]
        compared = 0
        for kernel in ("metric-mala", "mala", "ghmc"):
            options = [*size, "--kernel", kernel, "--force"]
            one = self.sample(*options, flow=GLOW, output="1.h5", ranks=1)
            for ranks in (2, 3):
                many = self.sample(*options, flow=GLOW, output="n.h5", ranks=ranks)
                self.assert_same_datasets(one, many)
                compared += 1
        self.assertEqual(compared, 6)


if __name__ == "__main__":
    unittest.main()
