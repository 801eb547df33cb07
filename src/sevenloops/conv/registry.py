"""The ladder's table: every algorithm by name, in the order in which it was registered."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from sevenloops import backends
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import DIRECTIONS, ConvProblem, Direction
from sevenloops.errors import UnknownAlgorithmError

__all__ = ["ConvAlgorithm", "ConvKernel", "get", "kernel", "names", "operation", "register"]

#: A kernel of one pass. It gets plain arrays, channels first in shape and of any strides, none of them empty, and a
#: finished problem; it writes all of `out` and checks nothing:
#:
#:     forward(x, weight, out, problem, epilogue)
#:     input_grad(grad_output, weight, out, problem)
#:     weight_grad(grad_output, x, out, problem)
ConvKernel = Callable[..., None]


_MISSING = "it needs the machine-code backend, so the extra: pip install 'sevenloops[fast]'"


def _accepts_all(problem: ConvProblem) -> str | None:
    return None


def _costs_nothing(problem: ConvProblem) -> Cost:
    return Cost()


@dataclass(frozen=True, slots=True)
class ConvAlgorithm:
    """One rung of the ladder.

    Attributes
    ----------
    name : str
        As users write it.
    summary : str
        What it is, in a line.
    forward, input_grad, weight_grad : callable or None
        The kernels of its NumPy backend (see `ConvKernel`), if it has one.
    cost : callable
        ``cost(problem) -> Cost`` of these.
    refusal : callable
        ``refusal(problem)``: None, or the reason why they cannot do this problem.
    rounds_more : bool
        Whether its rounding errors are larger than those of the definition's sum, so that "auto" may be told not to
        take it.
    machine : str or None
        The module of its kernels in machine code, which are called like those above, and of their own `cost` and
        `refusal`. It is imported when the backend "jit" is considered.
    """

    name: str
    summary: str
    forward: ConvKernel | None = None
    input_grad: ConvKernel | None = None
    weight_grad: ConvKernel | None = None
    cost: Callable[[ConvProblem], Cost] = _costs_nothing
    refusal: Callable[[ConvProblem], str | None] = _accepts_all
    rounds_more: bool = False
    machine: str | None = None

    def considered(self, problem: ConvProblem) -> "tuple[str, Cost, str | None]":
        """Return the backend that would run a problem, its cost, and None or the reason why no backend can.

        Of the problem's backends it is the first that does not refuse.
        """
        reasons = []
        for backend in problem.backends:
            cost, refusal = self.cost, self.refusal
            if backend == "jit":
                if self.machine is None:
                    continue
                module = import_module(self.machine)
                cost, refusal = module.cost, module.refusal
            elif self.forward is None:
                continue
            reason = refusal(problem)
            if reason is None:
                price = cost(problem)
                if problem.max_workspace is None or price.workspace <= problem.max_workspace:
                    return backend, price, None
                reason = (
                    f"its workspace of {price.workspace:,} bytes exceeds max_workspace of "
                    f"{problem.max_workspace:,} bytes"
                )
            reasons.append(reason)
        if not reasons:
            reasons = [_MISSING] if self.machine and self.forward is None else ["it has no kernel on this backend"]
        return "", Cost(), reasons[-1]


_TABLE: dict[str, ConvAlgorithm] = {}


def register(algorithm: ConvAlgorithm) -> ConvAlgorithm:
    """Put an algorithm at the end of the ladder.

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if algorithm.name in _TABLE or algorithm.name == "auto":
        raise ValueError(f"Algorithm names must be unique, but {algorithm.name!r} is taken; choose another name.")
    for direction in DIRECTIONS:
        if getattr(algorithm, direction) is not None:
            backends.register(operation(algorithm.name), direction, "numpy", getattr(algorithm, direction))
        if algorithm.machine is not None:
            backends.register(operation(algorithm.name), direction, "jit", f"{algorithm.machine}:{direction}")
    _TABLE[algorithm.name] = algorithm
    return algorithm


def operation(name: str) -> str:
    """Return an algorithm's name in the table of backends."""
    return f"conv/{name}"


def names() -> tuple[str, ...]:
    """Return the names of all algorithms, in the order of the ladder."""
    return tuple(_TABLE)


def get(name: str) -> ConvAlgorithm:
    """Return the algorithm of that name.

    Raises
    ------
    UnknownAlgorithmError
        If there is none; the message lists those that exist.
    """
    try:
        return _TABLE[name]
    except (KeyError, TypeError):
        raise UnknownAlgorithmError(
            f'algorithm must be "auto" or one of {", ".join(names())}, but got {name!r}.'
        ) from None


def kernel(name: str, direction: Direction, backend: str) -> ConvKernel:
    """Return the kernel of an algorithm's pass on a backend."""
    return backends.kernel(operation(name), direction, backend)
