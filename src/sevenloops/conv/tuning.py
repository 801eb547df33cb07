"""Measuring which algorithm is fastest, and remembering it: one small file per problem in the cache folder.

A file is named after all that the times depend on: the problem, the versions of this package and of NumPy, the
machine. It is replaced as a whole, so processes that measure the same problem at the same time do not disturb each
other, and one that cannot be read, whatever is in it, is measured again.
"""

import hashlib
import json
import platform
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.running import ends_channels_last, run
from sevenloops.conv.select import ConvPlan, is_forbidden
from sevenloops.files import replacing
from sevenloops.memory import allocate
from sevenloops.version import __version__

__all__ = ["tuned"]

_FORMAT = 1
# The cost model is seldom wrong by more: others are not measured.
_WITHIN = 5.0
_MOST = 5
# Each is run at least so often, and then until so many seconds are over.
_RUNS = 3
_SECONDS = 0.01


@lru_cache(maxsize=4096)
def tuned(plan: ConvPlan) -> ConvPlan:
    """Return the plan with the algorithm that was measured to be fastest, now or before."""
    problem = plan.problem
    names = _contenders(plan)
    if problem.geometry.batch == 0 or len(names) == 1:
        return plan
    path = _path(problem)
    times = _read(path, names)
    if times is None:
        times = _measure(plan, names)
        _write(path, problem, times)
    ranked = tuple(sorted(times.items(), key=lambda entry: entry[1]))
    return replace(_with(plan, ranked[0][0]), measured=ranked)


def _contenders(plan: ConvPlan) -> list[str]:
    """Return the names of those that may be fastest, by the cost model."""
    possible = [c for c in plan.candidates if not c.refusal and not is_forbidden(plan.problem, c.name)]
    limit = possible[0].cost.seconds * _WITHIN
    return [candidate.name for candidate in possible[:_MOST] if candidate.cost.seconds <= limit]


def _with(plan: ConvPlan, name: str) -> ConvPlan:
    backend = next(candidate.backend for candidate in plan.candidates if candidate.name == name)
    return replace(plan, algorithm=name, backend=backend)


def _measure(plan: ConvPlan, names: list[str]) -> dict[str, float]:
    """Return the shortest time of each: what disturbs a run only makes it longer."""
    calls = {name: _call(_with(plan, name)) for name in names}
    times = {}
    for name, call in calls.items():
        call()  # compiles, and touches the memory
        taken: list[float] = []
        while len(taken) < _RUNS or sum(taken) < _SECONDS:
            start = perf_counter()
            call()
            taken.append(perf_counter() - start)
        times[name] = min(taken)
    return times


def _call(plan: ConvPlan) -> Any:
    """Return what runs a plan on arrays of its own."""
    problem = plan.problem
    g, rng = problem.geometry, np.random.default_rng(0)

    def random(shape: tuple[int, ...], like_input: bool = True) -> Array:
        array = allocate(shape, problem.dtype, problem.channels_last and like_input)
        array[...] = rng.standard_normal(shape, problem.dtype)
        return array

    last = ends_channels_last(plan)
    if problem.direction == "forward":
        x, weight, out = random(g.x_shape), random(g.weight_shape, False), allocate(g.out_shape, problem.dtype, last)
        return lambda: run(plan, "forward", x, weight, out, problem, Epilogue())
    if problem.direction == "input_grad":
        grad, weight, out = (
            random(g.out_shape),
            random(g.weight_shape, False),
            allocate(g.x_shape, problem.dtype, last),
        )
        return lambda: run(plan, "input_grad", grad, weight, out, problem)
    grad, x, out = random(g.out_shape), random(g.x_shape), runtime.empty(g.weight_shape, problem.dtype)
    return lambda: run(plan, "weight_grad", grad, x, out, problem)


# --- files -------------------------------------------------------------------------------------------------------


@cache
def _machine() -> str:
    """Return what times depend on beside the problem."""
    processor = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = "; ".join(
            sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
        )
    return "; ".join((__version__, np.__version__, platform.python_version(), platform.machine(), processor))


def _path(problem: ConvProblem) -> Path:
    digest = hashlib.sha256(f"{_FORMAT}; {_machine()}; {problem!r}".encode()).hexdigest()
    return runtime.cache_folder() / "tuning" / f"{digest[:32]}.json"


def _read(path: Path, names: list[str]) -> dict[str, float] | None:
    """Return the times that a file holds, if it holds those of just these algorithms."""
    try:
        times = json.loads(path.read_bytes())["seconds"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(times) is not dict or sorted(times) != sorted(names):
        return None
    if not all(type(seconds) is float and 0 < seconds < float("inf") for seconds in times.values()):
        return None
    return times


def _write(path: Path, problem: ConvProblem, times: dict[str, float]) -> None:
    """Keep the times, if the folder can be written to; without it they hold for this process."""
    content = {"problem": repr(problem), "machine": _machine(), "seconds": times}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(content, indent=1).encode())
