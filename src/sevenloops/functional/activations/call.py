"""How a kernel of an activation becomes an operation: memory allocated, half precision widened."""

from functools import partial
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.activations import kernel
from sevenloops.arrays import Array, compute_dtype, float_array, narrow
from sevenloops.autograd import Operation

__all__ = ["activation", "forward", "gradient", "run"]


def activation(name: str, *, keeps_input: bool, kernels: str | None = None) -> Operation:
    """Return the operation of the kernels of that name, or of others.

    The gradient is computed from the input, or else from the result: where both serve, the result is what the next
    operation keeps too.
    """
    kernels = kernels or name
    return Operation(name, partial(forward, kernels, keeps_input), partial(gradient, kernels))


def forward(kernels: str, keeps_input: bool, x: Any, **attributes: Any) -> tuple[Array, Array]:
    """Return the result, and what its gradient is computed from."""
    x = float_array("input", x)
    y = run(kernels, "forward", x, **attributes)
    return y, (x if keeps_input else y)


def gradient(kernels: str, grad: Array, saved: Array, needs: tuple[bool, ...], **attributes: Any) -> tuple[Array]:
    """Return the gradient by the input."""
    return (run(kernels, "gradient", grad, saved, **attributes),)


def run(kernels: str, direction: str, *arrays: Array, like: Array | None = None, **attributes: Any) -> Array:
    """Run a kernel; the result has the shape and memory order of `like`, or else of the last array."""
    dtype = arrays[0].dtype
    if arrays[-1].ndim and dtype.char in "fd":  # nothing to widen, no axis to add
        out = runtime.empty_like(arrays[-1] if like is None else like)
        kernel(kernels, direction)(*arrays, out, **attributes)
        return out
    wide = compute_dtype(dtype)
    out = runtime.empty_like(arrays[-1] if like is None else like, wide)
    wides = [array.astype(wide, copy=False) for array in arrays]
    kernel(kernels, direction)(*map(np.atleast_1d, wides), np.atleast_1d(out), **attributes)
    return narrow(out, dtype)
