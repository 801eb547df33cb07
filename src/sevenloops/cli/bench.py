"""``sevenloops bench``: how long convolutions take, beside other libraries."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sevenloops.cli.arguments import INTEGER, Commands
from sevenloops.conv.problem import DIRECTIONS
from sevenloops.files import replacing
from sevenloops.geometry.arguments import integer
from sevenloops.runtime import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sevenloops.bench import Results, Row, Task

__all__ = ["add_to"]

#: Networks that are measured, by the names that they have in `sevenloops.bench.networks`.
TRAINED = ("lenet5", "resnet18-cifar")
INFERRED = ("vgg16", "resnet50")


def add_to(commands: Commands) -> None:
    """Add the command ``bench``."""
    command = commands.add_parser(
        "bench",
        help="measure beside other libraries",
        description="Measure sevenloops beside other libraries, each in a process of its own; they take turns.",
        epilog="example: sevenloops bench conv --suite small --json small.json",
    )
    kinds = command.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    conv = kinds.add_parser(
        "conv",
        help="single convolutions",
        description="Measure convolution layers, each pass by itself.",
        epilog="suites: small, 3x3, resnet50, mobilenetv2, deepbench, all",
    )
    conv.set_defaults(run=_conv)
    conv.add_argument("--suite", default="small", metavar="NAME", help="which layers (default: small)")
    conv.add_argument("--layers", metavar="PATTERN", help="only those whose text has this in it; * and ? match any")
    conv.add_argument(
        "--pass",
        dest="passes",
        default=",".join(DIRECTIONS),
        metavar="NAMES",
        help=f"which passes, with commas (default: {','.join(DIRECTIONS)})",
    )
    _add_common(conv)
    for kind, text, networks in (("train", "a step of training", TRAINED), ("infer", "inference", INFERRED)):
        whole = kinds.add_parser(kind, help=f"{text} of a network", description=f"Measure {text} of networks.")
        whole.set_defaults(run=_networks)
        whole.add_argument(
            "--suite",
            default="all",
            metavar="NAMES",
            help=f"{', '.join(networks)} (default: all)",
        )
        _add_common(whole)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--against",
        default="torch",
        metavar="NAMES",
        help="torch, onnxruntime, openvino, with commas; or none (default: torch)",
    )
    command.add_argument("--threads", default=None, help="for each library (default: all cores)", **INTEGER)
    command.add_argument("--json", metavar="FILE", help="keep all figures")
    command.add_argument("--html", metavar="FILE", help="write a report with plots, as one page")
    command.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    command.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _conv(options: argparse.Namespace) -> None:
    from sevenloops.bench import conv_tasks, select, suite

    passes = _names("--pass", options.passes, DIRECTIONS)
    layers = select(suite(options.suite), options.layers)
    _measure(options, options.suite, lambda: conv_tasks(layers, passes))


def _networks(options: argparse.Namespace) -> None:
    from sevenloops.bench import infer_tasks, train_tasks

    known, make = (TRAINED, train_tasks) if options.benchmark == "train" else (INFERRED, infer_tasks)
    names = _names("--suite", options.suite, (*known, "all"))
    chosen = known if "all" in names else names
    _measure(options, ",".join(names), lambda: make(chosen))


def _names(option: str, text: str, known: tuple[str, ...]) -> list[str]:
    """Return the names of a list with commas, each once.

    Raises
    ------
    ValueError
        If one is unknown, or there is none.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise ValueError(f"{option} must be some of {', '.join(known)}, with commas, but got {text!r}.")
    return names


def _measure(options: argparse.Namespace, suite: str, make_tasks: "Callable[[], Sequence[Task]]") -> None:
    """Run, print, and keep the results; say so if Ctrl-C ended it."""
    from sevenloops.bench import CONTESTANTS, Effort, as_html, as_text, run

    peers = tuple(name for name in CONTESTANTS if name != "sevenloops")
    against = [] if options.against == "none" else _names("--against", options.against, peers)
    threads = get_num_threads() if options.threads is None else integer("--threads", options.threads, 1)
    for path in filter(None, (options.json, options.html)):
        _check_writable(path)
    tasks = make_tasks()
    effort = Effort(0.05, 3, 2, 1) if options.quick else Effort()

    def note(results: "Results", row: "Row | None", number: int) -> None:
        if row is not None and options.json:
            _write_json(options.json, results)
        if not options.quiet:
            print(_progress(results, row, number, len(tasks)), file=sys.stderr, flush=True)

    with _one_interrupt():
        results = run(options.benchmark, suite, tasks, against, threads, effort, note)
        if options.json:
            _write_json(options.json, results)
        if options.html:
            _write(options.html, as_html(results))
        print(as_text(results), flush=True)
    if results.interrupted:
        raise KeyboardInterrupt
    if wrong := sum(any(e.contestant == "sevenloops" and e.is_wrong for e in row.entries) for row in results.rows):
        raise ValueError(f"Results must be right, but sevenloops was wrong in {wrong} of {len(results.rows)} rows.")


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Let the first Ctrl-C end the measurements, and a second one not end the saving of what there is."""

    def obey(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    mine = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    if mine:
        signal.signal(signal.SIGINT, obey)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGINT, before)


def _progress(results: "Results", row: "Row | None", number: int, count: int) -> str:
    if row is None:
        versions = ", ".join(f"{name} {about.get('version', '')}" for name, about in results.contestants.items())
        return f"measuring {versions}"
    ratios = [f"{ratio:.2f} of {peer}" for peer in results.peers if (ratio := row.ratio(peer)) is not None]
    outcome = "; ".join(["failed"] * bool(row.failures) + ratios) or "done"
    disturbed = f" (disturbed: others used {row.disturbance:.0%} of the processors)" if row.is_disturbed else ""
    return f"{number}/{count}  {row.label}, {row.direction}: {outcome}{disturbed}"


def _check_writable(path: str) -> None:
    """See whether a file can be written, before hours are spent on what is to be in it.

    Raises
    ------
    OSError
        If it cannot.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileExistsError(
            f"What is written must be a file, but {path!r} is a folder or a device; choose another."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder of a file to write must exist, but {str(target.parent)!r} does not; create it."
        )
    with replacing(target.parent / f".{target.name}.probe") as file:
        file.write(b"")
    (target.parent / f".{target.name}.probe").unlink()


def _write_json(path: str, results: "Results") -> None:
    _write(path, json.dumps(results.to_json(), indent=1, allow_nan=False) + "\n")


def _write(path: str, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())
