# SPDX-License-Identifier: BSD-3-Clause
"""Trains the flow of a fixture for a few seconds, and writes the files that the import tests need:
fixtures/NAME.pt, its state dict; NAME.json, its description; NAME.npz, golden values by its library
in double precision.  The files need not come out the same with another version of PyTorch."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))

from flotilla_tools.importing import conversion, sbi  # noqa: E402

DIM, CONTEXT, HIDDEN = 3, 2, 16
STEPS, BATCH, RATE = 400, 256, 3e-3


def draws(count, generator, context):
    """Two moons in the first two coordinates, a wave of them in the third; a context shifts and turns
    them a little."""
    angle = np.pi * torch.rand(count, generator=generator)
    side = 2.0 * (torch.rand(count, generator=generator) < 0.5) - 1.0
    x = torch.stack([side * torch.cos(angle) + 0.5 * side, side * (torch.sin(angle) - 0.3)], dim=1)
    x = torch.cat([x, torch.sin(2.0 * x[:, :1])], dim=1)
    x = x + 0.15 * torch.randn(count, DIM, generator=generator)
    return x if context is None else x + 0.5 * torch.cat([context, context[:, :1]], dim=1)


def train(name, make, loss, steps=STEPS):
    """The trained model; loss(name, model, generator) is its value on a fresh batch."""
    torch.manual_seed(sum(map(ord, name)))
    generator = torch.Generator().manual_seed(1)
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(name, model, generator)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    print(f"{name}: loss {float(value):.3f} nats after {steps} steps", flush=True)
    return model.eval()


def write(name, model, context=None):
    """Writes the files of a fixture; a conditional flow may be fixed at a context."""
    imported = conversion.from_live(model, context)
    contents, golden = imported.contents, imported.golden
    print(f"{name}: deviation {conversion.deviation(contents, golden):.1e}", flush=True)
    path = HERE / "fixtures" / name
    torch.save(sbi.unwrapped(model).flow.state_dict(), path.with_suffix(".pt"))
    np.savez_compressed(path.with_suffix(".npz"), **golden)
    text = json.dumps(imported.description, indent=1) + "\n"
    path.with_suffix(".json").write_text(text, encoding="utf-8")


def main(flows, loss, steps=STEPS):
    """Trains and writes the flows that the command line names, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or flows:
        write(name, train(name, flows[name], loss, steps))
