"""What the tests of the command share beside its fixtures."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

FILES = ["checkpoint.safetensors", "config.json", "curves.png", "history.csv", "mistakes.png", "weights.safetensors"]
LAST_LINE = re.compile(r"test accuracy: (\d{1,2}\.\d\d|100\.00) %")
QUICK = ("--epochs", "1", "--batch-size", "16")


def block(monkeypatch, *packages):
    """Make packages look as if they were not installed."""
    loaded = [name for name in sys.modules if name.partition(".")[0] in packages]
    for name in (*loaded, *packages):
        monkeypatch.setitem(sys.modules, name, None)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def write_images(folder, images):
    """Write images (N, C, H, W) as 0.png, 1.png, …; return their paths."""
    image = pytest.importorskip("PIL.Image")
    folder.mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for path, pixels in zip(paths, images):
        image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)).save(path)
    return paths


def colour_folder(folder, side=20, count=10):
    """Write pictures that are red or blue, of the given side."""
    images = np.random.default_rng(0).integers(0, 100, (2 * count, 3, side, side), np.uint8)
    images[:count, 0] += 150
    images[count:, 2] += 150
    write_images(folder / "red", images[:count])
    write_images(folder / "blue", images[count:])
    return folder
