# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints as people save them, and as they break: wrapped, renamed, foreign, damaged, hostile.

Each is looked at and converted with a description and golden values.  What is written reproduces
the golden values; every refusal is one sentence that names a next step; no code of a file runs.
FLOTILLA_CHECKPOINTS=all takes every fixture of ORIGINALS instead of the first two.
"""

import argparse
import contextlib
import copy
import importlib.util
import io
import json
import os
import pathlib
import pickle
import struct
import sys
import tarfile
import tempfile
import types
import unittest
import unittest.mock
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "stand_in"), str(HERE)]

from flotilla_tools.errors import InputError, SurroundingsError  # noqa: E402
from flotilla_tools.flow_file import read_flow_file  # noqa: E402
from flotilla_tools.importing import checkpoints, contexts, conversion, loading  # noqa: E402
from flotilla_tools.importing import first_look  # noqa: E402
from flotilla_tools.torch_flows.flow import flow_from_contents  # noqa: E402
import models  # noqa: E402

SOURCE = pathlib.Path(os.environ["FLOTILLA_SOURCE"])
FIXTURES = HERE / "fixtures"
ORIGINALS = ["zuko_1_5_maf", "nflows_single", "normflows_planar", "freia_forward"]


def script(name):
    """A script as a module."""
    path = SOURCE / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


IMPORT, EXPORT = script("import_flow"), script("export_torchscript")


def run(*words):
    """What `outcome` says of import_flow.py."""
    return outcome(lambda: IMPORT.convert(IMPORT.parse([str(word) for word in words])))


def outcome(act):
    """(what a script printed, its refusal or ""); any other failure goes on up."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            act()
    except (InputError, SurroundingsError) as problem:
        return out.getvalue(), str(problem)
    return out.getvalue(), ""


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def path(self, name):
        return self.folder / name

    def assert_step(self, problem, *phrases):
        """A refusal is one sentence that names a next step."""
        self.assertIn("; next: ", problem)
        self.assertEqual(len(problem.splitlines()), 1, problem)
        self.assertNotIn("Traceback", problem)
        for phrase in phrases:
            self.assertIn(phrase, problem)


# --- Files that hold the weights ----------------------------------------------------------------


class Settings:
    """A class of the user's that a checkpoint holds beside the weights."""

    def __init__(self):
        self.rate, self.folder = 1e-3, pathlib.PurePosixPath("runs")


class Hostile:
    """Runs code when it is unpickled as pickle does it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class Wrapper(torch.nn.Module):
    """A module of the user's whose part `flow` has these entries."""

    def __init__(self, state):
        super().__init__()
        self.scale = torch.nn.Linear(2, 2)
        self.flow = _tree(state)


class Node(torch.nn.Module):
    """A module with parts of any name."""


def _tree(state):
    root = Node()
    for name, value in state.items():
        node, words = root, name.split(".")
        for word in words[:-1]:
            if word not in node._modules:
                node.add_module(word, Node())
            node = node._modules[word]
        node.register_buffer(words[-1], value.clone())
    return root


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


def safetensors(state, path, metadata=None):
    names = {dtype: name for name, dtype in checkpoints.DTYPES.items()}
    header, numbers = ({"__metadata__": metadata} if metadata else {}), b""
    for name, value in state.items():
        part = value.contiguous().numpy().tobytes()
        ends = [len(numbers), len(numbers) + len(part)]
        header[name] = {
            "dtype": names[value.dtype], "shape": list(value.shape), "data_offsets": ends
        }
        numbers += part
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


