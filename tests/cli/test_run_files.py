# SPDX-License-Identifier: BSD-3-Clause
"""The contents of a run file, read by xarray, h5dump and ncdump and checked for ArviZ."""

import os
import subprocess
import unittest

import h5py
import numpy as np
import xarray

from flotilla_tools.hdf5_files import attributes_of
from flotilla_tools.torch_flows.flow import load_flow
import torch
from program import MOONS, ProgramTest, datasets, run

SIZE = ["--chains", 70, "--warmup", 40, "--draws", 30]

GROUPS = {
    "posterior": {"x": ("chain", "draw", "x_dim_0")},
    "unconstrained_posterior": {"z": ("chain", "draw", "z_dim_0")},
    "sample_stats": {
        name: ("chain", "draw")
        for name in (
            "lp",
            "acceptance_rate",
            "step_size",
            "diverging",
            "log_det_jacobian",
            "is_global",
            "accepted",
        )
    },
}
FLAGS = ("diverging", "is_global", "accepted")


def crc32c(data):
    """Castagnoli's checksum, a bit at a time."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


class RunFiles(ProgramTest):
    def test_xarray_opens_every_group_with_both_engines(self):
        path = self.sample(*SIZE, "--save-warmup", ranks=2)
        tried = 0
        for engine in ("h5netcdf", "netcdf4"):
            for prefix, draws in (("", 30), ("warmup_", 40)):
                for group, variables in GROUPS.items():
                    with self.subTest(engine=engine, group=prefix + group):
                        self.check_group(path, engine, prefix + group, variables, draws)
                        tried += 1
            with xarray.open_dataset(path, group="start", engine=engine) as start:
                self.assertEqual(start.x.dims, ("chain", "x_dim_0"))
                self.assertEqual(len(np.unique(start.x.values[:, 0])), start.sizes["chain"])
            with xarray.open_dataset(path, group="adaptation", engine=engine) as adaptation:
                self.assertEqual(dict(adaptation.sizes), {"window": 20})
                self.assertFalse(np.isnan(adaptation.step_size).any())
            with xarray.open_dataset(path, group="checksums", engine=engine) as checksums:
                self.assertEqual(set(checksums.data_vars), {"points", "statistics"})
                self.assertEqual(checksums.points.shape, (1, 2, 2))
                self.assertEqual(checksums.points.attrs["posterior"], "x")
            with xarray.open_dataset(path, engine=engine) as root:
                self.assertEqual(int(root.draws_committed), 30)
                self.assertEqual(int(root.warmup_draws_committed), 40)
        self.assertEqual(tried, 12)

    def check_group(self, path, engine, group, variables, draws):
        with xarray.open_dataset(path, group=group, engine=engine) as data:
            self.assertEqual(set(data.data_vars), set(variables))
            for name, dims in variables.items():
                self.assertEqual(data[name].dims, dims)
                values = data[name].values
                self.assertFalse(np.isnan(values.astype(float)).any(), name)
                expected = np.bool_ if name in FLAGS else np.floating
                self.assertTrue(np.issubdtype(values.dtype, expected), name)
                self.assertNotIn("_FillValue", data[name].encoding)
                self.assertIn("long_name", data[name].attrs)
            self.assertEqual(data.sizes["chain"], 70)
            self.assertEqual(data.sizes["draw"], draws)
            for coordinate in data.coords:
                expected = np.arange(data.sizes[coordinate])
                np.testing.assert_array_equal(data[coordinate].values, expected)
            self.assertEqual(set(data.coords), set(data.dims))
            for name in ("created_at", "inference_library", "creation_library"):
                self.assertIn(name, data.attrs)
            self.assertEqual(data.attrs["inference_library"], "flotilla")
            self.assertEqual(data.attrs["status"], "complete")

    def test_checksums_are_those_of_the_bytes_of_each_block(self):
        path = self.sample("--chains", 37, "--tile-width", 32, "--warmup", 5, "--draws", 103)
        found = datasets(path)
        compared = 0
        with h5py.File(path, "r") as file:
            for table in ("points", "statistics"):
                entries, facts = found[f"checksums/{table}"], file[f"checksums/{table}"].attrs
                groups = ("posterior", "unconstrained_posterior", "sample_stats")
                names = [f"{group}/{name}" for group in groups if group in facts
                         for name in facts[group].decode().split()]  # fmt: skip
                self.assertEqual(entries.shape, (2, 2, len(names)))
                self.assertEqual((facts["draws"], facts["chains"]), (100, 32))
                for (block, tile, column), entry in np.ndenumerate(entries):
                    chains = found[names[column]][32 * tile : 32 * tile + 32]
                    values = chains[:, 100 * block : 100 * block + 100]
                    sums = [crc32c(chain.tobytes()) for chain in values]
                    expected = crc32c(b"".join(sum.to_bytes(4, "little") for sum in sums))
                    self.assertEqual(entry, (values.shape[1] << 32) + expected, names[column])
                    compared += 1
        self.assertEqual(compared, 4 * 9)

    def test_h5dump_and_ncdump_read_it(self):
        path = self.sample(*SIZE)
        for tool in (["h5dump"], ["ncdump"]):
            with self.subTest(tool=tool):
                done = subprocess.run(tool + [path], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("unconstrained_posterior", done.stdout)
                self.assertIn("log_det_jacobian", done.stdout)

    def test_the_whole_run_is_recorded(self):
        path = self.sample(*SIZE, "--seed", 5, "--target", "clipped", ranks=2)
        with h5py.File(path, "r") as file, h5py.File(MOONS, "r") as flow:
            facts = attributes_of(file)
            self.assertEqual(facts["flow_checksum"], attributes_of(flow)["checksum"])
        self.assertEqual(facts["seed"], 5)
        self.assertEqual(facts["ranks"], 2)
        self.assertIn("seed = 5", facts["config"])
        self.assertEqual(facts["target"], "clipped")
        for name in ("git_commit", "compiler", "instruction_set", "created_at", "config"):
            self.assertTrue(facts[name], name)
        for name in ("clip_level", "step_size", "acceptance_rate", "chain_steps_per_second"):
            self.assertTrue(np.isfinite(facts[name]), name)

    def test_the_numbers_belong_together(self):
        path = self.sample(*SIZE, "--precision", "double", "--thin", 3, "--beta", 0.5)
        found = datasets(path)
        z = found["unconstrained_posterior/z"].reshape(-1, 2)
        x, log_det = load_flow(MOONS, torch.float64)(torch.from_numpy(z))
        np.testing.assert_allclose(found["posterior/x"].reshape(-1, 2), x.numpy(), atol=1e-11)
        log_det = log_det.numpy()
        np.testing.assert_allclose(
            found["sample_stats/log_det_jacobian"].ravel(), log_det, atol=1e-11
        )
        lp = -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi) - 0.5 * log_det
        np.testing.assert_allclose(found["sample_stats/lp"].ravel(), lp, atol=1e-10)

    def test_latent_points_and_warm_up_are_stored_as_asked(self):
        path = self.sample(*SIZE, "--no-latent", "--thin", 7, "--save-warmup")
        found = datasets(path)
        self.assertNotIn("unconstrained_posterior/z", found)
        self.assertEqual(found["posterior/x"].shape, (70, 30, 2))
        self.assertEqual(found["warmup_posterior/x"].shape, (70, 5, 2))
        self.assertEqual(found["posterior/x"].dtype, np.float32)
        without = datasets(self.sample(*SIZE, "--warmup", 0, output="cold.h5"))
        self.assertNotIn("warmup_posterior/x", without)
        self.assertNotIn("adaptation/step_size", without)

    def test_chunks_do_not_depend_on_the_ranks(self):
        chunks = []
        for ranks in (1, 3):
            path = self.sample(*SIZE, "--tile-width", 32, "--force", ranks=ranks)
            with h5py.File(path, "r") as file:
                chunks.append(file["posterior/x"].chunks)
        self.assertEqual(chunks, [(32, 30, 2)] * 2)

    def test_chains_start_where_they_are_told(self):
        starts = np.array([[0.0, 1.0], [1.0, -0.75], [-1.0, 0.05]])
        with h5py.File(self.path("starts.h5"), "w") as file:
            file["points"] = starts
            file["others"] = np.zeros((4, 3))
        name = self.path("starts.h5") + ":points"
        still = ["--warmup", 0, "--draws", 1, "--step-size", 1e-9, "--global-fraction", 0]
        found = datasets(self.sample("--chains", 7, "--start", name, *still, ranks=2))
        np.testing.assert_allclose(
            found["posterior/x"][:, 0], starts[np.arange(7) % 3], atol=2e-4
        )
        np.testing.assert_allclose(found["start/x"], starts[np.arange(7) % 3], atol=1e-5)

    def test_more_ranks_than_tiles_work(self):
        path = self.sample("--chains", 3, "--warmup", 10, "--draws", 10, ranks=5)
        self.assertFalse(np.isnan(datasets(path)["posterior/x"]).any())

    def test_a_run_replaces_a_file_only_when_forced(self):
        path = self.sample(*SIZE)
        before = os.stat(path).st_ino
        refused = run("sample", MOONS, "-o", path, *SIZE)
        self.assertEqual(refused.returncode, 2)
        self.assertEqual(os.stat(path).st_ino, before)
        self.sample(*SIZE, "--force")
        self.assertNotEqual(os.stat(path).st_ino, before)


if __name__ == "__main__":
    unittest.main()
