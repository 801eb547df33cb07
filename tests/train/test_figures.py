import sys
import warnings
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sevenloops.data import Dataset
from sevenloops.errors import MissingExtraError
from sevenloops.train import EpochRecord, Evaluation, figures
from sevenloops.train.figures import draw_curves, draw_mistakes
from tests.helpers.tiny_sets import tiny_digits

LONG_NAMES = (
    "a very long name of a class",
    "W" * 30,
    "$\\frac$ x",
    "數字三",
    "new\nline",
    "\udcff",
    "_",
    "^7",
    "{",
    "",
)


def history_of(epochs):
    return [
        EpochRecord(e, 0.6 / e, 1 - 0.2 / e, 0.5 / e**0.8, 1 - 0.15 / e, 1.5, 4000.0) for e in range(1, epochs + 1)
    ]


def outcome_with(dataset, wrong):
    """Return answers of which this many are wrong, the later ones the more confident."""
    count, classes = len(dataset.test_labels), len(dataset.class_names)
    answers = dataset.test_labels.copy()
    answers[:wrong] = (answers[:wrong] + 1) % classes
    logits = np.zeros((count, classes), np.float32)
    logits[np.arange(count), answers] = 1 + np.arange(count) / count
    return Evaluation(logits, dataset.test_labels)


def colours(height=32, width=32):
    images = np.random.default_rng(0).integers(0, 256, (20, 3, height, width), np.uint8)
    labels = np.arange(20) % 10
    return Dataset("colours", images, labels, images, labels, tuple("abcdefghij"))


@pytest.fixture
def drawn(monkeypatch):
    """Collect the figures that are written."""
    pytest.importorskip("matplotlib")
    found, write = [], figures._write
    monkeypatch.setattr(figures, "_write", lambda figure, path: found.append(figure) or write(figure, path))
    return found


def visible_boxes(figure):
    """Return (what, box in pixels) of each text that can be seen and of each picture, text clipped as it is drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    boxes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks
        renderer = FigureCanvasAgg(figure).get_renderer()
        texts = list(figure.texts)
        for axes in figure.axes:
            boxes += [("a picture", image.get_window_extent(renderer)) for image in axes.images]
            texts += [axes.title, axes._left_title, axes._right_title]
            if axes.axison:
                texts += [axes.xaxis.label, axes.yaxis.label]
                for axis in (axes.xaxis, axes.yaxis):
                    low, high = sorted(axis.get_view_interval())
                    texts += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            if axes.get_legend():
                texts += axes.get_legend().get_texts()
        for text in texts:
            if text.get_text():
                box, clip = text.get_window_extent(renderer), text.get_clip_box()
                boxes.append((text.get_text(), Bbox.intersection(box, clip) if clip else box))
    return boxes


def assert_readable(figure):
    width, height = figure.get_size_inches() * figure.dpi
    boxes = visible_boxes(figure)
    assert boxes
    for what, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, f"{what} is cut"  # noqa: PT018
    for (one, box), (other, other_box) in combinations(boxes, 2):
        apart = box.x1 <= other_box.x0 or other_box.x1 <= box.x0 or box.y1 <= other_box.y0 or other_box.y1 <= box.y0
        assert apart, f"{one} overlaps {other}"


def pixels_of(path):
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize("epochs", [1, 2, 12, 100])
def test_the_curves_are_the_history(tmp_path, drawn, epochs):
    history = history_of(epochs)
    draw_curves(history, tmp_path / "curves.png")
    loss, accuracy = drawn[0].axes
    for axes, scale, train, test in (
        (loss, 1, "train_loss", "test_loss"),
        (accuracy, 100, "train_accuracy", "test_accuracy"),
    ):
        for line, name in zip(axes.lines, (train, test), strict=True):
            assert line.get_xdata().tolist() == [row.epoch for row in history]
            np.testing.assert_allclose(line.get_ydata(), [scale * getattr(row, name) for row in history])
            assert line.get_label().startswith("training" if name == train else "test")
        assert all(float(tick).is_integer() for tick in axes.get_xticks())
    assert_readable(drawn[0])
    assert pixels_of(tmp_path / "curves.png").shape == (432, 1080, 3)


def test_a_run_that_failed_to_learn_can_be_drawn(tmp_path, drawn):
    draw_curves([EpochRecord(1, 2e10, 0.1, 45.0, 0.1, 1, 1), EpochRecord(2, 3.0, 0.1, 45, 0.1, 1, 1)], tmp_path / "c")
    assert_readable(drawn[0])


@pytest.mark.parametrize(("wrong", "shown"), [(0, 0), (1, 1), (8, 8), (200, 42)])
def test_the_mistakes_are_shown_the_most_confident_first(tmp_path, drawn, wrong, shown):
    dataset = tiny_digits(10, 250)
    outcome = outcome_with(dataset, wrong)
    draw_mistakes(dataset, outcome, tmp_path / "mistakes.png")
    (figure,) = drawn
    pictures = [axes for axes in figure.axes if axes.images]
    assert all(axes.images or not axes.axison for axes in figure.axes)
    assert len(pictures) == shown
    for axes, index in zip(pictures, range(wrong - 1, -1, -1)):
        np.testing.assert_array_equal(axes.images[0].get_array(), dataset.test_images[index, 0])
        right, answer = dataset.test_labels[index], outcome.answers[index]
        assert axes.get_title(loc="left").startswith(f"is {right}\nsaid {answer}\n")
    title = figure.get_suptitle()
    assert title.startswith(f"{wrong} of 250 test images were answered wrongly")
    assert ("the 42 that" in title) == (wrong > 42)
    assert_readable(figure)
    pixels_of(tmp_path / "mistakes.png")


@pytest.mark.parametrize("size", [(32, 32), (32, 64), (64, 32)])
def test_pictures_in_colour_and_of_any_shape(tmp_path, drawn, size):
    dataset = colours(*size)
    draw_mistakes(dataset, outcome_with(dataset, 9), tmp_path / "mistakes.png")
    assert drawn[0].axes[0].images[0].get_array().shape == (*size, 3)
    assert_readable(drawn[0])


def test_names_of_any_kind(tmp_path, drawn):
    dataset = replace(tiny_digits(10, 60), class_names=LONG_NAMES)
    draw_mistakes(dataset, outcome_with(dataset, 60), tmp_path / "mistakes.png")
    assert_readable(drawn[0])


def test_without_matplotlib_nothing_is_written(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    dataset = tiny_digits(10, 10)
    with pytest.raises(MissingExtraError, match=r"needs matplotlib, .*sevenloops\[train\]"):
        draw_curves(history_of(2), tmp_path / "curves.png")
    with pytest.raises(MissingExtraError, match="needs matplotlib"):
        draw_mistakes(dataset, outcome_with(dataset, 1), tmp_path / "mistakes.png")
    assert list(tmp_path.iterdir()) == []
