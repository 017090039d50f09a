#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the fuzzer's seeds: random flows of every layer and base density and a run, as its text,
a checkpoint, and a flow and a run as HDF5 (real_bytes).

    tests/fuzz/write_corpus.py     (from a clone with a release build)

The layers of each flow are cut into files of one layer, so that mutations find something small.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from flotilla_tools.hdf5_files import attributes_of, text_of  # noqa: E402

HERE = Path(__file__).resolve().parent
RANDOM_FLOW = HERE.parents[1] / "scripts" / "random_flow.py"
PROGRAM = HERE.parents[1] / "build" / "release" / "apps" / "flotilla" / "flotilla"
FLOWS = {
    "every": ["--dim", "3", "--layers", "1", "--widths", "2", "--extras"],
    "conditional": ["--dim", "2", "--layers", "2", "--widths", "2", "--context", "2"],
    "diagonal": ["--dim", "2", "--layers", "1", "--widths", "2", "--base", "diagonal_normal"],
    "mixture": ["--dim", "2", "--layers", "1", "--widths", "2", "--base", "gaussian_mixture"],
    "image": ["--kind", "glow", "--dim", "16", "--layers", "1", "--widths", "1,1"],
    "circles": ["--dim", "2", "--layers", "1", "--widths", "2", "--base", "circular_normal"],
    "box": ["--dim", "2", "--layers", "1", "--widths", "2", "--base", "uniform_box"],
}


def lines_of(group, path):
    """The operations that make a group, its attributes and everything below."""
    found = [] if path == "/" else [f"group {path}"]
    for name, value in attributes_of(group).items():
        kind = "text" if isinstance(value, str) else "number"
        found.append(f"{kind} {path} {name} {value}")
    for name, item in group.items():
        below = f"{path.rstrip('/')}/{name}"
        if isinstance(item, h5py.Group):
            found += lines_of(item, below)
        else:
            values = " ".join(f"{value:.3g}" for value in np.asarray(item[()], dtype=float).ravel())
            found.append(f"array {below} {','.join(map(str, item.shape))} {values}")
    return found


def write(name, file):
    """A seed for each layer, alone in a flow; the first one has the golden values too."""
    common = [
        line for line in lines_of(file, "/")
        if not line.split()[1].startswith(("/layers", "/golden", "/provenance"))
    ]
    written = Counter()
    for k, (_, group) in enumerate(sorted(file["layers"].items())):
        lines = [*common, "group /layers", *lines_of(group, "/layers/0000")]
        if k == 0:
            lines += lines_of(file["golden"], "/golden")
        kind = text_of(group.attrs["type"])
        written[kind] += 1
        number = f"_{written[kind]}" if written[kind] > 1 else ""
        (HERE / "corpus" / f"{name}_{kind}{number}.txt").write_text("\n".join(lines) + "\n")


RUN = """\
text / kernel mala
number / thin 1
number / superchains 2
whole /draws_committed 6
group /posterior
array /posterior/x 4,6,2 0.5 -1 2 3
group /sample_stats
array /sample_stats/lp 4,6 -1 -2.5 -3
array /sample_stats/is_global 4,6 0 1
"""


def write_run(path):
    """The same run as HDF5, with a chunk, text of variable length and dimension scales."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"kernel": "mala", "thin": 1.0, "superchains": 2})
        file["draws_committed"] = np.int64(6)
        x = file.create_dataset("posterior/x", data=np.ones((4, 6, 2), "f4"), chunks=(2, 6, 2))
        file["posterior/draw"] = np.arange(6)
        file["posterior/draw"].make_scale("draw")
        x.dims[1].attach_scale(file["posterior/draw"])
        file["sample_stats/lp"] = np.ones((4, 6))
        file["sample_stats/is_global"] = np.ones((4, 6), "i1")


def write_checkpoint(path, flow):
    """The checkpoint of a small run on a flow of two dimensions."""
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run.h5"
        size = ["--chains", "4", "--tile-width", "32", "--warmup", "3", "--draws", "1"]
        subprocess.run(
            [PROGRAM, "sample", flow, "-o", run, *size, "--report-every", "0", "--quiet"],
            check=True,
        )
        path.write_bytes(run.with_suffix(".checkpoint").read_bytes())


def main():
    (HERE / "corpus" / "run.txt").write_text(RUN)
    (HERE / "real_bytes").mkdir(exist_ok=True)
    write_run(HERE / "real_bytes" / "run.h5")
    small = ["--dim", "2", "--layers", "1", "--widths", "2"]
    subprocess.run(
        [sys.executable, RANDOM_FLOW, "-o", HERE / "real_bytes" / "flow.h5", *small], check=True
    )
    write_checkpoint(HERE / "corpus" / "run.checkpoint", HERE / "real_bytes" / "flow.h5")
    for name, options in FLOWS.items():
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "flow.h5"
            subprocess.run([sys.executable, RANDOM_FLOW, "-o", path, *options], check=True)
            with h5py.File(path, "r") as file:
                write(name, file)


if __name__ == "__main__":
    main()
