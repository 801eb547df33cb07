"""The contestant's end of a measurement: a process that prepares calls and times them when it is told to.

It reads one JSON object per line from stdin and answers each with one on stdout. Between its turns none of its
threads runs: a thread pool that still spins would slow down whoever is measured next.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

import numpy as np

from sevenloops.arrays import Array

__all__ = ["Prepared", "Preparer", "Refused", "run_turn", "serve", "wait_until_idle"]

_REST_SECONDS = 0.01
_LONGEST_REST = 1.0


class Refused(Exception):
    """What was asked for is something that this contestant cannot do; the message says why."""


@dataclass(frozen=True)
class Prepared:
    """A call that can be timed.

    Attributes
    ----------
    call : callable
        What is timed.
    results : callable
        Returns what has to be right, as NumPy arrays.
    notes : dict
        What else there is to say of the call; JSON.
    """

    call: Callable[[], Any]
    results: Callable[[], Sequence[Array]]
    notes: dict[str, Any] = field(default_factory=dict)


class Preparer(Protocol):
    """What a library has to offer to take part."""

    def introduce(self) -> dict[str, Any]:
        """Return name, version and so on; JSON."""

    def prepare(self, task: dict[str, Any], variant: str) -> Prepared:
        """Return the call for a task; raise Refused where there is none."""


def serve(make: Callable[[], Preparer]) -> None:
    """Be a contestant until stdin ends.

    Parameters
    ----------
    make : callable
        Makes what prepares the calls; an ImportError in it is told to the parent as the reason not to take part.
    """
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    answers = _private_stdout()
    prepared: dict[str, Prepared] = {}
    preparer: Preparer | None = None
    for line in sys.stdin:
        try:
            preparer = preparer or make()
            answer = _answer(preparer, json.loads(line), prepared)
        except ImportError as error:
            answer = {"missing": error.name or str(error)}
        except Refused as reason:
            answer = {"refused": str(reason)}
        except Exception as error:  # a library may fail in any way; the next task may go well
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _private_stdout() -> TextIO:
    """Return stdout as a file of its own; what libraries print from now on goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _answer(preparer: Preparer, request: dict[str, Any], prepared: dict[str, Prepared]) -> dict[str, Any]:
    action = request["action"]
    if action == "introduce":
        return preparer.introduce()
    if action == "forget":
        prepared.clear()
        return {}
    if action == "prepare":
        call = preparer.prepare(request["task"], request["variant"])
        np.savez(request["results"], *call.results())
        prepared[request["variant"]] = call
        wait_until_idle()
        return {"notes": call.notes}
    if request["variant"] not in prepared:
        raise LookupError("what was prepared has gone with the process that had died")
    return {"times": run_turn(prepared[request["variant"]].call, request["seconds"], request["runs"])}


def run_turn(call: Callable[[], Any], seconds: float, runs: int) -> list[float]:
    """Time a call for so long and so often at least, after one call that warms up; then let all threads come to rest.

    Returns
    -------
    list of float
        Seconds of each call.
    """
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < runs or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    wait_until_idle()
    return times


def wait_until_idle() -> None:
    """Sleep until this process's threads use no processor any more, for a second at most."""
    end = time.perf_counter() + _LONGEST_REST
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(_REST_SECONDS)
        if time.process_time() - before < 0.1 * _REST_SECONDS:
            return
