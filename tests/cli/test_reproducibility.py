# SPDX-License-Identifier: BSD-3-Clause
"""1, 2, 3 and 5 ranks write the same bits. So do other block sizes and repeated runs."""

import unittest

from program import MOONS, ProgramTest, datasets, random_flow, run, same_bits

# 157 chains: neither a number of ranks nor a tile divides them.
SIZE = ["--chains", 157, "--warmup", 60, "--draws", 40, "--tile-width", 32, "--save-warmup"]

KERNELS = {
    "metric MALA": ["--kernel", "metric-mala", "--global-fraction", 0],
    "Euclidean MALA": ["--kernel", "mala", "--global-fraction", 0],
    "independence": ["--global-fraction", 1],
    "mixture, metric": ["--kernel", "metric-mala", "--global-fraction", 0.3],
    "mixture, Euclidean": ["--kernel", "mala", "--global-fraction", 0.3],
    "clipped": ["--target", "clipped"],
    "double": ["--precision", "double"],
}

FLOWS = {
    "every layer, mixture": (["--dim", 5, "--extras", "layers", "--base", "gaussian_mixture"], []),
    "every layer, mala": (
        ["--dim", 4, "--extras", "layers"], ["--kernel", "mala", "--precision", "double"],
    ),
    "every curve": (["--dim", 5, "--extras", "curves", "--seed", 9], []),
    "circles": (["--dim", 3, "--base", "circular_normal"], ["--beta", 0.5]),
    "diagonal": (["--dim", 3, "--base", "diagonal_normal"], ["--target", "clipped"]),
    "box": (["--dim", 3, "--base", "uniform_box"], ["--global-fraction", 0.5]),
    "conditional": (["--dim", 3, "--context", 2], ["--context", "0.5,1"]),
    "images": (["--kind", "glow", "--dim", 64, "--widths", "9,8"], ["--global-fraction", 0.2]),
}


class Reproducibility(ProgramTest):
    def test_any_number_of_ranks_writes_the_same_bits_with_every_kernel(self):
        for name, options in KERNELS.items():
            one = self.sample(*SIZE, *options, "--force", output="1.h5", ranks=1)
            for ranks in (2, 3, 5):
                with self.subTest(kernel=name, ranks=ranks):
                    many = self.sample(*SIZE, *options, "--force", output="n.h5", ranks=ranks)
                    self.assert_same_datasets(one, many)
            self.sample(*SIZE, *options, "--force", output="1.h5")  # and without mpirun
            self.assert_same_datasets(one, many)

    def test_any_number_of_ranks_writes_the_same_bits_with_every_layer_and_base(self):
        for name, (shape, options) in FLOWS.items():
            flow = self.path("flow.h5")
            random_flow(flow, "--layers", 2, "--widths", 8, *shape)
            one = self.sample(*SIZE, *options, "--force", output="1.h5", flow=flow, ranks=1)
            for ranks in (2, 3):
                with self.subTest(flow=name, ranks=ranks):
                    many = self.sample(
                        *SIZE, *options, "--force", output="n.h5", flow=flow, ranks=ranks
                    )
                    self.assert_same_datasets(one, many)

    def test_looking_at_a_run_does_not_change_its_draws(self):
        unseen = self.sample(*SIZE, "--report-every", 0, output="1.h5")
        compared = 0
        never = 3  # the exit code of a threshold that was not met
        for words, code in (([], 0), (["--until-rhat", 1], never)):
            seen = self.path("n.h5")
            done = run(
                "sample", MOONS, "-o", seen, *SIZE, "--report-every", 7, *words, "--force", ranks=2
            )
            self.assertEqual(done.returncode, code, done.stderr)
            self.assert_same_datasets(unseen, seen)
            compared += 1
        self.assertEqual(compared, 2)

    def test_another_seed_draws_something_else(self):
        one = self.sample(*SIZE, output="1.h5")
        other = self.sample(*SIZE, "--seed", 2, output="2.h5")
        with self.assertRaises(AssertionError):
            self.assert_same_datasets(one, other)

    def test_more_chains_leave_the_first_ones_alone_where_nothing_adapts(self):
        fixed = ["--warmup", 20, "--draws", 10, "--no-adapt", "--step-size", 0.03]
        few = datasets(self.sample("--chains", 40, *fixed, output="few.h5"))["posterior/x"]
        many = datasets(self.sample("--chains", 300, *fixed, output="many.h5"))["posterior/x"]
        self.assertTrue(same_bits(few, many[:40]))


if __name__ == "__main__":
    unittest.main()