def from_gpu(state, path):
    """As torch.save writes tensors of a GPU: their storages are said to be there."""
    torch.save(state, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if name.endswith("data.pkl"):
                content = content.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
            archive.writestr(name, content)


def optimiser_of(state):
    weights = [torch.nn.Parameter(v.clone().float()) for v in state.values() if v.numel()]
    optimiser = torch.optim.Adam(weights)
    sum(weight.sum() for weight in weights).backward()
    optimiser.step()
    return optimiser.state_dict()


def saved(make, **options):
    """A form that torch.save writes."""
    return lambda state, path: torch.save(make(state), path, **options)


def pickled(make, protocol):
    return lambda state, path: path.write_bytes(pickle.dumps(make(state), protocol=protocol))


def same(state):
    return state


LIGHTNING = {"pytorch-lightning_version": "2.1.0", "global_step": 7, "loops": {"fit_loop": {}}}

GOOD = {
    "plain": saved(same),
    "state_dict": saved(lambda s: {"state_dict": s}),
    "flow": saved(lambda s: {"flow": s, "epoch": 3}),
    "model": saved(lambda s: {"model": s, "loss": torch.tensor(1.5)}),
    "model_state_dict": saved(
        lambda s: {"model_state_dict": s, "optimizer_state_dict": optimiser_of(s), "epoch": 3}
    ),
    "nested": saved(lambda s: {"best": {"weights": {"net": s}}}),
    "in a list": saved(lambda s: [3, s, "words"]),
    "lightning": saved(
        lambda s: {
            **LIGHTNING, "state_dict": {**prefixed(s, "flow."), "loss.weight": torch.ones(2)},
            "hyper_parameters": {"settings": Settings()}, "optimizer_states": [optimiser_of(s)],
        }
    ),
    "settings": saved(lambda s: {"state_dict": s, "settings": Settings(), "args": argparse.Namespace(a=1)}),
    "numpy beside": saved(lambda s: {"state_dict": s, "losses": np.arange(3.0)}),
    "module.": saved(lambda s: prefixed(s, "module.")),
    "_orig_mod.": saved(lambda s: prefixed(s, "_orig_mod.")),
    "flow.": saved(lambda s: prefixed(s, "flow.")),
    "model.": saved(lambda s: {"state_dict": prefixed(s, "model.")}),
    "two prefixes": saved(lambda s: prefixed(s, "model.flow._orig_mod.")),
    "with an encoder": saved(
        lambda s: {**prefixed(s, "flow."), "encoder.weight": torch.ones(4, 2)}
    ),
    "parameters": saved(
        lambda s: {n: torch.nn.Parameter(v, requires_grad=v.is_floating_point()) for n, v in s.items()}
    ),
    "double": saved(
        lambda s: {n: v.double() if v.is_floating_point() else v for n, v in s.items()}
    ),
    "before 1.6": saved(same, _use_new_zipfile_serialization=False),
    "wrapped, before 1.6": saved(lambda s: {"flow": s}, _use_new_zipfile_serialization=False),
    "pickle 2": pickled(same, 2),
    "pickle 4": pickled(lambda s: {"state_dict": s, "settings": Settings()}, 4),
    "pickle 5": pickled(lambda s: prefixed(s, "module."), 5),
    "whole module": saved(Wrapper),
    "whole module, before 1.6": saved(Wrapper, _use_new_zipfile_serialization=False),
    "whole module, pickle": pickled(Wrapper, 4),
    "from a GPU": from_gpu,
    "safetensors": safetensors,
    "safetensors with metadata": lambda s, p: safetensors(s, p, {"format": "pt"}),
    "safetensors with a prefix": lambda s, p: safetensors(prefixed(s, "flow."), p),
    "on one storage": saved(lambda s: copy.deepcopy({"a": s, "hidden": Settings()})),
}
"""Forms from which a conversion has to come out: form -> what writes it."""


# --- Files that are something else --------------------------------------------------------------


def changed(change):
    """The weights after `change`, a function that alters a dictionary."""
    def write(state, path):
        state = dict(state)
        change(state)
        torch.save(state, path)
    return write


def renamed(state):
    name = next(iter(state))
    state[name + "_2"] = state.pop(name)


def torn(state):
    name = next(name for name, value in state.items() if value.ndim == 2)
    state[name] = state[name][:, :-1].clone()


def in_type(dtype):
    return lambda s: {n: v.to(dtype) if v.is_floating_point() else v for n, v in s.items()}


def recursive():
    circle = {}
    circle["self"] = circle
    return circle


def bytes_of(content):
    return lambda state, path: path.write_bytes(content)


def torchscript(state, path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


def hdf5(state, path):
    import h5py
    with h5py.File(path, "w") as file:
        file["weights"] = np.ones(3)


def npz(state, path):
    with path.open("wb") as file:
        np.savez(file, **{name: value.numpy() for name, value in state.items()})


def tar(state, path):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("storages"))


def huge_storage(state, path):
    storage = b"(ctorch\nFloatStorage\nV0\nVcpu\nI9000000000000\n"
    path.write_bytes(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\n" + storage + b"tQ.")


def huge_repeat(state, path):
    torch.save({"w": torch.ones(1).expand(2**40)}, path)


def lengthy_header(state, path):
    path.write_bytes(struct.pack("<Q", 2**62) + b'{"a": 1}')


def beyond_the_end(state, path):
    text = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)


BAD = {
    "an entry less": changed(lambda s: s.pop(next(iter(s)))),
    "an entry more": changed(lambda s: s.update({next(iter(s)) + "_3": torch.ones(2)})),
    "an entry renamed": changed(renamed),
    "a narrower matrix": changed(torn),
    "names in capitals": saved(lambda s: {n.upper(): v for n, v in s.items()}),
    "half": saved(in_type(torch.float16)),
    "bfloat16": saved(lambda s: {"state_dict": in_type(torch.bfloat16)(s)}),
    "NaN": saved(lambda s: {n: v * float("nan") if v.is_floating_point() else v for n, v in s.items()}),
    "other numbers": saved(lambda s: {n: v + 0.01 if v.is_floating_point() else v for n, v in s.items()}),
    "two flows": saved(lambda s: {"model": s, "ema": s.copy()}),
    "two prefixes that fit": saved(lambda s: {**prefixed(s, "a."), **prefixed(s, "b.")}),
    "another library": lambda s, p: p.write_bytes((FIXTURES / "nflows_nice.pt").read_bytes()),
    "an image classifier": saved(
        lambda s: {"conv1.weight": torch.ones(3, 3), "fc.weight": torch.ones(2, 2)}
    ),
    "an optimiser": saved(optimiser_of),
    "an empty dictionary": saved(lambda s: {}),
    "numbers": saved(lambda s: {"a": 1, "b": [2.0]}),
    "a tensor": saved(lambda s: torch.ones(3)),
    "a list": saved(lambda s: [1, 2]),
    "a circle": saved(lambda s: recursive()),
    "settings alone": saved(lambda s: Settings()),
    "nothing": saved(lambda s: None),
    "names that are numbers": saved(lambda s: dict(enumerate(s.values()))),
    "names with control letters": saved(lambda s: {"a\n\x1b[31m": torch.ones(2)}),
    "HDF5": hdf5,
    "NPZ": npz,
    "NPY": lambda s, p: np.save(p.open("wb"), np.ones(3)),
    "TorchScript": torchscript,
    "tar": tar,
    "empty": bytes_of(b""),
    "a byte": bytes_of(b"\x80"),
    "a web page": bytes_of(b"<!DOCTYPE html><title>404</title>"),
    "Git LFS": bytes_of(b"version http\noid sha256:0\nsize 9\n"),
    "JSON": bytes_of(b'{"library": "nflows"}'),
    "Python": bytes_of(b"import torch\n"),
    "a picture": bytes_of(b"\x89PNG\r\n\x1a\n" + 64 * b"\0"),
    "zeros": bytes_of(4096 * b"\0"),
    "compressed": bytes_of(b"\x1f\x8b\x08" + 32 * b"a"),
    "half a zip": bytes_of(b"PK\x03\x04" + 64 * b"\0"),
    "another zip": lambda s, p: zipfile.ZipFile(p, "w").writestr("a.txt", "a"),
    "a folder": lambda s, p: p.mkdir(),
    "an endless storage": huge_storage,
    "an endless tensor": huge_repeat,
    "an endless header": lengthy_header,
    "numbers beyond the end": beyond_the_end,
    "deep": bytes_of(b"\x80\x02" + 100000 * b"(" + b"."),
    "an endless memo": bytes_of(b"\x80\x02]r\xff\xff\xff\x7f."),
}
"""Forms that are no weights of the described flow."""

CUTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)


