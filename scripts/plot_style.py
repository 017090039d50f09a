"""How all pictures look: sizes, lines, colours."""

# Okabe & Ito: told apart by readers of any colour vision.
NAIVE, RUN = "#D55E00", "#0072B2"
CHAINS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00")
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


class PlotError(ValueError):
    """A plot that cannot be made; the message is one sentence for the user."""
