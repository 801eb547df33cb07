"""What an average divides by."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.geometry import AdaptiveGeometry, PoolGeometry

__all__ = ["adaptive_divisor", "divisor"]


@lru_cache(maxsize=256)
def divisor(
    geometry: PoolGeometry, count_include_pad: bool, divisor_override: int | None, dtype: np.dtype[Any]
) -> Array:
    """Return what each window's sum is divided by: one entry if all are equal, else `output_size`; read-only.

    It is never 0: without dilation, and with less padding than kernel, every window sees an element of the input.
    """
    if divisor_override is not None:
        return _read_only(np.array(divisor_override, dtype))
    return _product((geometry.counts(axis, count_include_pad) for axis in range(geometry.axes)), dtype)


@lru_cache(maxsize=256)
def adaptive_divisor(geometry: AdaptiveGeometry, dtype: np.dtype[Any]) -> Array:
    """Return the number of positions of each window, likewise."""
    return _product(([end - start for start, end in geometry.bounds(axis)] for axis in range(geometry.axes)), dtype)


def _product(counts: Iterable[Sequence[int]], dtype: np.dtype[Any]) -> Array:
    """Return the sizes of windows from their sizes along each axis."""
    sizes = np.ones((), dtype)
    for along in counts:
        sizes = np.multiply.outer(sizes, np.array(along, dtype))
    return _read_only(sizes.flat[:1].reshape(()) if (sizes == sizes.flat[0]).all() else sizes)


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
