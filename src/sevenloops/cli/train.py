"""``sevenloops train``: a new run, or one that was interrupted and goes on."""

import argparse
import os
import shlex
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

from sevenloops.cli.arguments import INTEGER, NUMBER, Commands
from sevenloops.cli.inference import open_alike
from sevenloops.conv import registry
from sevenloops.data import DATASET_NAMES, open_dataset
from sevenloops.errors import DataError, MissingExtraError
from sevenloops.train import (
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    Evaluation,
    RunFolder,
    Stopped,
    TrainConfig,
    TrainingRun,
)
from sevenloops.train.figures import draw_curves, draw_mistakes
from sevenloops.train.run_folder import CURVES, MISTAKES

__all__ = ["add_to"]


def add_to(commands: Commands) -> None:
    """Add the command ``train``."""
    command = commands.add_parser(
        "train",
        help="train a model and leave weights, history and pictures in a new folder",
        description="Train a model and leave weights, history and pictures in a new folder. Whatever ends it, "
        "--resume goes on from the last epoch that was saved, to the very same weights.",
        epilog="example: sevenloops train --model lenet5 --data digits --epochs 20 --activation relu --pool max",
    )
    command.set_defaults(run=_train)
    defaults = TrainConfig()

    def add(option: str, text: str, **settings: Any) -> None:
        """Add an option that is only there if it is given, and show TrainConfig's default."""
        default = getattr(defaults, option.removeprefix("--").replace("-", "_"))
        shown = "" if default is None or default is False else f" (default: {default})"
        command.add_argument(option, help=text + shown, default=argparse.SUPPRESS, **settings)

    sets, algorithms = ", ".join(DATASET_NAMES), ["auto", *registry.names()]
    rates = ", ".join(f"{recipe.lr} for {name}" for name, recipe in OPTIMIZERS.items())
    add("--model", "what to train", choices=list(MODELS))
    add(
        "--data",
        f"{sets}, or a folder with idx files, CIFAR-10 binary files or a sub-folder of images per class",
        metavar="NAME|FOLDER",
    )
    add("--image-size", "height and width that images in sub-folders are given; for lenet5 28 or 32", **INTEGER)
    add("--epochs", "how often to go through the training images", **INTEGER)
    add("--batch-size", "images per step", **INTEGER)
    add("--optimizer", "how to make a step", choices=list(OPTIMIZERS))
    add("--lr", f"learning rate at its largest (default: {rates})", **NUMBER)
    add("--schedule", "how the learning rate changes", choices=list(SCHEDULES))
    add("--warmup", "epochs in which the learning rate rises, before the schedule", **INTEGER)
    add("--momentum", "of sgd and rmsprop", **NUMBER)
    add("--weight-decay", "L2 penalty on the weights, with adamw decoupled", **NUMBER)
    add("--clip-norm", "largest norm of all gradients together", **NUMBER)
    add("--label-smoothing", "share of each label that is spread over all classes", **NUMBER)
    add("--dropout", "share of the features before the last layer that a step leaves out", **NUMBER)
    add("--shift", "largest random shift of training images, in pixels", **INTEGER)
    add("--flip", "mirror training images left to right at random", action="store_true")
    add("--activation", "after each layer", choices=["tanh", "relu"])
    add("--pool", "between the convolutions", choices=["avg", "max"])
    add("--algorithm", f"of all convolutions: {', '.join(algorithms)}", choices=algorithms, metavar="NAME")
    add("--seed", "of weights, order, shifts, flips and dropout", **INTEGER)
    command.add_argument("--out", metavar="FOLDER", help="a new folder (default: runs/MODEL-DATA-<n>)")
    command.add_argument("--force", action="store_true", help="let --out replace the run that its folder holds")
    command.add_argument("--resume", metavar="RUN", help="go on with an interrupted run, with its own settings")
    command.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _train(options: argparse.Namespace) -> None:
    names = [field.name for field in fields(TrainConfig)]
    given = {name: getattr(options, name) for name in names if hasattr(options, name)}
    if options.resume is not None:
        training, folder = _resume(options, given)
    else:
        training, folder = _begin(options, given)
    try:
        _introduce(training)
        outcome = training.run(folder, quiet=options.quiet)
        _draw(training, outcome, folder)
    except BaseException as error:
        _say_what_is_left(training, folder, error, resumed=options.resume is not None)
        raise
    _conclude(training, outcome, folder)


