"""The ``sevenloops`` command."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from sevenloops.cli import bench, download, inference, train
from sevenloops.errors import MissingExtraError
from sevenloops.train import Stopped
from sevenloops.version import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 2 for wrong input (one sentence on stderr), 130 for Ctrl-C.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line by default.
    """
    if sys.stderr is None:  # closed: to print to None would be to print to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (it is open to the end, as stderr is)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        print(end="", flush=True)
    except Stopped as stopped:
        _complain(options, f"{stopped}.")
        return 128 + stopped.signum
    except KeyboardInterrupt:
        _complain(options, "stopped by Ctrl-C.")
        return 130
    except BrokenPipeError:  # whoever read our output has gone
        _drop_unwritable()
        return 141
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _complain(options, f"{place}{error.strerror}." if error.strerror else str(error))
        _drop_unwritable()
        return 2
    except MemoryError as error:
        _complain(options, f"What was asked for needs more memory than there is ({error}); ask for less.")
        return 2
    except (ValueError, MissingExtraError, FloatingPointError) as error:
        _complain(options, str(error))
        return 2
    return 0


def _complain(options: argparse.Namespace, sentence: str) -> None:
    with suppress(OSError):  # the exit code says it too
        print(f"sevenloops {options.command}: {sentence}", file=sys.stderr)


def _drop_unwritable() -> None:
    """If what has been printed cannot be written, let Python not try again when it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            print(end="", file=stream, flush=True)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sevenloops",
        description="Convolution in every NumPy formulation, and small convolutional networks on top of it.",
        epilog="example: sevenloops train --model lenet5 --data digits",
    )
    parser.add_argument("--version", action="version", version=f"sevenloops {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train.add_to(commands)
    inference.add_evaluate_to(commands)
    inference.add_predict_to(commands)
    download.add_to(commands)
    bench.add_to(commands)
    return parser
