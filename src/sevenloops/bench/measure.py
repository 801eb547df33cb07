"""Measuring: every output is checked against float64 first; then the contestants take turns, several rounds."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.bench.load import Load
from sevenloops.bench.process import Contestant, ContestantError, ContestantRefusal
from sevenloops.bench.results import CALM, Entry, Peak, Row, Timing
from sevenloops.bench.serving import wait_until_idle

__all__ = ["Effort", "Runner", "Task", "largest_error", "measure", "measure_peak"]

_PRODUCT = 2048


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes
    ----------
    seconds : float
        For each contestant's variant on each task, all rounds together.
    runs : int
        At least so many.
    rounds : int
        How often the contestants take turns, so that a drift of the machine meets all of them.
    attempts : int
        How often a task is timed at most if other programs disturb it; the calmest attempt counts.
    """

    seconds: float = 0.3
    runs: int = 8
    rounds: int = 4
    attempts: int = 3


@dataclass(frozen=True)
class Task:
    """What all contestants are asked to do.

    Attributes
    ----------
    label, direction : str
        The layer or network, and the pass.
    request : dict
        The task as `Preparer.prepare` takes it; JSON.
    flops : int
    details : dict
        For the results; JSON.
    tolerance : float
        The largest error that is still right, relative to the largest value.
    reference : callable
        Returns the right results in float64.
    """

    label: str
    direction: str
    request: dict[str, Any]
    flops: int
    details: dict[str, Any]
    tolerance: float
    reference: Callable[[], Sequence[Array]]


@dataclass(frozen=True)
class Runner:
    """A contestant and the variants that it is measured in."""

    contestant: Contestant
    variants: Sequence[str]


def largest_error(results: Sequence[Array], reference: Sequence[Array]) -> float:
    """Return the largest error relative to the largest value, the worst of all arrays; inf where shapes differ."""
    if len(results) != len(reference):
        return float("inf")
    errors = [0.0]
    for result, right in zip(results, reference):
        if result.shape != right.shape:
            return float("inf")
        if right.size:
            error, largest = float(np.abs(result - right).max()), float(np.abs(right).max())
            errors.append(error / largest if largest else error)
    return float(np.max(errors))  # unlike max(), which may lose a NaN


def measure(task: Task, runners: Sequence[Runner], effort: Effort) -> Row:
    """Return what all contestants take for a task.

    What one of them cannot do is noted in its entry, and the others go on.
    """
    row = Row(task.label, task.direction, task.flops, task.details)
    try:
        right = task.reference()
    except (ArithmeticError, MemoryError, ValueError) as error:
        row.failure = f"there is no reference: {type(error).__name__}: {error}"
        return row
    waiting: list[tuple[Contestant, Entry]] = []
    for runner in runners:
        for variant in runner.variants:
            entry = _checked(task, runner.contestant, variant, right)
            row.entries.append(entry)
            if entry.failure is None and entry.refusal is None:
                waiting.append((runner.contestant, entry))
    del right
    _time_calmly(row, waiting, [runner.contestant for runner in runners], effort)
    for runner in runners:
        try:
            runner.contestant.forget()
        except ContestantError:
            runner.contestant.close()  # the next task finds a new process
    return row


def _checked(task: Task, contestant: Contestant, variant: str, right: Sequence[Array]) -> Entry:
    """Let a contestant prepare, and compare what it computes."""
    entry = Entry(contestant.name, variant)
    try:
        results, entry.notes = contestant.prepare(task.request, variant)
    except ContestantRefusal as reason:
        entry.refusal = str(reason)
        return entry
    except ContestantError as error:
        entry.failure = f"cannot: {error}"
        return entry
    worst = largest_error(results, right)
    entry.error = worst if isfinite(worst) else None
    if not worst <= task.tolerance:  # nor NaN
        entry.is_wrong = True
        entry.failure = f"is wrong: its error is {worst:.1e} of the largest value, and {task.tolerance:.0e} allowed"
    return entry


def _time_calmly(
    row: Row, waiting: Sequence[tuple[Contestant, Entry]], contestants: Sequence[Contestant], effort: Effort
) -> None:
    """Time until no other program has disturbed it, or so often as is allowed; keep the calmest attempt."""
    for _ in range(effort.attempts):
        before = Load.now(_processes(contestants))
        kept = [entry.timing for _, entry in waiting]
        _time(waiting, effort)
        after = Load.now(_processes(contestants))
        if before is None or after is None:
            return
        disturbance = after.others_since(before)
        if row.disturbance is None or disturbance < row.disturbance:
            row.disturbance = disturbance
        else:
            for (_, entry), timing in zip(waiting, kept):
                entry.timing = None if entry.failure else timing
        if row.disturbance <= CALM:
            return


def _time(waiting: Sequence[tuple[Contestant, Entry]], effort: Effort) -> None:
    """Let all contestants take turns, and give the entries their timings."""
    times: Mapping[int, list[float]] = {number: [] for number in range(len(waiting))}
    wait_until_idle()  # this process has computed the reference
    for _ in range(effort.rounds):
        for number, (contestant, entry) in enumerate(waiting):
            if entry.failure is None:
                try:
                    runs = ceil(effort.runs / effort.rounds)
                    times[number].extend(contestant.time(entry.variant, effort.seconds / effort.rounds, runs))
                except ContestantError as error:
                    entry.failure = f"failed while it was timed: {error}"
    for number, (_, entry) in enumerate(waiting):
        entry.timing = Timing.of(times[number]) if entry.failure is None else None


def measure_peak(runners: Sequence[Runner], effort: Effort) -> Peak | None:
    """Return the fastest run of a large matrix product by any of the contestants; None if none can.

    Where other programs disturb it, it is measured again: the fastest of all runs is still the fastest.
    """
    fastest: Peak | None = None
    for _ in range(effort.attempts):
        before = Load.now(_processes([runner.contestant for runner in runners]))
        for runner in runners:
            try:
                runner.contestant.prepare({"kind": "product", "size": _PRODUCT}, runner.variants[0])
                seconds = min(runner.contestant.time(runner.variants[0], effort.seconds, effort.runs))
                runner.contestant.forget()
            except ContestantError:
                continue  # an engine that only runs networks
            gflops = 2 * _PRODUCT**3 / seconds / 1e9
            if fastest is None or gflops > fastest.gflops:
                fastest = Peak(gflops, runner.contestant.name, _PRODUCT)
        after = Load.now(_processes([runner.contestant for runner in runners]))
        if before is None or after is None or after.others_since(before) <= CALM:
            break
    return fastest


def _processes(contestants: Sequence[Contestant]) -> list[int]:
    """Return the numbers of all processes that take part."""
    return [os.getpid(), *(number for c in contestants if (number := c.process_id) is not None)]