def damaged(state, path, form, seed):
    """A form with some of its bytes cut off (seed < len(CUTS)) or changed."""
    form(state, path)
    content = bytearray(path.read_bytes())
    if seed < len(CUTS):
        content = content[: int(CUTS[seed] * len(content))]
    else:
        rng = np.random.default_rng(seed)
        for place in rng.integers(0, len(content), size=1 + seed % 5):
            content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(content))


def damages():
    """form -> what writes it, for every kind of file."""
    found = {}
    for kind, count in (("plain", 14), ("before 1.6", 18), ("pickle 4", 18), ("safetensors", 18)):
        for seed in range(count):
            def write(state, path, form=GOOD[kind], seed=seed):
                damaged(state, path, form, seed)
            found[f"{kind}, damaged {seed}"] = write
    return found


def hostile(marker):
    """Forms whose code must not run."""
    attack = Hostile(marker)
    return {
        "code": saved(lambda s: attack),
        "code beside": saved(lambda s: {"state_dict": s, "more": attack}),
        "code, before 1.6": saved(lambda s: attack, _use_new_zipfile_serialization=False),
        "code, pickle": pickled(lambda s: {"state_dict": s, "more": attack}, 4),
        "eval": bytes_of(f"cbuiltins\neval\n(V__import__('os').system('touch {marker}')\ntR.".encode()),
        "getattr": bytes_of(f"c__builtin__\ngetattr\n(cos\nsystem\nVx\ntR(Vtouch {marker}\ntR.".encode()),
    }


