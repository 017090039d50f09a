# SPDX-License-Identifier: BSD-3-Clause
"""Bad input ends with one clear sentence on rank 0 and a non-zero exit code: no hang, no file."""

import os
import pathlib
import shutil
import unittest

import h5py
import numpy as np

from flotilla_tools.flow_file import FlowContents, checksum, read_layer
from program import MOONS, ProgramTest, random_flow, run

SIZE = ["--chains", 10, "--warmup", 5, "--draws", 5]


class BadInput(ProgramTest):
    def refused(self, *arguments, flow=MOONS, output=None, words=(), rank_counts=(None, 3)):
        """Runs alone and on 3 ranks. Both must refuse with the same sentence."""
        output = output or self.path("run.h5")
        existed = os.path.exists(output)
        sentences = []
        for ranks in rank_counts:
            done = run("sample", flow, "-o", output, *SIZE, *arguments, ranks=ranks)
            self.assertNotEqual(done.returncode, 0)
            ours = [line for line in done.stderr.splitlines() if line.startswith("flotilla: ")]
            self.assertEqual(len(ours), 1, done.stderr)
            self.assertEqual(done.stdout, "")
            sentences.append(ours[0])
            self.assertEqual(os.path.exists(output), existed)
            self.assert_no_traces(os.path.dirname(output))
        self.assertEqual(len(set(sentences)), 1)
        for word in words:
            self.assertIn(word, sentences[0])
        return sentences[0]

    def assert_no_traces(self, folder):
        """Neither a lock nor an unfinished file."""
        names = os.listdir(folder) if os.path.isdir(folder) else []
        left = [name for name in names if name.endswith(".lock") or ".unfinished." in name]
        self.assertEqual(left, [])

    def changed(self, change, seal=True):
        """A copy of the two-moons flow with a change and a corrected checksum."""
        path = self.path("flow.h5")
        shutil.copy(MOONS, path)
        with h5py.File(path, "r+") as file:
            change(file)
            if seal:
                groups = [file["layers"][name] for name in sorted(file["layers"])]
                records = [read_layer(group) for group in groups]
                dim, context_dim = (int(file.attrs.get(n, 0)) for n in ("dim", "context_dim"))
                contents = FlowContents(dim, context_dim, read_layer(file["base"]), records)
                file.attrs["checksum"] = checksum(contents)
        return path

    def replaced(self, name, value):
        def change(file):
            del file[name]
            file[name] = value

        return self.changed(change)

    def test_flow_files_that_are_none(self):
        self.refused(flow=self.path("missing.h5"), words=["missing.h5", "no such file"])
        self.refused(flow=str(self.directory), words=["directory"])
        for name, content in (("empty.h5", b""), ("text.h5", b"not HDF5 at all\n" * 100)):
            pathlib.Path(self.path(name)).write_bytes(content)
            self.refused(flow=self.path(name), words=[name])

    def test_pipes_that_nobody_writes_to(self):
        os.mkfifo(self.path("pipe"))
        self.refused(flow=self.path("pipe"), words=["pipe", "name a file"])
        self.refused("--config", self.path("pipe"), words=["pipe", "name a file"])

    def test_truncated_flow_files(self):
        whole = pathlib.Path(MOONS).read_bytes()
        for size in (100, 1000, len(whole) // 2, len(whole) - 1):
            pathlib.Path(self.path("cut.h5")).write_bytes(whole[:size])
            self.refused(flow=self.path("cut.h5"), words=["cut.h5"])

    def test_flow_files_of_another_format(self):
        def version(file):
            file.attrs["format_version"] = 2

        def kind(file):
            file.attrs["format"] = "something-else"

        self.refused(flow=self.changed(version), words=["version is 2", "reads version 1"])
        self.refused(flow=self.changed(kind), words=["flotilla-flow"])
        with h5py.File(self.path("other.h5"), "w") as file:
            file["data"] = np.zeros(3)
        self.refused(flow=self.path("other.h5"), words=["other.h5", "flotilla-flow"])

    def test_flow_files_that_were_changed(self):
        def damage(file):
            file["layers/0003/weight_1"][5, 7] += 1e-3

        self.refused(flow=self.changed(damage, seal=False), words=["checksum", "damaged"])

    def test_shapes_that_do_not_fit(self):
        self.refused(
            flow=self.replaced("layers/0002/weight_1", np.zeros((64, 63))),
            words=["layer 2", "weight_1", "64 x 64", "64 x 63"],
        )
        self.refused(
            flow=self.replaced("layers/0002/mask", np.array([1, 0, 1])), words=["layer 2", "mask"]
        )
        self.refused(
            flow=self.replaced("layers/0008/scale", np.ones(3)), words=["layer 8", "scale"]
        )

    def test_weights_that_are_not_finite(self):
        def poison(file):
            file["layers/0004/weight_0"][3] = np.nan

        self.refused(flow=self.changed(poison), words=["layer 4", "weight_0", "nan"])

    def test_layers_and_activations_that_nobody_knows(self):
        def layer(file):
            file["layers/0001"].attrs["type"] = "hyper_coupling"

        def activation(file):
            file["layers/0001"].attrs["activation"] = "cosine"

        self.refused(flow=self.changed(layer), words=["layer 1", "hyper_coupling"])
        self.refused(flow=self.changed(activation), words=["layer 1", "cosine", "tanh"])

    def test_options_out_of_range(self):
        for option, value in (
            ("--chains", 0),
            ("--chains", -3),
            ("--draws", 0),
            ("--thin", 0),
            ("--tile-width", 33),
            ("--beta", "nan"),
            ("--clip-quantile", 2),
            ("--global-fraction", -0.5),
            ("--kernel", "hmc"),
            ("--target", "flat"),
            ("--precision", "half"),
            ("--step-size", 0),
            ("--exchange-every", 0),
            ("--target-accept", 1),
        ):
            with self.subTest(option=option, value=value):
                # All take the same path in the program: two suffice to test it on many ranks.
                rank_counts = (None, 3) if option in ("--chains", "--kernel") else (None,)
                self.refused(option, value, words=[option, str(value)], rank_counts=rank_counts)

    def test_command_lines_that_say_something_else(self):
        tested = 0
        for arguments, words in (
            (["--flow", MOONS], ["--flow is given twice"]),
            ([MOONS], ["one word too many"]),
            (["--start", "-q"], ["--start", "'-q' follows"]),
            (["--beta", "-inf"], ["--beta", "a finite number", "'-inf' follows"]),
            (["--beta=-inf"], ["--beta", "a finite number", "but is '-inf'"]),
            (["--beta"], ["--beta", "has no value"]),
            (["--config", ""], ["--config", "the path of a file"]),
            (["-o="], ["--output", "the path of a file"]),
            (["--target", "clipped", "--clip-level", 3, "--clip-quantile", 0.5],
             ["--clip-level", "--clip-quantile"]),
            (["--clip-quantile", 0.5], ["--clip-quantile", "'tempered'", "leave it out"]),
            (["--target", "tempered", "--clip-sharpness", 5], ["--clip-sharpness", "'tempered'"]),
        ):
            with self.subTest(arguments=arguments):
                self.refused(*arguments, words=words, rank_counts=(None,))
                tested += 1
        self.assertEqual(tested, 11)

    def test_options_that_cannot_be_read(self):
        self.refused("--chains", "many", words=["chains", "many"])
        self.refused("--chans", 5, words=["--chans"])
        self.refused("--config", self.path("none.toml"), words=["none.toml"])
        pathlib.Path(self.path("bad.toml")).write_text("chainz = 4\n", encoding="utf-8")
        self.refused("--config", self.path("bad.toml"), words=["chainz"])

    def test_outputs_that_cannot_be_written(self):
        self.refused(output=self.path("none/run.h5"), words=["none/run.h5", "No such file"])
        self.refused(output=str(self.directory), words=["directory"])
        existing = self.path("existing.h5")
        pathlib.Path(existing).write_text("precious", encoding="utf-8")
        self.refused(output=existing, words=["existing.h5", "--force"])
        self.assertEqual(pathlib.Path(existing).read_text(encoding="utf-8"), "precious")
        flow = self.path("flow.h5")
        shutil.copy(MOONS, flow)
        self.refused("--force", flow=flow, output=flow, words=["a file that is read"])
        self.assertEqual(pathlib.Path(flow).read_bytes(), pathlib.Path(MOONS).read_bytes())
        points = self.path("pts:1.h5")
        with h5py.File(points, "w") as file:
            file["x"] = np.zeros((4, 2))
        before = pathlib.Path(points).read_bytes()
        self.refused("--start", points, "--force", output=points, words=["a file that is read"])
        link = self.path("link.h5")
        os.link(points, link)
        self.refused("--start", f"{points}:x", "--force", output=link, words=["that is read"])
        config = self.path("run.toml")
        pathlib.Path(config).write_text("thin = 2\n", encoding="utf-8")
        self.refused("--config", config, "--force", output=config, words=["a file that is read"])
        self.assertEqual(pathlib.Path(points).read_bytes(), before)

    def test_outputs_where_even_root_may_not_write(self):
        self.refused(output="/proc/run.h5", words=["/proc/run.h5"])

    def test_outputs_larger_than_the_disk(self):
        # Compare separately: the free space of the disk changes between two messages.
        for ranks in (None, 3):
            self.refused(
                "--draws", 10**12, words=["take", "MB left", "--draws"], rank_counts=(ranks,)
            )

    def test_names_that_a_configuration_cannot_record(self):
        name = os.fsdecode(b"a\xffb.h5")
        self.refused(output=self.path(name), words=["--output", "UTF-8"], rank_counts=(None,))

    def test_starting_points_that_do_not_fit(self):
        with h5py.File(self.path("points.h5"), "w") as file:
            file["flat"] = np.zeros(4)
            file["wide"] = np.zeros((4, 3))
            file["nan"] = np.full((4, 2), np.nan)
            file["group/x"] = np.zeros((4, 2))
            file["dead"] = h5py.SoftLink("/nowhere")
        name = self.path("points.h5")
        self.refused("--start", f"{name}:flat", words=["[n x 2]"])
        self.refused("--start", f"{name}:wide", words=["[n x 2]", "4 x 3"])
        self.refused("--start", f"{name}:nan", words=["non-finite"])
        self.refused("--start", f"{name}:none", words=["none"])
        self.refused("--start", name, words=["dead, flat, group, nan, wide"])
        for entry in ("group", "dead"):
            self.refused("--start", f"{name}:{entry}", words=[entry, "should be an array"])
        self.refused("--start", ":flat", words=["--start", "a place FILE.h5[:dataset]", ":flat"])

    def test_observations_that_do_not_fit(self):
        path = self.path("observation.h5")
        posterior = ["--target", "posterior"]
        with h5py.File(path, "w") as file:
            file["y"], file["noise"], file["indices"] = [0.5], 0.1, [2]
        wrong = ["'indices' should be whole numbers from 0 to 1", "one is 2"]
        self.refused(*posterior, "--observe", path, words=wrong)
        with h5py.File(path, "r+") as file:
            file["indices"][0] = 1
            file["noise"][()] = -0.1
        self.refused(*posterior, "--observe", path, words=["'noise'", "above 0", "-0.1"])
        with h5py.File(path, "r+") as file:
            file["operator"] = [[1.0, 0.0]]
        self.refused(*posterior, "--observe", path, words=["'operator'", "'indices'", "both"])
        with h5py.File(path, "r+") as file:
            del file["y"]
            file["y"] = ["a word"]
        self.refused(*posterior, "--observe", path, words=["observation.h5", "'y'", "numbers"])
        self.refused(*posterior, "--observe", "none.h5", words=["none.h5"])
        self.refused(*posterior, words=["--density", "--observe"])
        self.refused("--observe", path, words=["--target posterior", "tempered"])
        self.refused("--target", "explicit", "--observe", path, words=["--target posterior"])
        both = ["--observe", path, "--density", "none.so"]
        self.refused(*posterior, *both, words=["two likelihoods", "leave one out"])

    def test_commands_that_do_not_exist(self):
        for words in (["smaple"], ["flow"], ["flow", "check"], ["sample"]):
            with self.subTest(words=words):
                done = run(*words, ranks=2)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr.count("flotilla: "), 1, done.stderr)

    def test_contexts_that_do_not_fit(self):
        flow = random_flow(self.path("flow.h5"), "--dim", 3, "--widths", 5, "--context", 2)
        self.refused(flow=flow, words=["conditional", "2 numbers", "--context"])
        self.refused("--context", "1,2,3", flow=flow, words=["2 numbers", "given 3"])
        self.refused("--context", "1,inf", flow=flow, words=["finite", "inf"])
        self.refused("--context", "1,two", flow=flow, words=["1,two", "no such file"])
        self.refused("--context", f"{flow}:golden/x", flow=flow, words=["shape [n]"])
        self.refused("--context", "1", words=["takes no context"])


if __name__ == "__main__":
    unittest.main()
