"""The pictures of a run: how it learned, and what it got wrong. Needs Matplotlib (extra ``train``)."""

import warnings
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
from sevenloops.train.trainer import EpochRecord

__all__ = ["draw_curves", "draw_mistakes"]

# Okabe and Ito's blue and vermilion, which colour-blind people tell apart too.
_BLUE, _VERMILION = "#0072B2", "#D55E00"
_COLUMNS, _SHOWN = 7, 42
_LONGEST_NAME = 13  # characters; most names of that length fit above a picture
_PAD = 0.08  # inches around everything


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
    _draw_pair(loss, epochs, [row.train_loss for row in history], [row.test_loss for row in history], "{:.3g}")
    loss.set_title("Loss (cross-entropy)", loc="left")
    percent = [(100 * row.train_accuracy, 100 * row.test_accuracy) for row in history]
    _draw_pair(accuracy, epochs, [train for train, _ in percent], [test for _, test in percent], "{:.2f} %")
    accuracy.set_title("Accuracy (%)", loc="left")
    _write(figure, path)


def _draw_pair(axes: Any, epochs: list[int], train: list[float], test: list[float], form: str) -> None:
    """Draw two lines; the legend has their last values in the given format."""
    marker = "o" if len(epochs) <= 30 else None
    last = form.format
    axes.plot(epochs, train, color=_BLUE, marker=marker, markersize=4, label=f"training: {last(train[-1])}")
    axes.plot(
        epochs, test, color=_VERMILION, marker=marker, markersize=4, linestyle="--", label=f"test: {last(test[-1])}"
    )
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.ticklabel_format(useOffset=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def draw_mistakes(dataset: Dataset, outcome: Evaluation, path: Path) -> None:
    """Draw the test images that were answered wrongly, the most confident first, each with what was said of it.

    Raises
    ------
    MissingExtraError
        If Matplotlib is not installed.
    """
    wrong = outcome.mistakes
    shown = wrong[:_SHOWN]
    rows = max(1, ceil(len(shown) / _COLUMNS))
    _, height, width = dataset.image_shape
    figure = _figure((9, 0.45 + rows * (0.6 + 1.15 * min(height / width, 2))))
    more = f"; the {len(shown)} that the model was surest of" if len(wrong) > len(shown) else ""
    title = f"{len(wrong):,} of {len(outcome.labels):,} test images were answered wrongly{more}"
    figure.suptitle(title, x=_PAD / 9, ha="left", fontsize=11)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    names = [_short(name) for name in dataset.class_names]
    for axes, index in zip(grid, shown):
        axes.imshow(_picture(dataset.test_images[index]), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        answer = outcome.answers[index]
        sure = 100 * outcome.probabilities[index, answer]
        label = f"is {names[outcome.labels[index]]}\nsaid {names[answer]}\n{sure:.0f} % sure"
        _write_above(axes, label)
    _write(figure, path)


def _write_above(axes: Any, label: str) -> None:
    """Write lines above a picture, cut off where the next picture's begin."""
    from matplotlib.transforms import Bbox, TransformedBbox

    text = axes.set_title(label, fontsize=8, loc="left", parse_math=False)
    text.set_clip_on(True)
    text.set_clip_box(TransformedBbox(Bbox([[-0.01, 0], [1.06, 9]]), axes.transAxes))


def _picture(image: Array) -> Array:
    """Turn (C, H, W) into what imshow takes: (H, W) for grey, (H, W, 3) for colours."""
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)


def _short(name: str) -> str:
    """Return a name on one line and cut to what there is room for."""
    line = "".join(character if character.isprintable() else "?" for character in name)
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


def _figure(size: tuple[float, float]) -> Any:
    try:
        from matplotlib.figure import Figure  # without pyplot: no window system is asked for
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise MissingExtraError("Drawing pictures of a run", "matplotlib", "train") from None
    layout = ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD, wspace=0, hspace=0)
    return Figure(figsize=size, dpi=120, layout=layout)


def _write(figure: Any, path: Path) -> None:
    with warnings.catch_warnings(), replacing(path) as file:
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font lacks shows boxes
        figure.savefig(file, format="png", dpi="figure")
