"""``sevenloops evaluate`` and ``sevenloops predict``: what a trained model says."""

import argparse
from collections.abc import Sequence

import numpy as np

from sevenloops.cli.arguments import INTEGER, Commands
from sevenloops.data import Dataset, load_image, open_dataset
from sevenloops.errors import DataError, ShapeError
from sevenloops.functional import softmax
from sevenloops.geometry.arguments import integer
from sevenloops.train import RunDescription, RunFolder, evaluate, predict_logits

__all__ = ["add_evaluate_to", "add_predict_to", "open_alike"]


def add_evaluate_to(commands: Commands) -> None:
    """Add the command ``evaluate``."""
    command = commands.add_parser(
        "evaluate",
        help="test a trained model",
        description="Test a trained model on the test images of its data set, or of another one.",
        epilog="example: sevenloops evaluate runs/lenet5-digits-1",
    )
    command.set_defaults(run=_evaluate)
    command.add_argument("run_folder", metavar="RUN", help="the folder of a training run")
    command.add_argument("--data", metavar="NAME|FOLDER", help="another data set with the same classes")


def add_predict_to(commands: Commands) -> None:
    """Add the command ``predict``."""
    command = commands.add_parser(
        "predict",
        help="say what is on pictures",
        description="Say what is on pictures. They are resized to the size that the model was trained on. The "
        "bundled digits are white on black.",
        epilog="example: sevenloops predict runs/lenet5-digits-1 seven.png --invert",
    )
    command.set_defaults(run=_predict)
    command.add_argument("run_folder", metavar="RUN", help="the folder of a training run")
    command.add_argument("images", nargs="+", metavar="IMAGE", help="picture files")
    command.add_argument("--top", default=3, help="how many classes to name (default: 3)", **INTEGER)
    command.add_argument("--invert", action="store_true", help="for black ink on white paper")


def _evaluate(options: argparse.Namespace) -> None:
    folder = RunFolder(options.run_folder)
    description = folder.read_config()
    model = folder.read_model(description)
    dataset = open_alike(options.data or description.config.data, description)
    outcome = evaluate(model, dataset.test_images, dataset.test_labels, description.normalize)
    print(dataset)
    for number, name in enumerate(dataset.class_names):
        chosen = outcome.labels == number
        if chosen.any():
            right = (outcome.answers[chosen] == number).mean()
            print(f"{name:>12}: {100 * right:6.2f} % of {chosen.sum()}")
    print(f"test loss: {outcome.loss:.4f}")
    print(f"test accuracy: {100 * outcome.accuracy:.2f} %")


def open_alike(data: str, description: RunDescription) -> Dataset:
    """Open a data set with the images' shape and the classes that a run was trained on.

    Images in folders are read in its channels and its size.

    Raises
    ------
    DataError
        If shape or classes are others.
    """
    channels, *size = description.image_shape
    try:
        dataset = open_dataset(data, channels=channels, size=size)
    except ShapeError:  # images of another format are as they are
        dataset = open_dataset(data)
    if dataset.image_shape != description.image_shape:
        shape = "×".join(map(str, description.image_shape))
        raise DataError(f"Images must be of {shape} as those that the run was trained on, but got {dataset}.")
    if dataset.class_names != description.class_names:
        raise DataError(
            f"Classes must be those that the run was trained on, {_listed(description.class_names)}, "
            f"but got {_listed(dataset.class_names)}."
        )
    return dataset


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _predict(options: argparse.Namespace) -> None:
    integer("--top", options.top, 1)
    folder = RunFolder(options.run_folder)
    description = folder.read_config()
    model = folder.read_model(description)
    channels, *size = description.image_shape
    for path in options.images:
        image = load_image(path, channels, size)
        if options.invert:
            image = 255 - image
        probabilities = softmax(predict_logits(model, image[np.newaxis], description.normalize), 1)[0]
        best = probabilities.argsort()[::-1][: options.top]
        answers = ", ".join(f"{description.class_names[i]} ({100 * probabilities[i]:.1f} %)" for i in best)
        print(f"{path}: {answers}")
