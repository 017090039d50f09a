#!/usr/bin/python3
"""Writes held-out images as a set that 'flotilla compare' takes for the truth.

    image_set.py fashion_mnist -o test_images.h5         its test images
    image_set.py images.npz:x -o held_out.h5 --count 2000

The dataset x [image x pixel] has the images as train_glow.py sees them: dequantised, in [0, 256), in an
order of their own (the seed's), so that any part of them is a sample of all.
"""

import argparse
import sys
from pathlib import Path

import h5py
import numpy as np

from train_glow import TrainingError, dequantise, fashion_mnist, read_images


def image_set(name, count, seed):
    """[image x pixel], `count` of the images or all of them."""
    images = fashion_mnist("t10k") if name == "fashion_mnist" else read_images(name)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(images))[:count]
    return dequantise(images[chosen].reshape(len(chosen), -1), rng).numpy()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", help="fashion_mnist, FILE.npy, FILE.npz[:array] or FILE.h5")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--count", type=int, help="(default: all of them)")
    parser.add_argument("--seed", type=int, default=1, help="(default %(default)s)")
    options = parser.parse_args()
    try:
        if options.count is not None and options.count < 1:
            raise TrainingError(f"expected --count of at least 1, found {options.count}")
        x = image_set(options.images, options.count, options.seed)
        with h5py.File(options.output, "w") as file:
            file["x"] = x
    except (TrainingError, OSError) as problem:
        sys.exit(f"image_set.py: {problem}")
    print(f"{options.output}: {len(x)} images of {x.shape[1]} pixels")


if __name__ == "__main__":
    main()
