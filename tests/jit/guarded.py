"""Arrays with guards around them, that show what is written outside."""

from contextlib import contextmanager
from math import prod

import numpy as np

_GUARD = 64  # elements


@contextmanager
def guarded(shape, dtype, order=None):
    """Give an array of NaN, `order` its axes from the slowest to the fastest; what lies around it must not change."""
    size = prod(shape)
    pattern = np.random.default_rng(1).standard_normal(size + 2 * _GUARD).astype(dtype)
    memory = pattern.copy()
    order = range(len(shape)) if order is None else order
    inner = memory[_GUARD : _GUARD + size]
    inner[:] = np.nan if np.dtype(dtype).kind == "f" else -77
    yield inner.reshape([shape[axis] for axis in order]).transpose(np.argsort(order).tolist())
    np.testing.assert_array_equal(memory[:_GUARD], pattern[:_GUARD], "written before the array")
    np.testing.assert_array_equal(memory[_GUARD + size :], pattern[_GUARD + size :], "written behind the array")