class Generated(InFolder):
    """At least two hundred files: no traceback, no wrong file, a next step in each refusal."""

    def originals(self):
        every = os.environ.get("FLOTILLA_CHECKPOINTS") == "all"
        for name in ORIGINALS if every else ORIGINALS[:2]:
            yield name, loading.load_state_dict(FIXTURES / f"{name}.pt")

    def forms(self):
        yield from ((name, write, True) for name, write in GOOD.items())
        for forms in (BAD, damages(), hostile(self.path("marker"))):
            yield from ((name, write, None) for name, write in forms.items())

    def test_each_is_converted_or_refused_with_a_next_step(self):
        counts = {"looked at": 0, "written": 0, "refused": 0}
        number = 0
        for name, state in self.originals():
            with np.load(FIXTURES / f"{name}.npz") as file:
                golden = dict(file)
            for form, write, wanted in self.forms():
                number += 1
                path = self.path(f"{number}.pt")
                write(state, path)
                with self.subTest(original=name, form=form):
                    self.look(path, counts)
                    self.convert(name, path, golden, wanted, counts)
        self.assertFalse(self.path("marker").exists())
        self.assertGreaterEqual(number, 200)
        self.assertEqual(counts["written"] + counts["refused"], number)
        self.assertGreaterEqual(counts["refused"], 180)
        self.assertGreaterEqual(counts["looked at"], 2 * len(GOOD))
        print(f"{number} checkpoints: {counts}", file=sys.stderr)

    def look(self, path, counts):
        said, problem = run(path)
        if problem:
            self.assert_step(problem)
        else:
            self.assertIn("import_flow.py", said)
            counts["looked at"] += 1

    def convert(self, name, path, golden, wanted, counts):
        output = self.path("out.h5")
        output.unlink(missing_ok=True)
        fixture = FIXTURES / name
        words = ["--description", fixture.with_suffix(".json"), "-o", output]
        said, problem = run(path, *words, "--golden", fixture.with_suffix(".npz"))
        if problem:
            self.assertIsNone(wanted, problem)
            self.assert_step(problem)
            self.assertFalse(output.exists())
            counts["refused"] += 1
        else:
            contents = read_flow_file(output)
            exact, _ = conversion.without_rounded_constant(contents, golden)
            self.assertLess(conversion.deviation(contents, exact), 1e-9)
            counts["written"] += 1