def _begin(options: argparse.Namespace, given: dict[str, Any]) -> tuple[TrainingRun, RunFolder]:
    """Make a new run and its folder."""
    if options.force and options.out is None:
        raise ValueError("--force is for a folder that --out names, but there is none; a run's own folder is new.")
    config = TrainConfig(**given)
    dataset = open_dataset(config.data, size=config.image_size)
    if config.data not in DATASET_NAMES:  # so that the run can be resumed from any folder
        config = TrainConfig(**given | {"data": os.path.abspath(config.data)})
    training = TrainingRun(config, dataset)
    return training, RunFolder.create(options.out, f"{config.model}-{dataset.name}", force=options.force)


def _resume(options: argparse.Namespace, given: dict[str, Any]) -> tuple[TrainingRun, RunFolder]:
    """Build a run once more as its folder describes it, and put it where it was saved."""
    refused = [f"--{name.replace('_', '-')}" for name in given if name != "data"]
    refused += [option for option, value in (("--out", options.out), ("--force", options.force)) if value]
    if refused:
        raise ValueError(
            f"--resume goes on with the settings of the run, but got {', '.join(refused)} too; leave it out."
        )
    folder = RunFolder(options.resume)
    description = folder.read_config()
    dataset = open_alike(given.get("data", description.config.data), description)
    try:
        training = TrainingRun(description.config, dataset)
    except ValueError as error:
        raise DataError(f"{folder.path} must describe a run that can be made: {error}") from None
    training.restore(folder)
    changes = folder.read_changes()
    if changes and not options.quiet:
        print(
            f"The run was begun otherwise ({'; '.join(changes)}): its weights may end in other bits.",
            file=sys.stderr,
        )
    return training, folder


def _introduce(training: TrainingRun) -> None:
    """Say what is trained on what, and from where."""
    parameters = sum(parameter.size for parameter in training.model.parameters())
    lines = [f"{MODELS[training.config.model].title} with {parameters:,} parameters", str(training.dataset)]
    done, steps = len(training.history), training.trainer.sums.steps
    if done or steps:
        lines.append(
            f"going on after epoch {done} of {training.config.epochs}" + (f" and {steps} steps" if steps else "")
        )
    print("\n".join(lines), flush=True)


def _say_what_is_left(training: TrainingRun, folder: RunFolder, error: BaseException, *, resumed: bool) -> None:
    """Say on stderr what the folder holds now; a new one that holds nothing of use is removed."""
    stopped = isinstance(error, Stopped)
    interrupted = isinstance(error, KeyboardInterrupt) and folder.is_begun
    if not (training.saved_epochs or interrupted or resumed):
        folder.discard()
        return
    if training.saved_epochs:
        print(f"{folder.path} has the weights of epoch {training.saved_epochs}.", file=sys.stderr)
    if not isinstance(error, FloatingPointError):  # which would come again
        steps = training.trainer.sums.steps
        where = f" after step {steps} of epoch {len(training.history) + 1}" if stopped and steps else ""
        print(f"Go on{where}: {_command()} train --resume {shlex.quote(str(folder.path))}", file=sys.stderr)


def _draw(training: TrainingRun, outcome: Evaluation, folder: RunFolder) -> None:
    try:
        draw_curves(training.history, folder.path / CURVES)
        draw_mistakes(training.dataset, outcome, folder.path / MISTAKES)
    except MissingExtraError as error:
        print(f"No pictures: {error}", file=sys.stderr)


def _conclude(training: TrainingRun, outcome: Evaluation, folder: RunFolder) -> None:
    """Say what there is now, what can be done with it, and how good it is."""
    config = training.config
    command, run = _command(), shlex.quote(str(folder.path))
    files = ", ".join(sorted(path.name for path in folder.path.iterdir()))
    data = config.data if config.data in DATASET_NAMES else _from_here(config.data)
    modern = (config.activation, config.pool) == ("relu", "max")
    print(
        f"In {folder.path}:\n"
        f"{textwrap.indent(textwrap.fill(files, 76, break_on_hyphens=False), '    ')}\n"
        f"Try next:\n"
        f"    {command} evaluate {run}\n"
        f"    {command} predict {run} IMAGE.png\n"
        f"    {command} train --data {shlex.quote(data)} "
        f"{f'--seed {config.seed + 1}' if modern else '--activation relu --pool max'}\n"
        f"test accuracy: {100 * outcome.accuracy:.2f} %"
    )


def _from_here(path: str) -> str:
    """Return a path as short as it can be written in the current folder."""
    try:
        short = Path(path).relative_to(Path.cwd())
    except ValueError:
        return path
    return str(short) if str(short) not in DATASET_NAMES else f".{os.sep}{short}"


def _command() -> str:
    """Return how this command can be called again from the current folder."""
    script = Path(sys.argv[0])
    if script.suffix == ".py":
        return f"{Path(sys.executable).name} -m sevenloops.cli"
    try:
        return shlex.quote(str((script.parent.resolve() / script.name).relative_to(Path.cwd())))
    except ValueError:
        return "sevenloops"
