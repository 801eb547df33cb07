"""The choice: which algorithm runs a problem, and why; the result is a plan that can be printed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import sevenloops.conv.algorithms  # noqa: F401  (fills the registry)
from sevenloops.conv import registry
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import ConvProblem
from sevenloops.errors import UnsupportedGeometryError

__all__ = ["Candidate", "ConvPlan", "is_forbidden", "select"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An algorithm considered for a problem.

    Attributes
    ----------
    name : str
    backend : str
        What would run it.
    cost : Cost
        Predicted time, operations, bytes moved and workspace.
    refusal : str or None
        Why it cannot run the problem; None if it can.
    """

    name: str
    backend: str
    cost: Cost
    refusal: str | None


@dataclass(frozen=True, slots=True)
class ConvPlan:
    """What was decided for a problem; ``str(plan)`` is a table of the candidates.

    Attributes
    ----------
    problem : ConvProblem
    algorithm : str
        The name of the algorithm that runs.
    backend : str
        What runs it: "jit" or "numpy".
    requested : str
        The name that was asked for, which may be "auto".
    measured : tuple of (str, float)
        Algorithms that were measured for the problem and the seconds they took (see `sevenloops.autotune`).
    """

    problem: ConvProblem
    algorithm: str
    backend: str
    requested: str
    measured: tuple[tuple[str, float], ...] = ()

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every algorithm of the ladder with its cost or its reason to refuse, the predicted fastest first."""
        return _candidates(self.problem, registry.names())

    def __str__(self) -> str:
        problem, geometry = self.problem, self.problem.geometry
        order = "channels-last" if problem.channels_last else "channels-first"
        bound = "" if problem.max_workspace is None else f", workspace at most {_bytes(problem.max_workspace)}"
        lines = [
            f"{problem.direction}: x {geometry.x_shape}, weight {geometry.weight_shape} -> {geometry.out_shape}, "
            f"stride {geometry.stride}, padding {geometry.padding}, dilation {geometry.dilation}, "
            f"groups {geometry.groups}",
            f"{problem.dtype.name}, {order} memory, {problem.threads} thread(s), "
            f"{_figures(geometry.flops / 1e9)} GFLOP by definition{bound}",
            "",
        ]
        rows: list[tuple[str, ...]] = [
            (" ", "algorithm", "on", "predicted", "measured", "GFLOP", "moved", "workspace", "")
        ]
        rows += self._rows()
        widths = [max(len(row[i]) for row in rows) for i in range(9)]
        for row in rows:
            names = [row[0], row[1].ljust(widths[1]), row[2].ljust(widths[2])]
            cells = [*names, *(row[i].rjust(widths[i]) for i in range(3, 8)), row[8]]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        fastest = max(self.candidates[0].cost.seconds, 1e-9)
        times = dict(self.measured)
        fastest_measured = min(times.values(), default=0.0)
        for candidate in self.candidates:
            cost = candidate.cost
            chosen = candidate.name == self.algorithm
            if candidate.refusal:
                yield ("-", candidate.name, "", "", "", "", "", "", f"cannot: {candidate.refusal}")
                continue
            reason = f"{_figures(cost.seconds / fastest)} times the predicted fastest's time"
            if candidate.name in times and fastest_measured:
                reason = f"{_figures(times[candidate.name] / fastest_measured)} times the measured fastest's time"
            if is_forbidden(self.problem, candidate.name):
                reason = "not taken: exact algorithms were asked for, and it rounds more"
            if chosen:
                by = "measured" if times else "predicted"
                reason = f"chosen: {by} fastest" if self.requested == "auto" else "chosen: asked for by name"
            yield (
                "*" if chosen else " ",
                candidate.name,
                candidate.backend,
                _seconds(cost.seconds),
                _seconds(times[candidate.name]) if candidate.name in times else "",
                _figures(cost.flops / 1e9),
                _bytes(cost.bytes),
                _bytes(cost.workspace),
                reason,
            )


def select(problem: ConvProblem, algorithm: str) -> ConvPlan:
    """Return the plan for a problem: the algorithm asked for, or with "auto" the predicted fastest.

    Raises
    ------
    UnknownAlgorithmError
        If no algorithm has that name.
    UnsupportedGeometryError
        If the algorithm asked for cannot run the problem, or with "auto" none can.
    """
    return _select(problem, algorithm, registry.names())


# The names are part of the key, so that an algorithm registered later is considered too.


@lru_cache(maxsize=4096)
def _select(problem: ConvProblem, algorithm: str, ladder: tuple[str, ...]) -> ConvPlan:
    if algorithm != "auto":
        candidate = _candidate(registry.get(algorithm), problem)
        if candidate.refusal:
            raise UnsupportedGeometryError(
                f'{algorithm} cannot compute this {problem.direction}: {candidate.refusal}; use algorithm="auto".'
            )
        return ConvPlan(problem, algorithm, candidate.backend, algorithm)
    candidates = _candidates(problem, ladder)
    possible = [c for c in candidates if not c.refusal and not is_forbidden(problem, c.name)]
    if not possible:
        reasons = "; ".join(f"{c.name}: {c.refusal or 'it rounds more than exact algorithms'}" for c in candidates)
        raise UnsupportedGeometryError(f"No algorithm can compute this {problem.direction}: {reasons}.")
    best = possible[0]
    return ConvPlan(problem, best.name, best.backend, algorithm)


def is_forbidden(problem: ConvProblem, name: str) -> bool:
    """Return whether "auto" may not take an algorithm though it could run the problem."""
    return problem.exact and registry.get(name).rounds_more


@lru_cache(maxsize=1024)
def _candidates(problem: ConvProblem, ladder: tuple[str, ...]) -> tuple[Candidate, ...]:
    # Of equals the higher rung comes first.
    every = [_candidate(registry.get(name), problem) for name in reversed(ladder)]
    return tuple(sorted(every, key=lambda c: (c.refusal is not None, c.cost.seconds)))


def _candidate(algorithm: registry.ConvAlgorithm, problem: ConvProblem) -> Candidate:
    if problem.geometry.batch == 0:  # algorithms know of no empty arrays; no image is planned as one would be
        problem = replace(problem, geometry=replace(problem.geometry, batch=1))
    return Candidate(algorithm.name, *algorithm.considered(problem))


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{_figures(count)} {unit}"
        count /= 1024
    return f"{_figures(count)} GiB"


def _seconds(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{_figures(seconds * 1e6)} µs"
    return f"{_figures(seconds * 1e3)} ms" if seconds < 1 else f"{_figures(seconds)} s"


def _figures(number: float) -> str:
    """Write three significant digits, and large numbers in full."""
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"