# --- What is said ------------------------------------------------------------------------------


class FirstLook(InFolder):
    def test_it_tells_library_dimension_and_context_of_every_fixture(self):
        told = 0
        for path in sorted(FIXTURES.glob("*.json")):
            description = loading.load_description(path)
            contents = conversion.convert(
                description, loading.load_state_dict(path.with_suffix(".pt"))
            )
            seen = first_look.look(checkpoints.read(path.with_suffix(".pt")))
            with self.subTest(flow=path.stem):
                self.assertIsNotNone(seen)
                self.assertEqual(seen.library.lower(), description["library"])
                self.assertIn(seen.dim, (None, contents.dim))
                if "context" not in description:
                    self.assertIn(seen.context, (None, contents.context_dim))
                self.assertGreater(len(seen.layers), 0)
                told += seen.dim is not None
        self.assertGreaterEqual(told, 25)

    def test_it_tells_versions_of_zuko(self):
        wanted = {
            "zuko_0_3_context": "before 1.0", "zuko_1_1_context": "1.0 to 1.5",
            "zuko_maf": "1.6 or later",
        }
        for name, version in wanted.items():
            said, _ = run(FIXTURES / f"{name}.pt")
            self.assertIn(f"library: zuko {version}", said)
            self.assertIn("dimension: 3", said)

    def test_a_pickled_posterior_shows_its_classes_though_nothing_is_imported(self):
        path = FIXTURES / "nflows_sbi_fixed.pkl"
        said, problem = run(path)
        self.assertEqual(problem, "")
        for phrase in ("direct_posterior.DirectPosterior; no code", "nflows.flows.base.Flow",
                       "library: nflows", "dimension: 3", "context: 2", "--trust"):
            self.assertIn(phrase, said)
        fixture = FIXTURES / "nflows_sbi_fixed"
        words = ["--description", fixture.with_suffix(".json"), "--golden",
                 fixture.with_suffix(".npz"), "-o", self.path("out.h5")]
        said, problem = run(path, *words)
        self.assertEqual(problem, "")
        self.assertIn("without the prefix 'net.'", said)


class Unwrapping(InFolder):
    def test_what_was_unwrapped_is_said(self):
        state = loading.load_state_dict(FIXTURES / "zuko_maf.pt")
        path = self.path("a.pt")
        GOOD["lightning"](state, path)
        weights = loading.weights_of(path, "")
        notes = " ".join(checkpoints.notes_on(weights))
        self.assertIn("'state_dict'", notes)
        self.assertIn(f"prefix 'flow.' of {len(state)} entries; 1 others left aside", notes)
        BAD["half"](state, path)
        self.assertIn("float16", " ".join(checkpoints.notes_on(loading.weights_of(path, ""))))

    def test_of_two_parts_that_fit_an_option_picks_one(self):
        state = loading.load_state_dict(FIXTURES / "zuko_maf.pt")
        other = {name: value + 1 for name, value in state.items()}
        path = self.path("a.pt")
        torch.save({"model": prefixed(state, "flow."), "ema": prefixed(other, "flow.")}, path)
        with self.assertRaises(InputError) as caught:
            loading.weights_of(path, "")
        self.assert_step(str(caught.exception), "'model:flow.'", "'ema:flow.'", "--part")
        name = next(iter(state))
        for part, wanted in (("model:flow.", state), ("ema:flow.", other)):
            found = loading.weights_of(path, part).entries
            self.assertTrue(torch.equal(found[name], wanted[name]))
        with self.assertRaises(InputError) as caught:
            loading.weights_of(path, "student")
        self.assert_step(str(caught.exception), "'student'", "'model'", "'ema'")

    def test_entries_are_the_same_bits_in_every_form(self):
        state = loading.load_state_dict(FIXTURES / "zuko_maf.pt")
        compared = 0
        for form in set(GOOD) - {"double"}:
            path = self.path("a.pt")
            GOOD[form](state, path)
            found = loading.weights_of(path, "").entries
            self.assertEqual(set(found), set(state), form)
            for name, value in state.items():
                self.assertTrue(torch.equal(found[name], value), f"{form}: {name}")
                self.assertEqual(found[name].dtype, value.dtype, f"{form}: {name}")
                compared += 1
        self.assertGreater(compared, 500)


