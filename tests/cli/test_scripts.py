# SPDX-License-Identifier: BSD-3-Clause
"""The Python scripts beside the program: training, reference, pictures."""

import csv
import json
import pathlib
import subprocess
import time
import unittest

import h5py
import numpy as np

from program import (
    ENVIRONMENT, MOONS, PROGRAM, PYTHON, SOURCE, ProgramTest, datasets, random_flow, run, script,
)


class Scripts(ProgramTest):
    def succeed(self, name, *arguments):
        done = script(name, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_flow_trained_on_a_users_draws_verifies_and_samples(self):
        draws = np.random.default_rng(3).normal(size=(600, 3)) * [1.0, 2.0, 0.5] + [0.0, 5.0, 1.0]
        np.save(self.path("draws.npy"), draws)
        with h5py.File(self.path("draws.h5"), "w") as file:
            file["theta"] = draws
        size = ["--layers", 2, "--width", 8, "--max-epochs", 2, "--batch-size", 128]
        for source in ("draws.npy", "draws.h5:theta"):
            flow = self.path("flow.h5")
            printed = self.succeed("train_flow.py", self.path(source), "-o", flow, *size)
            self.assertEqual(printed.count("held-out nll"), 3, printed)  # two epochs and the end
            self.assertEqual(run("flow", "verify", flow).returncode, 0)
            path = self.sample("--chains", 64, "--draws", 50, "--force", flow=flow)
            x = datasets(path)["posterior/x"]
            self.assertEqual(x.shape, (64, 50, 3))
            np.testing.assert_allclose(x.mean(axis=(0, 1)), [0.0, 5.0, 1.0], atol=1.0)

    def test_training_on_a_run_holds_out_its_last_chains(self):
        # An array is split at random: its rows are taken to be independent.
        size = ["--layers", 2, "--width", 8, "--max-epochs", 2, "--batch-size", 128]
        flow = self.path("flow.h5")
        self.succeed("train_flow.py", self.sample("--chains", 20, "--draws", 30), "-o", flow, *size)
        with h5py.File(flow) as file:
            self.assertEqual(file["provenance"].attrs["train_size"], 540)
        split = (
            "from flotilla_tools.training.real_nvp import order\n"
            "for of_run in (True, False): print(*order(of_run, 600, 60, 1))"
        )
        words = [PYTHON, "-c", split]
        done = subprocess.run(words, capture_output=True, text=True, cwd=SOURCE / "scripts")
        self.assertEqual(done.returncode, 0, done.stderr)
        of_run, of_array = (list(map(int, line.split())) for line in done.stdout.splitlines())
        for found in (of_run, of_array):
            self.assertEqual(sorted(found), list(range(600)))
        self.assertEqual(of_run[:60], list(range(540, 600)))
        self.assertNotEqual(sorted(of_array[:60]), list(range(540, 600)))

    def test_a_glow_trained_on_a_users_images_verifies_and_samples(self):
        rng = np.random.default_rng(4)
        images = rng.normal(128.0, 30.0, (160, 1, 1)) + rng.normal(0.0, 9.0, (160, 8, 8))
        np.save(self.path("images.npy"), np.clip(images, 0, 255).astype(np.uint8))
        flow = self.path("glow.h5")
        size = ["--levels", 2, "--steps", 1, "--widths", "4,6", "--batch-size", 16, "--epochs", 3]
        size += ["--held-out-size", 32, "--warm-up-steps", 3]
        words = ["train_glow.py", self.path("images.npy"), "-o", flow, *size]
        self.assertIn("reached --max-minutes", self.succeed(*words, "--max-minutes", 1e-6))
        with h5py.File(flow) as file:
            one_epoch = file["provenance"].attrs["held_out_bits_per_dimension"]
        printed = self.succeed(*words)
        self.assertEqual(printed.count("held-out"), 4, printed)  # three epochs and the end
        with h5py.File(flow) as file:
            self.assertLess(file["provenance"].attrs["held_out_bits_per_dimension"], one_epoch)
        self.assertEqual(run("flow", "verify", flow).returncode, 0)
        path = self.sample("--chains", 64, "--draws", 20, "--beta", 0, "--force", flow=flow)
        x = datasets(path)["posterior/x"]
        self.assertEqual(x.shape, (64, 20, 64))
        self.assertTrue(np.isfinite(x).all())
        self.assertLess(abs(x.mean() - 128.0), 40.0)

    def test_a_killed_training_of_a_glow_resumes_to_the_same_flow(self):
        images = np.random.default_rng(5).integers(0, 256, (160, 8, 8))
        np.save(self.path("images.npy"), images.astype(np.uint8))
        words = ["--levels", 1, "--steps", 1, "--widths", 4, "--batch-size", 16, "--epochs", 6]
        words += ["--held-out-size", 32, "--warm-up-steps", 3]
        words = [self.path("images.npy"), *map(str, words)]
        whole, killed = self.path("whole.h5"), self.path("killed.h5")
        self.succeed("train_glow.py", *words, "-o", whole)
        program = [PYTHON, str(SOURCE / "scripts/train_glow.py"), *words, "-o", killed]
        with subprocess.Popen(program, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
            checkpoint = self.directory / "killed.h5.checkpoint"
            while not checkpoint.exists() and process.poll() is None:
                time.sleep(0.005)
            process.kill()
        self.assertTrue(checkpoint.exists())
        self.succeed("train_glow.py", *words, "-o", killed, "--resume")
        self.assertFalse(checkpoint.exists())
        with h5py.File(whole) as one, h5py.File(killed) as other:
            self.assertEqual(one.attrs["checksum"], other.attrs["checksum"])

    def test_a_glow_says_what_is_wrong_with_its_images(self):
        np.save(self.path("odd.npy"), np.zeros((200, 9, 9), dtype=np.uint8))
        np.save(self.path("grey.npy"), np.full((200, 8, 8), 0.5))
        np.save(self.path("few.npy"), np.zeros((20, 8, 8), dtype=np.uint8))
        told = 0
        for source in ("odd.npy", "grey.npy", "few.npy", "none.npy"):
            words = [self.path(source), "-o", self.path("flow.h5"), "--held-out-size", 32]
            done = script("train_glow.py", *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn("expected", done.stderr)
            told += 1
        self.assertEqual(told, 4)

    def test_training_says_what_is_wrong_with_its_data(self):
        np.save(self.path("flat.npy"), np.ones(5))
        for source in (self.path("flat.npy"), self.path("none.npy"), "three_moons"):
            done = script("train_flow.py", source, "-o", self.path("flow.h5"))
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn("expected", done.stderr)

    def test_the_program_and_pytorch_draw_from_the_same_density(self):
        options = ["--chains", 256, "--warmup", 200, "--draws", 200, "--beta", 0.5]
        options += ["--global-fraction", 0.3, "--precision", "double"]
        compared = 0
        for kernel in ("metric-mala", "mala"):
            reference = self.path(f"{kernel}.h5")
            self.succeed("reference_torch.py", MOONS, *options, "--kernel", kernel, "-o", reference)
            ours = self.sample(*options, "--kernel", kernel, "--force")
            one = self.moments(ours)
            other = self.moments(reference)
            # Five moments, two kernels, four joint standard errors: one false alarm in 1600 seeds.
            distance = np.abs(one[0] - other[0]) / np.hypot(one[1], other[1])
            self.assertLess(distance.max(), 4.0, (kernel, one, other))
            compared += len(distance)
        self.assertEqual(compared, 10)

    def test_hamiltonian_trajectories_in_pytorch_have_the_moments_of_the_shear_flow(self):
        flow, output = self.path("shear.h5"), self.path("hmc.h5")
        shear, beta, chains, draws = 0.6, 0.5, 256, 150
        self.succeed("random_flow.py", "-o", flow, "--shear", shear)
        options = ["--beta", beta, "--chains", chains, "--warmup", 60, "--draws", draws]
        options += ["--kernel", "hmc", "--leapfrog-steps", 3, "--global-fraction", 0]
        self.succeed("reference_torch.py", flow, *options, "--precision", "double", "-o", output)
        z = datasets(output)["unconstrained_posterior/z"]
        centred = z - np.array([-beta * shear, 0.0])
        observed = np.concatenate([centred, centred**2 - 1, centred[..., :1] * centred[..., 1:]], 2)
        means = observed.mean(axis=1)
        distance = np.abs(means.mean(axis=0)) / (means.std(axis=0, ddof=1) / np.sqrt(chains))
        # Five moments, four standard errors: one false alarm in 3000 seeds.
        self.assertEqual(len(distance), 5)
        self.assertLess(distance.max(), 4.0, distance)
        figures = json.loads(run("summary", output, "--json").stdout)["sampling"]
        steps = figures["gradients"] / (chains * draws)
        self.assertGreater(steps, 3.0)  # lengths are rounded up
        self.assertLess(steps, 4.0)
        self.assertGreater(figures["ess_per_gradient"], 0.01)

    @staticmethod
    def moments(path):
        """Means and standard errors, between chains, of x, x^2 and l."""
        found = datasets(path)
        x = found["posterior/x"].astype(float)
        log_det = found["sample_stats/log_det_jacobian"][..., None]
        means = np.concatenate([x, x**2, log_det], axis=2).mean(axis=1)
        return means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(len(means))

    def test_pictures_come_out_for_any_dimension_and_for_a_run_cut_short(self):
        flow, image = self.path("flow.h5"), self.path("image.h5")
        self.succeed("random_flow.py", "-o", flow, "--dim", 7, "--layers", 2, "--widths", "8")
        glow = ["--kind", "glow", "--dim", 64, "--layers", 1, "--widths", "4,4"]
        self.succeed("random_flow.py", "-o", image, *glow)
        for name, source, options in (
            ("planar", MOONS, ["--save-warmup"]),
            ("wide", flow, ["--no-latent"]),
            ("cold", MOONS, ["--warmup", 0]),
            ("images", image, []),
        ):
            with self.subTest(name=name):
                size = ["--chains", 40, "--warmup", 20, "--draws", 30]
                path = self.sample(*size, *options, flow=source, output=f"{name}.h5")
                self.check_picture(path)
        with h5py.File(self.path("planar.h5"), "r+") as file:
            file["draws_committed"][...] = 11
            file["posterior/x"][:, 11:] = np.nan
        self.check_picture(self.path("planar.h5"))

    def test_the_table_of_a_flow_of_images_comes_out(self):
        flow = self.path("image.h5")
        glow = ["--kind", "glow", "--dim", 64, "--layers", 1, "--widths", "4,4"]
        self.succeed("random_flow.py", "-o", flow, *glow)
        np.save(self.path("held_out.npy"), np.zeros((40, 8, 8), dtype=np.uint8))
        words = [flow, self.path("held_out.npy"), "--chains", 32, "--warmup", 20, "--draws", 8]
        words += ["--targets", "clipped", "--figure", self.path("traces.png"), "--ranks", 1]
        words += ["--flotilla", PROGRAM]
        rows = self.succeed("image_table.py", *words).splitlines()
        self.assertEqual(len(rows), 8, rows)  # header, rule, held out, naive thrice, two runs
        self.assertIn("clipped, from images", rows[-1])

    def observed(self, images, *how):
        """What observe.py makes of the first image: {name: array}."""
        path = self.path("observed.h5")
        self.succeed("observe.py", images, "-o", path, "--noise", 1e-9, *how)
        with h5py.File(path, "r") as file:
            return {name: file[name][()] for name in file}

    def test_an_image_is_observed_as_asked(self):
        images = self.path("images.npy")
        image = np.arange(64.0).reshape(8, 8)
        np.save(images, image.reshape(1, 64))
        hidden = {"left": image[:, 4:], "bottom": image[:4], "centre": image[np.r_[0, 7]]}
        hidden |= {"random": None, None: image}
        for name, expected in hidden.items():
            found = self.observed(images, *(["--hide", name] if name else []))
            seen = found["truth"][found["indices"]]
            np.testing.assert_allclose(found["y"], seen, atol=1e-7)
            if name == "centre":
                self.assertEqual(len(seen), 64 - 36)
                self.assertTrue(set(expected.ravel()) <= set(seen))
            elif name == "random":
                self.assertEqual(len(set(found["indices"])), 32)
            else:
                np.testing.assert_array_equal(seen, expected.ravel())
        small = self.observed(images, "--downsample", 4)
        blocks = image.reshape(2, 4, 2, 4).mean(axis=(1, 3))
        np.testing.assert_allclose(small["y"], blocks.ravel(), atol=1e-7)
        blurred = self.observed(images, "--blur", 0.8)
        gap = np.arange(8) - 3
        line = np.exp(-0.5 * (gap / 0.8) ** 2)
        line /= line.sum()
        self.assertAlmostEqual(blurred["y"].reshape(8, 8)[3, 3], line @ image @ line, places=6)
        refused = script("observe.py", images, "-o", self.path("b.h5"), "--noise", 1, "--row", 1)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("observe.py: expected a row from 0 to 0", refused.stderr)

    def test_posteriors_of_images_come_out_and_go_on_where_they_ended(self):
        flow, folder = self.path("image.h5"), self.path("posteriors")
        random_flow(flow, "--kind", "glow", "--dim", 64, "--layers", 1, "--widths", "4,4")
        images = self.path("images.npy")
        np.save(images, np.random.default_rng(1).normal(size=(12, 64)))
        words = [flow, images, "-o", folder, "--chains", 8, "--warmup", 40, "--draws", 8]
        words += ["--thin", 2, "--noise", 0.5, "--flotilla", PROGRAM]
        self.succeed("image_posterior.py", *words, "--images", 1)
        kept = pathlib.Path(folder, "image_0000.npz")
        before = kept.stat().st_mtime_ns
        figure = self.path("two.png")
        rows = self.succeed("image_posterior.py", *words, "--images", 2, "--figure", figure)
        self.assertEqual(kept.stat().st_mtime_ns, before)
        cells = [[cell.strip() for cell in row.split("|")] for row in rows.splitlines()]
        self.assertEqual([row[1:4] for row in cells[2:4]],
                         [["all", "2", "hidden"], ["all", "2", "seen"]])
        with np.load(kept) as result:
            self.assertEqual(result["inside"].shape, (2, 64))
            self.assertTrue(np.all(result["inside"][0] <= result["inside"][1]))
            self.assertEqual(np.isfinite(result["y"]).sum(), 32)

    def test_a_panel_holds_the_defaults_against_the_best_of_a_grid(self):
        flow = random_flow(self.path("shear.h5"), "--shear", 0.7)
        words = [flow, "--targets", "beta 1", "--shares", 0.3, "--no-paper", "--chains", 32]
        words += ["--warmup", 100, "--draws", 100, "--flotilla", PROGRAM]
        lines = self.succeed("kernel_panel.py", *words).splitlines()
        head, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[:3])
        self.assertEqual(len(head), len(row), lines)
        self.assertEqual(row[0], "shear, beta 1")
        now, best, ratio = float(row[2]), float(row[3]), float(row[5])
        self.assertAlmostEqual(ratio, now / best, delta=0.011)
        self.assertTrue(0.1 < now < 1.5 and 0.1 < best < 1.5, row)  # effective draws of a step
        self.assertIn("share 0.3", row[4])
        self.assertGreater(float(row[8]), 1000)  # per second of CPU
        self.assertEqual(row[-1], "converged")

    def test_a_table_tells_how_near_warm_up_comes_to_its_acceptance_rate(self):
        flow = random_flow(self.path("shear.h5"), "--shear", 0.7)
        words = [flow, "--chains", 256, "--warmup", 1, 200, "--moves", 65536]
        words += ["--kernels", "mala", "ghmc", "--flotilla", PROGRAM]
        lines = self.succeed("adaptation_table.py", *words).splitlines()
        self.assertIn("Acceptance rate", lines[-1])
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:4]]
        self.assertEqual([row[:2] for row in rows], [["mala", "256"], ["ghmc", "256"]])
        for _, _, after_one, after_many in rows:
            self.assertGreater(float(after_one.split()[0]), 0.1)
            self.assertLess(float(after_many.split()[0]), 0.03)

    def test_a_set_of_images_is_the_images_dequantised(self):
        images = np.random.default_rng(4).integers(0, 256, size=(50, 4, 4)).astype(np.uint8)
        np.save(self.path("images.npy"), images)
        words = [self.path("images.npy"), "-o", self.path("set.h5"), "--count", 30]
        self.succeed("image_set.py", *words)
        x = datasets(self.path("set.h5"))["x"]
        self.assertEqual(x.shape, (30, 16))
        # Each draw is a different image, plus less than one grey level.
        found = {tuple(row) for row in np.floor(x).astype(int)}
        self.assertEqual(len(found), 30)
        self.assertLessEqual(found, {tuple(row) for row in images.reshape(50, 16)})
        self.assertGreater((x - np.floor(x)).std(), 0.2)
        refused = script("image_set.py", self.path("none.npy"), "-o", self.path("b.h5"))
        self.assertEqual(refused.returncode, 2)
        self.assertIn("image_set.py: expected", refused.stderr)

    def test_a_table_says_what_a_run_of_a_toy_buys(self):
        flow = SOURCE / "apps" / "flows" / "six_gaussians.h5"
        size = ["--chains", 512, "--warmup", 200, "--draws", 100, "--kernel", "mala"]
        path = self.sample(*size, "--target", "clipped", "--global-fraction", 0.7, flow=flow)
        words = [path, "--flotilla", PROGRAM, "--independent-draws", 50000]
        lines = self.succeed("toy_support.py", *words).splitlines()
        off = {}
        for line in lines[2:5]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            off[cells[1]] = [float(word) for word in cells[2].split(" ± ")]
            self.assertAlmostEqual(sum(map(float, cells[3].split()[:6])), 1.0, delta=0.04)
        self.assertEqual(list(off), ["truth", "naive", "run, clipped"])
        x = datasets(path)["posterior/x"].reshape(-1, 2)
        angles = np.arange(6) * np.pi / 3
        centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        distances = np.linalg.norm(x[:, None] - centres, axis=2).min(axis=1)
        self.assertAlmostEqual(off["run, clipped"][0], 100 * (distances > 0.6).mean(), delta=0.006)
        # A share of exp(-8) of a Gaussian is beyond four standard deviations.
        self.assertLess(abs(off["truth"][0] - 100 * np.exp(-8.0)), 5 * off["truth"][1])
        error = np.hypot(off["naive"][1], off["run, clipped"][1])
        self.assertGreater(off["naive"][0] - off["run, clipped"][0], 5 * error)
        for wrong in (self.sample("--chains", 32, "--draws", 4, flow=random_flow(self.path("random.h5")),
                                  output="other.h5"), str(flow)):
            done = script("toy_support.py", wrong, "--flotilla", PROGRAM)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(done.stderr.count("expected"), 1)

    def test_scaling_is_measured_against_the_fewest_ranks(self):
        table = self.path("scaling.csv")
        words = [MOONS, "--ranks", 1, 2, "--chains", 128, "--draws", 20, "--warmup", 10]
        printed = self.succeed(
            "scaling.py", *words, "--repeats", 2, "--flotilla", PROGRAM, "-o", table
        )
        with open(table, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sizes = [(row["scaling"], int(row["ranks"]), int(row["chains"])) for row in rows]
        self.assertEqual(
            sizes, [("strong", 1, 128), ("weak", 1, 128), ("strong", 2, 128), ("weak", 2, 256)]
        )
        for row in rows:
            self.assertEqual(row["repeats"], "2")
            self.assertGreater(float(row["chain_steps_per_second"]), 0)
        self.assertEqual([float(row["efficiency"]) for row in rows[:2]], [1.0, 1.0])
        self.assertEqual(printed.count("| strong |"), 2)
        with open(self.path("scaling.png"), "rb") as file:
            self.assertTrue(file.read(4).endswith(b"PNG"))

    def check_picture(self, path):
        picture = self.path("picture.png")
        self.succeed("plot_run.py", path, "-o", picture)
        with open(picture, "rb") as file:
            content = file.read()
        self.assertTrue(content.startswith(b"\x89PNG"))
        self.assertGreater(len(content), 20000)


if __name__ == "__main__":
    unittest.main()
