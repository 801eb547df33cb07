"""Sums and products of two arrays of one shape, element by element: residual connections, and gradients that meet."""

from collections.abc import Callable

import numpy as np

from sevenloops import backends, runtime
from sevenloops.arrays import Array

__all__ = ["UFUNCS", "combined"]

#: The operations that exist, by their name in the table of backends.
UFUNCS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}

#: Elements from which the table of backends is asked; below, NumPy has finished by then.
_MANY = 1 << 13


def _numpy(name: str) -> Callable[[Array, Array, Array], None]:
    ufunc = UFUNCS[name]

    def kernel(left: Array, right: Array, out: Array) -> None:
        ufunc(left, right, out=out)

    return kernel


for _name in UFUNCS:
    backends.register(f"pair/{_name}", "forward", "numpy", _numpy(_name))
    backends.register(f"pair/{_name}", "forward", "jit", f"sevenloops.jit.step.pairs:{_name}")


def combined(name: str, left: Array, right: Array) -> Array:
    """Return left + right, or another of `UFUNCS`, of two arrays that NumPy broadcasts.

    Large float32 and float64 arrays of one shape are computed on the backend in use.
    """
    if left.size < _MANY or left.shape != right.shape or left.dtype != right.dtype or left.dtype.char not in "fd":
        return np.asarray(UFUNCS[name](left, right))
    out = runtime.empty_like(left)
    backends.find(f"pair/{name}", "forward")(left, right, out)
    return out
