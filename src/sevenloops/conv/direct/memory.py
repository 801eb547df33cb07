"""Addresses of arrays, and workspace."""

from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array

__all__ = ["Workspace", "address", "channels_adjacent", "in_floats"]

_LINE = 64  # bytes of a cache line


def address(array: Array) -> int:
    """Return the address of an array's first element."""
    place: int = array.__array_interface__["data"][0]
    return place


def in_floats(array: Array) -> tuple[int, ...]:
    """Return an array's strides, in elements."""
    size = array.itemsize
    return tuple([stride // size for stride in array.strides])


class Workspace:
    """Memory for a call, at an address that is a multiple of a cache line."""

    __slots__ = ("_memory", "address")

    def __init__(self, floats: int, dtype: np.dtype[Any]) -> None:
        self._memory = runtime.empty((floats + _LINE // dtype.itemsize,), dtype)
        start = address(self._memory)
        self.address = start + -start % _LINE


def channels_adjacent(array: Array) -> Array:
    """Return an (N, C, *spatial) array whose channels are adjacent in memory: itself, or a copy."""
    if array.strides[1] == array.itemsize or array.shape[1] == 1:
        return array
    last = np.ascontiguousarray(np.moveaxis(array, 1, -1))
    return np.moveaxis(last, -1, 1)
