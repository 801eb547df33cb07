"""The pictures of a run: how it learned, and what it got wrong. Needs Matplotlib (extra ``train``)."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.data import Dataset
from sevenloops.errors import MissingExtraError
from sevenloops.files import replacing
from sevenloops.train.evaluation import Evaluation
from sevenloops.train.training import EpochRecord

__all__ = ["draw_curves", "draw_mistakes"]

# Okabe and Ito's blue and vermilion, which colour-blind people tell apart too.
_TRAIN, _TEST = "#0072B2", "#D55E00"
_SHOWN = 40


def draw_curves(history: Sequence[EpochRecord], path: Path) -> None:
    """Draw loss and accuracy over the epochs, of training and of testing.

    Raises
    ------
    MissingExtraError
        If Matplotlib is not installed.
    """
    figure = _figure((9, 3.6))
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    marker = "o" if len(history) <= 30 else None
    for axes, title, train, test in (
        (loss, "Loss (cross-entropy)", [r.train_loss for r in history], [r.test_loss for r in history]),
        (
            accuracy,
            "Accuracy (%)",
            [100 * r.train_accuracy for r in history],
            [100 * r.test_accuracy for r in history],
        ),
    ):
        axes.plot(epochs, train, color=_TRAIN, marker=marker, markersize=4, label="training")
        axes.plot(epochs, test, color=_TEST, marker=marker, markersize=4, linestyle="--", label="test")
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    loss.legend(frameon=False)
    accuracy.annotate(
        f"{100 * history[-1].test_accuracy:.2f} %",
        (epochs[-1], 100 * history[-1].test_accuracy),
        xytext=(0, -14),
        textcoords="offset points",
        ha="right",
        color=_TEST,
    )
    _write(figure, path)


def draw_mistakes(dataset: Dataset, outcome: Evaluation, path: Path) -> None:
    """Draw the test images that were answered wrongly, the most confident first, each with what was said of it.

    Raises
    ------
    MissingExtraError
        If Matplotlib is not installed.
    """
    wrong = outcome.mistakes
    shown = wrong[:_SHOWN]
    columns = 8
    rows = max(1, ceil(len(shown) / columns))
    figure = _figure((9, 0.9 + 1.4 * rows))
    count = f"{len(wrong)} of {len(outcome.labels)} test images were answered wrongly"
    more = f"; the {len(shown)} most confident" if len(wrong) > len(shown) else ""
    figure.suptitle(f"{count}{more}", x=0.02, ha="left", fontsize=11)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index in zip(grid.flat, shown):
        axes.imshow(_picture(dataset.test_images[index]), cmap="gray", vmin=0, vmax=255)
        said, sure = outcome.answers[index], outcome.probabilities[index].max()
        names = dataset.class_names
        axes.set_title(f"{names[outcome.labels[index]]}, said {names[said]}\n{sure:.0%} sure", fontsize=8)
    _write(figure, path)


def _picture(image: Array) -> Array:
    """Turn (C, H, W) into what imshow takes: (H, W) for grey, (H, W, 3) for colours."""
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)


def _figure(size: tuple[float, float]) -> Any:
    try:
        from matplotlib.figure import Figure  # without pyplot: no window system is asked for
    except ImportError:
        raise MissingExtraError("Drawing pictures of a run", "matplotlib", "train") from None
    return Figure(figsize=size, layout="constrained")


def _write(figure: Any, path: Path) -> None:
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)