# --- Live models --------------------------------------------------------------------------------


class LiveModels(InFolder):
    """With stand-ins for the libraries, from functions as users write them."""

    def imported(self, function, *words):
        output = self.path("out.h5")
        output.unlink(missing_ok=True)
        said, problem = run("--model", f"{HERE / 'models.py'}:{function}", "-o", output, *words)
        if problem:
            self.assert_step(problem)
            self.assertFalse(output.exists())
        return said, problem

    def test_a_model_is_converted_with_weights_in_any_wrapping(self):
        state = models.make_flow().state_dict()
        written = 0
        for form in ("plain", "lightning", "module.", "_orig_mod.", "whole module", "pickle 4"):
            path = self.path("a.pt")
            GOOD[form](state, path)
            for function in ("make_flow", "make_compiled"):
                said, problem = self.imported(function, path)
                if function == "make_flow":
                    self.assertEqual(problem, "", form)
                    written += 1
        self.assertEqual(written, 6)

    def test_a_normaliser_in_single_precision_is_told_and_all_else_is_exact(self):
        said, problem = self.imported("make_single")
        self.assertEqual(problem, "")
        self.assertIn("keeps the normaliser in single precision", said)
        said, problem = self.imported("make_flow")
        self.assertEqual(problem, "")
        self.assertNotIn("single precision", said)
        model = models.make_single()
        model._distribution._log_z += 1e-6  # more than a rounding
        with self.assertRaises(InputError) as caught:
            conversion.export_flow(model, self.path("out.h5"))
        self.assertIn("base_log_density", str(caught.exception))

    def test_a_constant_of_a_layer_in_single_precision_is_told(self):
        said, problem = self.imported("make_leaky")
        self.assertEqual(problem, "")
        self.assertIn("log_negative_slope of LeakyReLU, which the library keeps in single", said)

    def test_a_conditional_flow_keeps_its_context_or_is_fixed_at_one(self):
        for words, size in (([], 2), (["--context", "0.5,-1"], 0)):
            _, problem = self.imported("make_conditional", *words)
            self.assertEqual(problem, "")
            self.assertEqual(read_flow_file(self.path("out.h5")).context_dim, size)

    def test_posteriors_are_unwrapped_and_their_priors_named(self):
        said, problem = self.imported("make_posterior")
        self.assertEqual(problem, "")
        self.assertIn("DirectPosterior of sbi", said)
        self.assertIn("bounded by [-2, -2, -2] and [2, 2, 2]", said)
        self.assertEqual(read_flow_file(self.path("out.h5")).context_dim, 2)

    def test_an_embedding_network_is_evaluated_at_the_observation(self):
        for function in ("make_embedded", "make_embedded_posterior"):
            _, problem = self.imported(function)
            self.assertIn("--context", problem)
            said, problem = self.imported(function, "--context", "0.5,-1,2,0.25")
            self.assertEqual(problem, "", function)
            contents = read_flow_file(self.path("out.h5"))
            self.assertEqual(contents.context_dim, 0)
            at = models.embedding()(torch.tensor([[0.5, -1.0, 2.0, 0.25]]))
            z = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
            model = models.make_embedded()
            wanted, _ = model._transform.inverse(z, at.expand(5, -1))
            found, _ = flow_from_contents(contents, "").float()(z)
            self.assertLess(float((found - wanted).detach().abs().max()), 1e-5)
        np.save(self.path("x_o.npy"), np.array([0.5, -1.0, 2.0, 0.25]))
        _, problem = self.imported("make_embedded", "--context", self.path("x_o.npy"))
        self.assertEqual(problem, "")
        _, problem = self.imported("make_embedded", "--context", "1,2")
        self.assertIn("context of 2 numbers failed", problem)
        _, problem = self.imported("make_flow", "--context", "1,2")
        self.assertIn("expected a context of 0 numbers, found 2", problem)

    def test_every_failure_of_a_model_is_a_sentence_with_a_next_step(self):
        refusals = {
            "make_unknown_layer": "NaiveNeuralTransform", "make_unknown_scale": "scale_activation",
            "make_broken": "could not be described", "make_wrapped": "whose part 'flow' is one",
            "make_network": "Linear", "make_nothing": "NoneType", "make_mcmc": "DirectPosterior",
            "make_with": "def make_flow(): return make_with(dim=...)",
            "make_failing": "the function failed: KeyError", "make_exit": "ends the program",
            "NOT_A_FUNCTION": "found a int", "MODULE": "Linear", "absent": "has no absent",
        }
        for function, phrase in refusals.items():
            with self.subTest(function=function):
                _, problem = self.imported(function)
                self.assertIn(phrase, problem)
                self.assert_step(problem)
        self.assertGreaterEqual(len(refusals), 13)
        for location in ("nowhere.py:make", "models.py", ":", "x"):
            _, problem = run("--model", location, "-o", self.path("out.h5"))
            self.assert_step(problem, "--model")

    def test_weights_that_do_not_fit_a_model_are_named(self):
        path = self.path("a.pt")
        torch.save(models.make_flow().state_dict(), path)
        _, problem = self.imported("make_wider", path)
        self.assertIn("size mismatch", problem)
        _, problem = self.imported("make_longer", path)
        self.assertIn("lacks _transform._transforms.3", problem)
        _, problem = self.imported("make_flow", FIXTURES / "zuko_maf.pt")
        self.assertIn("transform.transforms.0", problem)
        _, problem = self.imported("make_nothing", path)
        self.assertIn("NoneType", problem)

    def test_a_pickled_model_runs_its_code_with_trust_alone(self):
        for name, save in (("a.pt", torch.save), ("a.pkl", lambda m, p: p.write_bytes(pickle.dumps(m)))):
            path, output = self.path(name), self.path("out.h5")
            for holder in (models.make_flow(), {"flow": models.make_flow(), "epoch": 3}):
                save(holder, path)
                _, problem = run(path, "-o", output)
                self.assert_step(problem, "--trust")
                self.assertFalse(output.exists())
                said, problem = run(path, "-o", output, "--trust")
                self.assertEqual(problem, "")
                output.unlink()
            save({"a": models.make_flow(), "b": models.make_flow()}, path)
            _, problem = run(path, "-o", output, "--trust")
            self.assert_step(problem, "2 models (a, b)", "--part a")
            _, problem = run(path, "-o", output, "--trust", "--part", "b")
            self.assertEqual(problem, "")
            output.unlink()
            save(Settings(), path)
            _, problem = run(path, "-o", output, "--trust")
            self.assert_step(problem, "no model")
        self.assert_what_is_absent_is_told()

    def assert_what_is_absent_is_told(self):
        """A class that the flow does without may be missing; one of a library may not."""
        path, output = self.path("b.pt"), self.path("out.h5")
        gone = types.ModuleType("gone")
        gone.Prior = type("Prior", (), {"__module__": "gone"})
        for save in (torch.save, lambda m, p: p.write_bytes(pickle.dumps(m))):
            with unittest.mock.patch.dict(sys.modules, gone=gone):
                save({"flow": models.make_flow(), "prior": gone.Prior()}, path)
            _, problem = run(path, "-o", output, "--trust")
            self.assertEqual(problem, "")
            output.unlink()
            with unittest.mock.patch.dict(sys.modules, gone=gone):
                save(gone.Prior(), path)
            _, problem = run(path, "-o", output, "--trust")
            self.assert_step(problem, "gone.Prior", "PYTHONPATH")
        path.write_bytes(b"cmissing_library\nFlow\n.")
        _, problem = run(path, "-o", output, "--trust")
        self.assert_step(problem, "missing_library", "PYTHONPATH")


