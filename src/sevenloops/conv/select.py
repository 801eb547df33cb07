"""The choice: which algorithm runs a problem, and why; the result is a plan that can be printed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import sevenloops.conv.algorithms  # noqa: F401  (fills the registry)
from sevenloops.conv import registry
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import ConvProblem
from sevenloops.errors import UnsupportedGeometryError

__all__ = ["Candidate", "ConvPlan", "select"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An algorithm considered for a problem.

    Attributes
    ----------
    name : str
    cost : Cost
        Predicted time, operations, bytes moved and workspace.
    refusal : str or None
        Why it cannot run the problem; None if it can.
    """

    name: str
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
    requested : str
        The name that was asked for, which may be "auto".
    """

    problem: ConvProblem
    algorithm: str
    requested: str

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every algorithm of the ladder with its cost or its reason to refuse, the predicted fastest first."""
        return _candidates(self.problem)

    def __str__(self) -> str:
        problem, geometry = self.problem, self.problem.geometry
        order = "channels-last" if problem.channels_last else "channels-first"
        bound = "" if problem.max_workspace is None else f", workspace at most {_bytes(problem.max_workspace)}"
        lines = [
            f"{problem.direction}: x {geometry.x_shape}, weight {geometry.weight_shape} -> {geometry.out_shape}, "
            f"stride {geometry.stride}, padding {geometry.padding}, dilation {geometry.dilation}, "
            f"groups {geometry.groups}",
            f"{problem.dtype.name}, {order} memory, {problem.threads} thread(s), "
            f"{geometry.flops / 1e9:.3g} GFLOP by definition{bound}",
            "",
        ]
        rows: list[tuple[str, ...]] = [("", "algorithm", "predicted", "GFLOP", "moved", "workspace", "")]
        rows += self._rows()
        widths = [max(len(row[i]) for row in rows) for i in range(7)]
        for row in rows:
            cells = [row[0], row[1].ljust(widths[1]), *(row[i].rjust(widths[i]) for i in range(2, 6)), row[6]]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        fastest = self.candidates[0].cost.seconds
        for candidate in self.candidates:
            cost = candidate.cost
            chosen = candidate.name == self.algorithm
            if candidate.refusal:
                yield ("-", candidate.name, "", "", "", "", f"cannot: {candidate.refusal}")
                continue
            reason = f"{cost.seconds / fastest:.3g} times the predicted fastest's time"
            if chosen:
                reason = "chosen: predicted fastest" if self.requested == "auto" else "chosen: asked for by name"
            yield (
                "*" if chosen else " ",
                candidate.name,
                _seconds(cost.seconds),
                f"{cost.flops / 1e9:.3g}",
                _bytes(cost.bytes),
                _bytes(cost.workspace),
                reason,
            )


@lru_cache(maxsize=4096)
def select(problem: ConvProblem, algorithm: str) -> ConvPlan:
    """Return the plan for a problem: the algorithm asked for, or with "auto" the predicted fastest.

    Raises
    ------
    UnknownAlgorithmError
        If no algorithm has that name.
    UnsupportedGeometryError
        If the algorithm asked for cannot run the problem, or with "auto" none can.
    """
    if algorithm != "auto":
        candidate = _candidate(registry.get(algorithm), problem)
        if candidate.refusal:
            raise UnsupportedGeometryError(
                f'{algorithm} cannot compute this {problem.direction}: {candidate.refusal}; use algorithm="auto".'
            )
        return ConvPlan(problem, algorithm, algorithm)
    best = _candidates(problem)[0]
    if best.refusal:
        raise UnsupportedGeometryError(f"No algorithm can compute this {problem.direction}: {best.refusal}.")
    return ConvPlan(problem, best.name, algorithm)


@lru_cache(maxsize=1024)
def _candidates(problem: ConvProblem) -> tuple[Candidate, ...]:
    every = [_candidate(registry.get(name), problem) for name in registry.names()]
    return tuple(sorted(every, key=lambda c: (c.refusal is not None, c.cost.seconds)))


def _candidate(algorithm: registry.ConvAlgorithm, problem: ConvProblem) -> Candidate:
    refusal = algorithm.refusal(problem)
    if refusal:
        return Candidate(algorithm.name, Cost(), refusal)
    cost = algorithm.cost(problem)
    bound = problem.max_workspace
    if bound is not None and cost.workspace > bound:
        refusal = f"its workspace of {_bytes(cost.workspace)} exceeds max_workspace of {_bytes(bound)}"
    return Candidate(algorithm.name, cost, refusal)


def _bytes(count: float) -> str:
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024 or unit == "GiB":
            break
    return f"{count:.3g} {unit}" if count < 1000 else f"{count:.0f} {unit}"


def _seconds(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
