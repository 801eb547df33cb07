"""Memory with fences: pages before and behind that end the process when they are touched, and NaN between arrays.

An array lies flush against one of the two pages. On its other side, and between its elements, lie NaN, which show in
a result if they are read; and whatever is written beside the elements is found by comparing bytes.
"""

import ctypes
import mmap
import sys
from math import prod

import numpy as np

__all__ = ["Fence", "has_pages"]

_PAGE = mmap.PAGESIZE


def has_pages():
    """Whether pages can be locked here."""
    return sys.platform.startswith(("linux", "darwin"))


def _lock(start):
    library = ctypes.CDLL(None, use_errno=True)
    library.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if library.mprotect(start, _PAGE, 0):
        raise OSError(ctypes.get_errno(), "mprotect failed")


class Fence:
    """One piece of such memory, which holds one array at a time."""

    def __init__(self, capacity):
        self.capacity = -(-capacity // _PAGE) * _PAGE
        self._map = mmap.mmap(-1, self.capacity + 2 * _PAGE)
        self._raw = np.frombuffer(self._map, np.uint8)
        start = self._raw.ctypes.data
        self.bytes = self._raw[_PAGE:-_PAGE]
        self._used = slice(0, self.capacity)
        if has_pages():
            _lock(start)
            _lock(start + _PAGE + self.capacity)

    def place(self, shape, dtype, strides, at_end):
        """Return an array of that shape and strides (in elements) there; around and between its elements is NaN."""
        dtype = np.dtype(dtype)
        ends = [(size - 1) * stride for size, stride in zip(shape, strides)]
        low, high = sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)
        total = high - low + 1 if prod(shape) else 0
        memory = self.bytes[: self.capacity // dtype.itemsize * dtype.itemsize].view(dtype)
        assert total <= memory.size, "the fence is too narrow"
        memory[...] = np.nan
        begin = memory.size - total if at_end else 0
        return np.lib.stride_tricks.as_strided(
            memory[begin - low :][: max(high, 0) + 1] if total else memory[:0],
            shape,
            [stride * dtype.itemsize for stride in strides],
        )

    def empty(self, shape, dtype, at_end=True):
        """Return a contiguous array."""
        strides, step = [], 1
        for size in reversed(shape):
            strides.append(step)
            step *= size
        return self.place(shape, dtype, strides[::-1], at_end)

    def snapshot(self):
        """Return what is in all bytes, to be compared later."""
        return self.bytes.copy()