class Exported(InFolder):
    """The same files as weights for export_torchscript.py, whose tracing is left to a few of them."""

    MODEL = f"{HERE / 'models.py'}:make_own"

    def options(self, path):
        words = ["--model", self.MODEL, "--state-dict", path, "--dim", 3, "-o", self.path("out.pt")]
        return EXPORT.parse([str(word) for word in words])

    def test_each_is_loaded_as_it_was_saved_or_refused_with_a_next_step(self):
        state = {name: value + 0.25 for name, value in models.make_own().state_dict().items()}
        forms = {**GOOD, **BAD, **damages(), **hostile(self.path("marker"))}
        loaded, refused = 0, 0
        for number, (form, write) in enumerate(forms.items()):
            path = self.path(f"{number}.pt")
            write(state, path)
            with self.subTest(form=form):
                found = []
                options = self.options(path)
                _, problem = outcome(lambda: found.append(EXPORT.own_module(options, self.MODEL)))
                if problem:
                    self.assertNotIn(form, GOOD, problem)
                    self.assert_step(problem)
                    refused += 1
                    continue
                loaded += 1
                for name, value in found[0].state_dict().items() if form in GOOD else ():
                    self.assertTrue(torch.equal(value, state[name]), f"{form}: {name}")
        self.assertFalse(self.path("marker").exists())
        self.assertEqual(loaded + refused, len(forms))
        self.assertGreaterEqual(loaded, len(GOOD))
        self.assertGreaterEqual(refused, 80)

    def test_what_is_loaded_is_traced(self):
        state = models.make_own().state_dict()
        for form, wanted in (("plain", ""), ("lightning", ""), ("NaN", "finite")):
            path, output = self.path("a.pt"), self.path("out.pt")
            output.unlink(missing_ok=True)
            {**GOOD, **BAD}[form](state, path)
            said, problem = outcome(lambda: EXPORT.export(self.options(path)))
            if form == "lightning":
                self.assertIn("its part 'state_dict'", said)
            if wanted:
                self.assertIn(wanted, problem)
                self.assertFalse(output.exists())
                continue
            self.assertEqual(problem, "")
            z = torch.randn(64, 3, generator=torch.Generator().manual_seed(2))
            found, _ = torch.jit.load(str(output)).single(z)
            self.assertTrue(torch.allclose(found, models.make_own()(z)[0], atol=1e-6))


