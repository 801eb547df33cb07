"""What an operation is to the tape: a name, a function, and the transpose of the function's derivative."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sevenloops.arrays import Array

__all__ = ["Operation"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A differentiable operation on plain arrays; one module-level record each, never made inside a call.

    Attributes
    ----------
    name : str
        As users call it; messages name it.
    forward : callable
        ``forward(*arrays, **attributes) -> (result, saved)``. `saved` is whatever `vjp` needs (an array, a tuple,
        None). An input that is absent is None. Where the result is a tuple its first entry is differentiable and
        the rest is not.
    vjp : callable
        ``vjp(grad, saved, needs, **attributes)`` returns, for each input, the product of `grad` (the gradient of the
        result) with the derivative by that input: an array of the input's shape and dtype. ``needs[i]`` says whether
        input `i` wants one; None stands for those that do not. A gradient is a new array, `grad` itself or a view of
        `grad`, never a saved array or an input. `grad` belongs to others too and must not be written to; it may be
        read-only and have strides of 0.
    keep : callable, optional
        ``keep(saved, needs)`` returns what of `saved` the vjp reads for those `needs`: a product with a constant need
        not keep its other factor. Without it all of `saved` is kept.
    """

    name: str
    forward: Callable[..., tuple[Any, Any]]
    vjp: Callable[..., Sequence[Array | None]]
    keep: Callable[[Any, tuple[bool, ...]], Any] | None = None
