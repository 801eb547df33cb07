"""The ``sevenloops`` command."""

import argparse
import io
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sevenloops.conv import registry
from sevenloops.data import DATASET_NAMES, Dataset, load_image, open_dataset
from sevenloops.errors import DataError, MissingExtraError, ShapeError
from sevenloops.functional import softmax
from sevenloops.geometry.arguments import integer
from sevenloops.train import (
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    Evaluation,
    RunDescription,
    RunFolder,
    TrainConfig,
    TrainingRun,
    evaluate,
    predict_logits,
)
from sevenloops.train.figures import draw_curves, draw_mistakes
from sevenloops.version import __version__

__all__ = ["main"]

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_INTEGER: dict[str, Any] = {"type": int, "metavar": "N"}
_NUMBER: dict[str, Any] = {"type": float, "metavar": "X"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 2 for wrong input (one sentence on stderr), 130 for Ctrl-C.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line by default.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        print(end="", flush=True)
    except KeyboardInterrupt:
        _complain(options, "stopped by Ctrl-C.")
        return 130
    except BrokenPipeError:  # whoever read our output has gone
        _drop_stdout()
        return 141
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _complain(options, f"{place}{error.strerror}." if error.strerror else str(error))
        _drop_stdout()
        return 2
    except MemoryError as error:
        _complain(options, f"What was asked for needs more memory than there is ({error}); ask for less.")
        return 2
    except (ValueError, MissingExtraError, FloatingPointError) as error:
        _complain(options, str(error))
        return 2
    return 0


def _complain(options: argparse.Namespace, sentence: str) -> None:
    print(f"sevenloops {options.command}: {sentence}", file=sys.stderr)


def _drop_stdout() -> None:
    """If what has been printed cannot be written, let Python not try again when it exits."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- the commands ------------------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> None:
    names = TrainConfig.__dataclass_fields__
    config = TrainConfig(**{name: value for name, value in vars(options).items() if name in names})
    dataset = open_dataset(config.data, size=config.image_size)
    training = TrainingRun(config, dataset)
    folder = RunFolder.create(options.out, f"{config.model}-{dataset.name}")
    try:
        parameters = sum(parameter.size for parameter in training.model.parameters())
        print(f"{MODELS[config.model].title} with {parameters:,} parameters\n{dataset}", flush=True)
        outcome = training.run(folder, quiet=options.quiet)
    except BaseException:
        if training.history:
            print(f"{folder.path} has the weights of epoch {training.history[-1].epoch}.", file=sys.stderr)
        else:
            folder.discard()
        raise
    _draw(training, outcome, folder)
    command, run = _command(), shlex.quote(str(folder.path))
    modern = (config.activation, config.pool) == ("relu", "max")
    print(
        f"In {folder.path}:\n"
        f"    {', '.join(sorted(path.name for path in folder.path.iterdir()))}\n"
        f"Try next:\n"
        f"    {command} evaluate {run}\n"
        f"    {command} predict {run} IMAGE.png\n"
        f"    {command} train --data {shlex.quote(config.data)} "
        f"{f'--seed {config.seed + 1}' if modern else '--activation relu --pool max'}\n"
        f"test accuracy: {100 * outcome.accuracy:.2f} %"
    )


def _draw(training: TrainingRun, outcome: Evaluation, folder: RunFolder) -> None:
    try:
        draw_curves(training.history, folder.path / "curves.png")
        draw_mistakes(training.dataset, outcome, folder.path / "mistakes.png")
    except MissingExtraError as error:
        print(f"No pictures: {error}", file=sys.stderr)


def _evaluate(options: argparse.Namespace) -> None:
    folder = RunFolder(options.run_folder)
    description = folder.read_config()
    model = folder.read_model(description)
    dataset = _open_alike(options.data or description.config.data, description)
    if dataset.image_shape != description.image_shape:
        size = "×".join(map(str, description.image_shape))
        raise DataError(f"Images must be of {size} as those that the run was trained on, but got {dataset}.")
    if dataset.class_names != description.class_names:
        raise DataError(
            f"Classes must be those that the run was trained on, {_listed(description.class_names)}, "
            f"but got {_listed(dataset.class_names)}."
        )
    outcome = evaluate(model, dataset.test_images, dataset.test_labels, description.normalize)
    print(dataset)
    for number, name in enumerate(dataset.class_names):
        chosen = outcome.labels == number
        if chosen.any():
            right = (outcome.answers[chosen] == number).mean()
            print(f"{name:>12}: {100 * right:6.2f} % of {chosen.sum()}")
    print(f"test loss: {outcome.loss:.4f}")
    print(f"test accuracy: {100 * outcome.accuracy:.2f} %")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _open_alike(data: str, description: RunDescription) -> Dataset:
    """Open a data set; images in folders are read in the channels and the size that the run was trained on."""
    channels, *size = description.image_shape
    try:
        return open_dataset(data, channels=channels, size=size)
    except ShapeError:  # images of another format are as they are
        return open_dataset(data)


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


# --- the command line --------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sevenloops",
        description="Convolution in every NumPy formulation, and small convolutional networks on top of it.",
        epilog="example: sevenloops train --model lenet5 --data digits",
    )
    parser.add_argument("--version", action="version", version=f"sevenloops {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    return parser


def _add_train(commands: _Commands) -> None:
    command = commands.add_parser(
        "train",
        help="train a model and leave weights, history and pictures in a new folder",
        description="Train a model and leave weights, history and pictures in a new folder.",
        epilog="example: sevenloops train --model lenet5 --data digits --epochs 20 --activation relu --pool max",
    )
    command.set_defaults(run=_train)
    defaults = TrainConfig()

    def add(option: str, text: str, **settings: Any) -> None:
        """Add an option with the default that TrainConfig has."""
        default = getattr(defaults, option.removeprefix("--").replace("-", "_"))
        shown = "" if default is None else f" (default: {default})"
        command.add_argument(option, help=text + shown, default=default, **settings)

    sets, algorithms = ", ".join(DATASET_NAMES), ["auto", *registry.names()]
    rates = ", ".join(f"{recipe.lr} for {name}" for name, recipe in OPTIMIZERS.items())
    add("--model", "what to train", choices=list(MODELS))
    add(
        "--data",
        f"{sets}, or a folder with idx files, CIFAR-10 binary files or a sub-folder of images per class",
        metavar="NAME|FOLDER",
    )
    add("--image-size", "height and width that images in sub-folders are given; for lenet5 28 or 32", **_INTEGER)
    add("--epochs", "how often to go through the training images", **_INTEGER)
    add("--batch-size", "images per step", **_INTEGER)
    add("--optimizer", "how to make a step", choices=list(OPTIMIZERS))
    add("--lr", f"learning rate at the start (default: {rates})", **_NUMBER)
    add("--schedule", "how the learning rate falls", choices=list(SCHEDULES))
    add("--momentum", "of sgd", **_NUMBER)
    add("--weight-decay", "L2 penalty on the weights", **_NUMBER)
    add("--shift", "largest random shift of training images, in pixels", **_INTEGER)
    add("--activation", "after each layer", choices=["tanh", "relu"])
    add("--pool", "between the convolutions", choices=["avg", "max"])
    add("--algorithm", f"of all convolutions: {', '.join(algorithms)}", choices=algorithms, metavar="NAME")
    add("--seed", "of weights, order and shifts", **_INTEGER)
    command.add_argument("--out", metavar="FOLDER", help="a new folder (default: runs/MODEL-DATA-<n>)")
    command.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _add_evaluate(commands: _Commands) -> None:
    command = commands.add_parser(
        "evaluate",
        help="test a trained model",
        description="Test a trained model on the test images of its data set, or of another one.",
        epilog="example: sevenloops evaluate runs/lenet5-digits-1",
    )
    command.set_defaults(run=_evaluate)
    command.add_argument("run_folder", metavar="RUN", help="the folder of a training run")
    command.add_argument("--data", metavar="NAME|FOLDER", help="another data set with the same classes")


def _add_predict(commands: _Commands) -> None:
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
    command.add_argument("--top", default=3, help="how many classes to name (default: 3)", **_INTEGER)
    command.add_argument("--invert", action="store_true", help="for black ink on white paper")


def _command() -> str:
    """Return how this command can be called again from the current folder."""
    script = Path(sys.argv[0])
    if script.suffix == ".py":
        return f"{Path(sys.executable).name} -m sevenloops.cli"
    try:
        return shlex.quote(str((script.parent.resolve() / script.name).relative_to(Path.cwd())))
    except ValueError:
        return "sevenloops"


if __name__ == "__main__":
    sys.exit(main())
