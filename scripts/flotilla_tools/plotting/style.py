# SPDX-License-Identifier: BSD-3-Clause
"""How all pictures look: sizes, lines, colours."""

import matplotlib

from flotilla_tools.errors import InputError

# Plot to files, not windows. This must come before pyplot is imported.
matplotlib.use("Agg")

# Okabe & Ito: readers of any colour vision can tell them apart.
NAIVE, RUN = "#D55E00", "#0072B2"
CHAINS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00")
COLOURS = (*CHAINS, "#D55E00", "#56B4E9", "#000000")
MARKERS = "os^Dv*P"
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
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
}


class PlotError(InputError):
    """A plot that cannot be made."""
