# SPDX-License-Identifier: BSD-3-Clause
"""What plot_run.py, plot_study.py and report.py make of runs of every shape, and of numbers."""

import pathlib
import unittest

import h5py
import numpy as np
import plot_run
import report
from flotilla_tools.flow_file import FlowContents, LayerRecord, write_flow_file
from flotilla_tools.plotting import panels, plain_numbers, run_file, study
from flotilla_tools.toys import toy_set
from in_process import start
from matplotlib import pyplot
from program import FLOWS, MOONS, ProgramTest, run, small_study


class Shapes(ProgramTest):
    """Runs of every size, with their flows."""

    def test_pictures_of_runs_of_every_size(self):
        one_d = self.path("one_d.h5")
        bend = {"u": np.array([2.0]), "w": np.array([1.5])}
        layer = LayerRecord("planar", {"b": 0.2, "activation": "tanh"}, bend)
        contents = FlowContents(1, 0, LayerRecord("standard_normal", {}, {}), [layer])
        write_flow_file(one_d, contents, {}, {})
        glow = str(FLOWS / "fashion_mnist_glow.h5")
        drawn = 0
        for name, flow, options in (
            ("one chain", MOONS, ["--chains", 1, "--draws", 20]),
            ("one draw", MOONS, ["--chains", 40, "--draws", 1]),
            ("one of each", MOONS, ["--chains", 1, "--draws", 1, "--warmup", 0]),
            ("one dimension", one_d, ["--chains", 40, "--draws", 20]),
            ("superchains", MOONS, ["--chains", 40, "--draws", 20, "--superchains", 4]),
            ("images", glow, ["--chains", 8, "--draws", 2, "--warmup", 2, "--kernel", "mala"]),
        ):
            path = self.sample("--warmup", 10, *options, flow=flow, output=f"{name}.h5")
            for script, ending in ((plot_run, b"\x89PNG"), (report, b"<!DOCTYPE html>")):
                with self.subTest(name=name, script=script.__name__):
                    code, out, complaints = start(script, path)
                    self.assertEqual((code, complaints), (0, ""))
                    with open(out.splitlines()[0], "rb") as file:
                        self.assertTrue(file.read().startswith(ending))
                    drawn += 1
        self.assertEqual(drawn, 12)

    def test_shares_and_counts_are_those_of_the_run(self):
        flow = str(FLOWS / "six_gaussians.h5")
        path = self.sample("--chains", 64, "--draws", 50, "--global-fraction", 0.5, flow=flow)
        values = self.path("values.h5")
        self.assertEqual(run("flow", "evaluate", flow, "--naive", 5000, "-o", values).returncode, 0)
        found = run_file.read_run(self.directory / "run.h5")
        with h5py.File(path) as file, h5py.File(values) as other:
            x, log_det = file["posterior/x"][()], file["sample_stats/log_det_jacobian"][()]
            naive = panels.Evaluation(*(other[name][()] for name in panels.Evaluation._fields))
        np.testing.assert_array_equal(found.x, x)
        np.testing.assert_array_equal(found.log_det, log_det)
        # Six Gaussians of width 0.15 on a circle of radius 2; the support is four widths around.
        angles = np.pi / 3 * np.arange(6)
        centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        off = np.linalg.norm(x[..., None, :] - centres, axis=3).min(axis=2) > 0.6
        share = off.mean()
        self.assertGreater(share, 0)
        toy = toy_set("gaussians_6")
        material = panels.Material(found, naive=naive, toy=toy)
        told = panels.off_support(material, found.x)
        self.assertAlmostEqual(told.mean, share)
        self.assertAlmostEqual(told.error, off.mean(axis=1).std(ddof=1) / 8)
        beyond = np.quantile(naive.log_det_jacobian, 0.99)
        axes = pyplot.figure().add_subplot()
        panels.draw_stretch(axes, material)
        spread = (log_det > beyond).mean(axis=1).std(ddof=1) / 8
        expected = plain_numbers.percent((log_det > beyond).mean(), spread)
        self.assertIn(f"holds {expected} of the run", axes.get_title(loc="left"))

    def test_a_spread_over_a_run_keeps_its_last_draw_and_its_size(self):
        tried = 0
        for chains, draws, dim in ((1, 1, 1), (10, 10**6, 2), (10**6, 3, 2), (64, 1000, 784)):
            chosen = np.arange(draws)[run_file.Spread(chains, draws, dim).selection[1]]
            some = np.arange(chains)[run_file.Spread(chains, draws, dim).selection[0]]
            self.assertEqual(chosen[-1], draws - 1)
            count, most = len(chosen) * len(some), run_file.points_of(dim)
            self.assertLessEqual(count, most)
            self.assertGreaterEqual(count, min(chains * draws, most) // 4)
            tried += 1
        self.assertEqual(tried, 4)


class Studies(ProgramTest):
    def test_a_legend_has_no_curve_of_runs_that_failed(self):
        figure = study.draw_study(pathlib.Path(small_study(self.path("study"))))[-1]
        drawn = [axes for axes in figure.axes if axes.has_data()]
        self.assertEqual(len(drawn), len(figure.axes))  # no reference: no panel of errors
        self.assertEqual(drawn[0].get_legend_handles_labels()[1], ["superchains 0"])

    def test_axes_that_can_be_compared_share_their_scale_and_r_hat_has_its_line(self):
        names = ["two_moons", "three_rings"]
        toml = self.path("beta.toml")
        with open(toml, "w", encoding="utf-8") as file:
            file.write(
                "seeds = [1]\n[sample]\nchains = 32\nwarmup = 40\ndraws = 40\n[grid]\n"
                f"flow = {[str(FLOWS / f'{name}.h5') for name in names]}\nbeta = [0, 2]\n"
            )
        output = pathlib.Path(self.path("beta.h5"))
        self.assertEqual(run("study", toml, "-o", output, "--quiet").returncode, 0)
        figure = study.draw_study(output)[-1]
        panels = np.array(figure.axes).reshape(2, 2)
        self.assertEqual([panel.get_title("left") for panel in panels[0]], names)
        for left, right in panels:
            self.assertEqual(left.get_ylim(), right.get_ylim())
        for panel in panels[0]:
            heights = [line.get_ydata()[0] for line in panel.lines]
            self.assertTrue(np.isclose(heights, 0.01).any(), heights)
        figure.canvas.draw()
        self.assertIn("1.01", [label.get_text() for label in panels[0, 0].get_yticklabels()])
        self.assertEqual([text.get_text() for text in figure.texts], ["tempered · ghmc · one seed"])


class Numbers(unittest.TestCase):
    def test_numbers_are_written_as_people_read_them(self):
        read = 0
        for value, expected in (
            (17930.4, "17,930"),
            (1234567, "1,234,567"),
            (562125.98, "562,126"),
            (0.57829, "0.5783"),
            (0.5, "0.5"),
            (0.0001234, "0.0001234"),
            (1.5e-9, "1.500 × 10⁻⁹"),
            (-2.5e20, "-2.500 × 10²⁰"),
            (0.0, "0"),
            (-0.0, "0"),
            (99999.96, "100,000"),
            (float("nan"), "–"),
            (None, "–"),
            (float("inf"), "∞"),
            (np.int64(12000), "12,000"),
            ("text", "text"),
        ):
            self.assertEqual(plain_numbers.number(value), expected)
            read += 1
        self.assertEqual(read, 16)

    def test_an_error_decides_how_many_digits_are_written(self):
        read = 0
        for value, error, expected in (
            (1.23456, 0.0234, "1.235 ± 0.023"),
            (17930.4, 212.3, "17,930 ± 212"),
            (-0.000001, 0.5, "0.00 ± 0.50"),
            (0.0996, 0.00999, "0.100 ± 0.010"),
            (1.9e-10, 1.9e-10, "1.9 × 10⁻¹⁰ ± 1.9 × 10⁻¹⁰"),
            (3.25, float("nan"), "3.25"),
            (3.25, 0.0, "3.25"),
        ):
            self.assertEqual(plain_numbers.with_error(value, error), expected)
            read += 1
        self.assertEqual(read, 7)
        self.assertEqual(plain_numbers.percent(0.0124, 0.0002), "1.240 ± 0.020 %")

    def test_every_number_can_be_written(self):
        rng = np.random.default_rng(3)
        bits = rng.integers(0, 2**64, 20000, dtype=np.uint64).view(np.float64)
        for value, error in zip(bits[::2], bits[1::2]):
            self.assertLess(len(plain_numbers.number(value)), 25)
            self.assertNotIn("e", plain_numbers.with_error(value, error))
            self.assertLess(len(plain_numbers.fixed(value, 3)), 30)


if __name__ == "__main__":
    unittest.main()
