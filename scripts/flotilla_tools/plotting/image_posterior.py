# SPDX-License-Identifier: BSD-3-Clause
"""A picture of posteriors of images: a column each, with truth, observation, mean and draws."""

from pathlib import Path
from typing import Sequence

import matplotlib.pyplot as plt
import numpy as np

from flotilla_tools.images import GREYS
from flotilla_tools.measuring.image_posterior import Result
from flotilla_tools.observations import side_of
from flotilla_tools.plotting.style import STYLE, png_of

MOST_IMAGES = 8
HIDDEN = "#9fb8c8"
"""Colour of pixels that were not observed."""


def draw_posteriors(results: Sequence[Result], path: Path) -> None:
    """Writes a PNG of the first images, at most MOST_IMAGES."""
    plt.rcParams.update(STYLE)
    shown = results[:MOST_IMAGES]
    draws = len(shown[0].draws)
    rows = ["truth", "observed", "mean", "deviation", *(f"draw {k + 1}" for k in range(draws))]
    figure, panels = plt.subplots(
        len(rows), len(shown), figsize=(len(shown) + 1.0, len(rows)), layout="constrained",
        squeeze=False,
    )
    greys = plt.get_cmap("gray").with_extremes(bad=HIDDEN)
    largest = max(float(np.max(result.deviation)) for result in shown)
    for column, result in enumerate(shown):
        pictures = [result.truth, result.y, result.mean, result.deviation, *result.draws]
        for place, (name, picture) in enumerate(zip(rows, pictures)):
            axes = panels[place][column]
            pixels = picture.reshape(side_of(len(picture)), -1)
            spread = name == "deviation"
            axes.imshow(
                pixels,
                cmap="magma" if spread else greys,
                vmin=0.0,
                vmax=largest if spread else GREYS,
                interpolation="nearest",
            )
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if column == 0:
                label = f"deviation\n0 to {largest:.0f}" if spread else name
                axes.set_ylabel(label, rotation=0, ha="right", va="center")
            if place == 0:
                axes.set_title(f"R-hat {float(result.r_hat_lp):.2f}", loc="center", fontsize=7)
    path.write_bytes(png_of(figure))
    plt.close(figure)