class Contexts(unittest.TestCase):
    """A context that is rescaled or fixed within a file does what it does outside."""

    def test_of_every_conditional_fixture(self):
        compared = 0
        for path in sorted(FIXTURES.glob("*.json")):
            description = loading.load_description(path)
            contents = conversion.convert(
                description, loading.load_state_dict(path.with_suffix(".pt"))
            )
            size = contents.context_dim
            if size == 0 or any("classes" in record.arrays for record in contents.records):
                continue
            generator = torch.Generator().manual_seed(1)
            context = torch.randn(size, generator=generator, dtype=torch.float64)
            z = torch.randn(6, contents.dim, generator=generator, dtype=torch.float64)
            scale, shift = np.linspace(0.5, 2.0, size), np.linspace(-1.0, 1.0, size)
            told = torch.from_numpy(scale) * context + torch.from_numpy(shift)
            wanted = flow_from_contents(contents, "").double().at_context(told)
            try:
                rescaled = contexts.rescaled(contents, scale, shift)
                fixed = contexts.fixed(contents, told.numpy())
            except InputError as problem:
                self.assertIn("its context can be neither rescaled nor fixed", str(problem))
                continue
            with self.subTest(flow=path.stem):
                for one in (
                    flow_from_contents(rescaled, "").double().at_context(context),
                    flow_from_contents(fixed, "").double(),
                ):
                    for found, true in zip(one(z), wanted(z)):
                        self.assertLess(float((found - true).abs().max()), 1e-12)
                    apart = one.base.log_density(z) - wanted.base.log_density(z)
                    self.assertLess(float(apart.abs().max()), 1e-12)
                    compared += 1
        self.assertGreaterEqual(compared, 10)


if __name__ == "__main__":
    unittest.main()
