"""The ladder of pooling: every algorithm by name, in the order in which it was registered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sevenloops import backends
from sevenloops.errors import UnknownAlgorithmError

__all__ = [
    "AUTO",
    "MACHINE_CODE",
    "Direction",
    "Operation",
    "PoolAlgorithm",
    "PoolKernel",
    "kernel",
    "names",
    "register",
    "resolve",
]

Operation: TypeAlias = Literal["max_pool", "avg_pool"]
Direction: TypeAlias = Literal["forward", "input_grad"]

#: A kernel of one pass. It gets plain arrays, channels first in shape and of any strides, none of them empty, and a
#: finished geometry; it writes all of `out` (and of `indices`, if they are not None) and checks nothing:
#:
#:     max_forward(x, geometry, out, indices)
#:     max_input_grad(grad_output, indices, geometry, out)
#:     avg_forward(x, divisor, geometry, out)
#:     avg_input_grad(grad_output, divisor, geometry, out)
#:
#: `indices` are int64, shaped like the output: the flat position of each maximum in its (unpadded) plane, -1 for a
#: window that sees padding only. `divisor` has the dtype of the computation, and one entry or `output_size`.
PoolKernel: TypeAlias = Callable[..., None]

#: What "auto" stands for in NumPy: the fastest rung in every measurement ("windows" sends gradients of maxima the
#: same way). In machine code it is the loops themselves, which need no arrays in between.
AUTO = "slices"
MACHINE_CODE = "loops"


@dataclass(frozen=True, slots=True)
class PoolAlgorithm:
    """One rung of the ladder.

    Attributes
    ----------
    name : str
        As users write it.
    summary : str
        What it is, in a line.
    max_forward, max_input_grad, avg_forward, avg_input_grad : callable
        The kernels of its NumPy backend (see `PoolKernel`).
    """

    name: str
    summary: str
    max_forward: PoolKernel
    max_input_grad: PoolKernel
    avg_forward: PoolKernel
    avg_input_grad: PoolKernel


_TABLE: dict[str, PoolAlgorithm] = {}


def register(algorithm: PoolAlgorithm) -> PoolAlgorithm:
    """Put an algorithm at the end of the ladder.

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if algorithm.name in _TABLE or algorithm.name == "auto":
        raise ValueError(f"Algorithm names must be unique, but {algorithm.name!r} is taken; choose another name.")
    _TABLE[algorithm.name] = algorithm
    for operation, direction, function in (
        ("max_pool", "forward", algorithm.max_forward),
        ("max_pool", "input_grad", algorithm.max_input_grad),
        ("avg_pool", "forward", algorithm.avg_forward),
        ("avg_pool", "input_grad", algorithm.avg_input_grad),
    ):
        backends.register(f"{operation}/{algorithm.name}", direction, "numpy", function)
        if algorithm.name == MACHINE_CODE:
            place = f"sevenloops.jit.step.pooling:{operation[:3]}_{direction}"
            backends.register(f"{operation}/{algorithm.name}", direction, "jit", place)
    return algorithm


def names() -> tuple[str, ...]:
    """Return the names of all pooling algorithms, in the order of the ladder."""
    return tuple(_TABLE)


def resolve(name: str) -> str:
    """Return the name of an algorithm: the one given, or what "auto" stands for.

    Raises
    ------
    TypeError
        If `name` is not text.
    UnknownAlgorithmError
        If no algorithm has it; the message lists those that exist.
    """
    if not isinstance(name, str):
        raise TypeError(f"algorithm must be a name, but got {name!r}.")
    if name == "auto":
        return MACHINE_CODE if backends.usable()[0] == "jit" else AUTO
    if name not in _TABLE:
        raise UnknownAlgorithmError(f'algorithm must be "auto" or one of {", ".join(names())}, but got {name!r}.')
    return name


def kernel(operation: Operation, direction: Direction, name: str) -> PoolKernel:
    """Return the kernel of an algorithm's pass on the backend in force."""
    return backends.find(f"{operation}/{name}", direction)
