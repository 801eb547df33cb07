"""The ``sevenloops`` command."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sevenloops.conv import registry
from sevenloops.data import DATASET_NAMES, load_image, open_dataset
from sevenloops.errors import MissingExtraError
from sevenloops.geometry.arguments import integer
from sevenloops.train import (
    MODELS,
    OPTIMIZERS,
    RunFolder,
    TrainConfig,
    TrainingRun,
    evaluate,
    predict_probabilities,
)
from sevenloops.version import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 2 for wrong input (one sentence on stderr), 130 for Ctrl-C.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line by default.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("sevenloops: stopped by Ctrl-C.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, MissingExtraError, FloatingPointError) as error:
        print(f"sevenloops {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


# --- the commands ------------------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> None:
    names = TrainConfig.__dataclass_fields__
    config = TrainConfig(**{name: value for name, value in vars(options).items() if name in names})
    dataset = open_dataset(config.data, size=config.image_size)
    training = TrainingRun(config, dataset)
    folder = RunFolder.create(options.out, f"{config.model}-{dataset.name}")
    parameters = sum(parameter.size for parameter in training.model.parameters())
    print(f"{MODELS[config.model].title}, {parameters:,} parameters, on {dataset}", flush=True)
    outcome = training.run(folder, quiet=options.quiet)
    try:
        from sevenloops.train.figures import draw_curves, draw_mistakes

        draw_curves(training.history, folder.path / "curves.png")
        draw_mistakes(dataset, outcome, folder.path / "mistakes.png")
    except MissingExtraError as error:
        print(f"No pictures: {error}", file=sys.stderr)
    command = _command()
    print(
        f"{folder.path}: {', '.join(sorted(path.name for path in folder.path.iterdir()))}\n"
        f"Try next: {command} evaluate {folder.path}\n"
        f"          {command} predict {folder.path} IMAGE.png\n"
        f"          {command} train --data {config.data} --activation relu --pool max\n"
        f"test accuracy: {100 * outcome.accuracy:.2f} %"
    )


def _evaluate(options: argparse.Namespace) -> None:
    folder = RunFolder(options.run_folder)
    description = folder.read_config()
    model = folder.read_model(description)
    dataset = open_dataset(options.data or description.config.data, size=description.config.image_size)
    if dataset.class_names != description.class_names or dataset.image_shape != description.image_shape:
        raise ValueError(
            f"The images must be of the kind the run was trained on, {description.image_shape} in "
            f"{len(description.class_names)} classes, but {dataset} differs; name such a data set with --data."
        )
    outcome = evaluate(model, dataset.test_images, dataset.test_labels, description.normalize)
    print(f"{dataset}")
    for number, name in enumerate(dataset.class_names):
        chosen = outcome.labels == number
        if chosen.any():
            right = (outcome.answers[chosen] == number).mean()
            print(f"{name:>12}: {100 * right:6.2f} % of {chosen.sum()}")
    print(f"test loss: {outcome.loss:.4f}")
    print(f"test accuracy: {100 * outcome.accuracy:.2f} %")


def _predict(options: argparse.Namespace) -> None:
    integer("--top", options.top, 1)
    folder = RunFolder(options.run_folder)
    description = folder.read_config()
    model = folder.read_model(description)
    channels, *size = description.image_shape
    for path in options.images:
        image = load_image(path, channels, tuple(size))
        if options.invert:
            image = 255 - image
        probabilities = predict_probabilities(model, image[None], description.normalize)[0]
        best = probabilities.argsort()[::-1][: options.top]
        answers = ", ".join(f"{description.class_names[i]} ({probabilities[i]:.1%})" for i in best)
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


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    defaults = TrainConfig()
    command = commands.add_parser(
        "train",
        help="train a model and leave weights, history and pictures in a new folder",
        description="Train a model and leave weights, history and pictures in a new folder.",
        epilog="example: sevenloops train --model lenet5 --data digits --epochs 20 --activation relu --pool max",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.set_defaults(run=_train)
    add = command.add_argument
    add("--model", choices=list(MODELS), default=defaults.model, help="what to train")
    add(
        "--data",
        default=defaults.data,
        metavar="NAME|FOLDER",
        help=f"{', '.join(DATASET_NAMES)}, or a folder with idx files, CIFAR-10 binary files, or a sub-folder of "
        "images per class",
    )
    add("--image-size", type=int, default=argparse.SUPPRESS, help="height and width for pictures in folders")
    add("--epochs", type=int, default=defaults.epochs, help="how often to go through the training images")
    add("--batch-size", type=int, default=defaults.batch_size, help="images per step")
    add("--optimizer", choices=list(OPTIMIZERS), default=defaults.optimizer, help="how to make a step")
    rates = ", ".join(f"{recipe.lr} for {name}" for name, recipe in OPTIMIZERS.items())
    add("--lr", type=float, default=argparse.SUPPRESS, help=f"learning rate (default: {rates})")
    add("--momentum", type=float, default=defaults.momentum, help="of sgd")
    add("--weight-decay", type=float, default=defaults.weight_decay, help="L2 penalty on the weights")
    add("--shift", type=int, default=defaults.shift, help="largest random shift of training images, in pixels")
    add("--activation", choices=["tanh", "relu"], default=defaults.activation, help="after each layer")
    add("--pool", choices=["avg", "max"], default=defaults.pool, help="between the convolutions")
    add(
        "--algorithm",
        choices=["auto", *registry.names()],
        default=defaults.algorithm,
        metavar="NAME",
        help=f"for all convolutions: auto, {', '.join(registry.names())}",
    )
    add("--seed", type=int, default=defaults.seed, help="of weights, order and shifts")
    add("--out", type=Path, default=None, metavar="FOLDER", help="a new folder (default: runs/MODEL-DATA-<n>)")
    add("--quiet", action="store_true", help="no progress on stderr")


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "evaluate",
        help="test a trained model",
        description="Test a trained model on the test images of its data set, or of another one.",
        epilog="example: sevenloops evaluate runs/lenet5-digits-1",
    )
    command.set_defaults(run=_evaluate)
    command.add_argument("run_folder", metavar="RUN", help="the folder of a training run")
    command.add_argument("--data", metavar="NAME|FOLDER", help="another data set with the same classes")


def _add_predict(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "predict",
        help="say what is on pictures",
        description="Say what is on pictures. They are resized to the size that the model was trained on; the "
        "bundled digits are white on black.",
        epilog="example: sevenloops predict runs/lenet5-digits-1 seven.png --invert",
    )
    command.set_defaults(run=_predict)
    command.add_argument("run_folder", metavar="RUN", help="the folder of a training run")
    command.add_argument("images", nargs="+", metavar="IMAGE", help="picture files")
    command.add_argument("--top", type=int, default=3, help="how many classes to name (default: 3)")
    command.add_argument("--invert", action="store_true", help="for black ink on white paper")


def _command() -> str:
    """Return how this command can be called again from the current folder."""
    script = Path(sys.argv[0])
    try:
        return str(script.resolve().relative_to(Path.cwd()))
    except ValueError:
        return "sevenloops"


if __name__ == "__main__":
    sys.exit(main())
