"""A whole benchmark: start the contestants, find the peak, measure task after task, keep what there is."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict

from sevenloops.bench.contestants import CONTESTANTS, Known, known
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.machine import machine
from sevenloops.bench.measure import Effort, Runner, Task, measure, measure_peak
from sevenloops.bench.process import Contestant, ContestantError
from sevenloops.bench.reference import reference
from sevenloops.bench.results import OURS, Results, Row

__all__ = ["NoContestantError", "conv_tasks", "run"]

#: The largest error that a convolution may have, relative to its largest value: far more than float32 loses in any
#: algorithm, far less than one wrong tap.
_TOLERANCE = 1e-4


class NoContestantError(ValueError):
    """Nobody to measure against."""


def conv_tasks(layers: Iterable[ConvLayer], passes: Sequence[str]) -> list[Task]:
    """Return the passes of layers as tasks."""
    return [
        Task(
            label=str(layer),
            direction=direction,
            request={"kind": "conv", "layer": layer.to_json(), "pass": direction},
            flops=layer.flops,
            details={"layer": layer.to_json(), "bytes": layer.bytes},
            tolerance=_TOLERANCE,
            reference=lambda layer=layer, direction=direction: [reference(layer, direction)],  # type: ignore[misc]
        )
        for layer in layers
        for direction in passes
    ]


def run(
    benchmark: str,
    suite: str,
    tasks: Sequence[Task],
    against: Sequence[str],
    threads: int,
    effort: Effort,
    note: Callable[[Results, Row | None, int], None],
) -> Results:
    """Measure tasks, and return what there is when all are done or Ctrl-C comes.

    Parameters
    ----------
    benchmark, suite : str
        For the results.
    tasks : sequence of Task
    against : sequence of str
        The peers' names; none to measure ourselves alone.
    threads : int
        For each contestant.
    effort : Effort
    note : callable
        ``note(results, row, number)`` is called when all contestants are there, with None as row, and after each row.

    Raises
    ------
    NoContestantError
        If none of the peers that were asked for is installed, or sevenloops itself cannot run.
    """
    results = Results(benchmark, suite, machine(threads), effort=asdict(effort))
    with ExitStack() as stack:
        try:
            runners = []
            for name in (OURS, *against):
                contestant = stack.enter_context(Contestant(name, known(name).command, threads))
                if _joins(contestant, CONTESTANTS[name], results):
                    runners.append(Runner(contestant, CONTESTANTS[name].variants))
            if OURS not in results.contestants or (against and not results.peers):
                raise NoContestantError(
                    f"There must be somebody to measure, but {' '.join(results.missing)} "
                    f"(--against none measures sevenloops alone.)"
                )
            results.peak = measure_peak(runners, effort)
            note(results, None, 0)
            for number, task in enumerate(tasks, 1):
                results.rows.append(measure(task, runners, effort))
                note(results, results.rows[-1], number)
        except KeyboardInterrupt:
            results.interrupted = True
    return results


def _joins(contestant: Contestant, about: Known, results: Results) -> bool:
    """Ask a contestant who it is; note the answer, or why it is missing."""
    try:
        answer = contestant.introduce()
    except ContestantError as error:
        results.missing.append(f"{about.title} could not be started: {error}.")
        return False
    if "missing" in answer:
        results.missing.append(f"{about.title} is not installed ({answer['missing']} is missing); {about.remedy}.")
        return False
    results.contestants[contestant.name] = answer
    return True
