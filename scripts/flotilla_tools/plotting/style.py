# SPDX-License-Identifier: BSD-3-Clause
"""How all pictures look: sizes, lines, colours."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from flotilla_tools.errors import InputError

# Plot to files, not windows. This must come before pyplot is imported.
matplotlib.use("Agg")

# Okabe & Ito: readers of any colour vision can tell them apart.
NAIVE, RUN = "#D55E00", "#0072B2"
CHAINS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00")
COLOURS = (*CHAINS, "#D55E00", "#56B4E9", "#000000")
MARKERS = "os^Dv*P"
GOOD, BAD = "#00734F", "#B84A00"
"""Verdicts, dark enough to be read as text."""

STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "legend.framealpha": 0.75,
    "mathtext.fontset": "dejavusans",
}


class PlotError(InputError):
    """A plot that cannot be made."""


PALETTE = 256
"""Colours of a saved picture: a third of the bytes, and the same to the eye."""


def png_of(figure: Figure, photographs: bool = False) -> bytes:
    """The figure as PNG, with a palette unless it holds colour images."""
    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, format="png")
    if photographs:
        return whole.getvalue()
    with Image.open(whole) as image:
        plain = image.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE)
        plain.save(small, format="png", optimize=True)
    return small.getvalue()


def save(figure: Figure, output: Path, photographs: bool = False) -> None:
    """Writes a figure: as PDF or SVG where the name ends so, else as PNG."""
    if output.suffix in (".pdf", ".svg"):
        figure.savefig(output)
    else:
        output.write_bytes(png_of(figure, photographs))
