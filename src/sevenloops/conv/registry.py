"""The ladder's table: every algorithm by name, in the order in which it was registered."""

from collections.abc import Callable
from dataclasses import dataclass

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


def _accepts_all(problem: ConvProblem) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class ConvAlgorithm:
    """One rung of the ladder.

    Attributes
    ----------
    name : str
        As users write it.
    summary : str
        What it is, in a line.
    forward, input_grad, weight_grad : callable
        The kernels of its NumPy backend (see `ConvKernel`).
    cost : callable
        ``cost(problem) -> Cost``.
    refusal : callable
        ``refusal(problem)``: None, or the reason why it cannot do this problem.
    """

    name: str
    summary: str
    forward: ConvKernel
    input_grad: ConvKernel
    weight_grad: ConvKernel
    cost: Callable[[ConvProblem], Cost]
    refusal: Callable[[ConvProblem], str | None] = _accepts_all


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
        backends.register(operation(algorithm.name), direction, "numpy", getattr(algorithm, direction))
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


def kernel(name: str, direction: Direction) -> ConvKernel:
    """Return the kernel of an algorithm's pass on the backend in force."""
    return backends.find(operation(name), direction)
