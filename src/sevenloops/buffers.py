"""Memory for results that is used again: arrays whose memory, once the last view of it is gone, serves the next ones.

Fresh memory is not there yet: the operating system provides each page, zeroed, when it is first touched, about 0.25
µs for 4 KiB. Where a training step frees all that it has allocated, the C library gives it back, and the next step
pays for every page again. Measured for a ReLU of eight arrays in turn, each of 0.25 … 8 MiB: 5 to 15 times the time
that it takes in memory that is there.

An array from here is of the plain type. Its base is a loan, an object that goes when the array and its last view have
gone, and then gives the memory back. So no memory is handed out while anything shows it. What is kept for later is
bounded: beyond `get_kept_memory` bytes, what has not been used for longest is freed. `release_memory` frees all of
it.

While tracemalloc is tracing, arrays come from NumPy: it counts them then, as it would not if they were used again.
"""

import ctypes
import os
import threading
from collections import OrderedDict, deque
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    from _tracemalloc import is_tracing
except ImportError:  # PyPy, and builds without it

    def is_tracing() -> bool:
        """Return whether allocations are being recorded."""
        return False


__all__ = ["LEAST", "get_kept_memory", "recycled", "release_memory", "set_kept_memory"]

#: Bytes from which it pays: below, memory is taken from a heap of which most stays.
LEAST = 1 << 16

_ALIGNMENT = 64  # bytes: a line of the cache, and the widest vector

_Raw = npt.NDArray[np.uint8]


class _Shelf:
    """Memory that waits to be used again, by size."""

    def __init__(self) -> None:
        self.most = 1 << 29
        self._start()

    def _start(self) -> None:
        self.lock = threading.Lock()
        self.returned: deque[_Raw] = deque()  # what loans have given back, not sorted in yet
        self.waiting: dict[int, deque[_Raw]] = {}  # by size, the last used one at the right
        self.ages: OrderedDict[int, _Raw] = OrderedDict()  # all that waits by id, what waits for longest first
        self.kept = 0

    def forget(self) -> None:
        """Start empty: in a forked child another thread of the parent may have been at work here."""
        self._start()

    # `give` runs when an object dies, which may be in the midst of anything, this class included: so neither it nor
    # `take` waits for the lock. What one cannot sort in now the next one does.

    def give(self, raw: _Raw) -> None:
        """Take memory back."""
        self.returned.append(raw)
        if self.lock.acquire(blocking=False):
            try:
                self.sort_in()
            finally:
                self.lock.release()

    def take(self, size: int) -> _Raw:
        """Return memory of this size."""
        if self.lock.acquire(blocking=False):
            try:
                if self.returned:
                    self.sort_in()
                stack = self.waiting.get(size)
                if stack:
                    raw = stack.pop()
                    del self.ages[id(raw)]
                    self.kept -= size
                    return raw
            finally:
                self.lock.release()
        return np.empty(size, np.uint8)

    def sort_in(self) -> None:
        """Put what has been returned on the shelf, and free what is too much; the lock must be held."""
        while self.returned:
            raw = self.returned.popleft()
            self.waiting.setdefault(raw.size, deque()).append(raw)
            self.ages[id(raw)] = raw
            self.kept += raw.size
        while self.kept > self.most:
            _, oldest = self.ages.popitem(last=False)
            stack = self.waiting[oldest.size]
            stack.popleft()  # of its size it is the oldest too
            if not stack:
                del self.waiting[oldest.size]
            self.kept -= oldest.size

    def clear(self) -> None:
        """Free all that waits."""
        with self.lock:
            self.sort_in()
            self.waiting.clear()
            self.ages.clear()
            self.kept = 0


_shelf = _Shelf()
_loans: dict[int, Any] = {}  # by size, the type of its loans


def _loan_type(size: int) -> Any:
    """Return the type of loans of so many bytes: a ctypes array that gives its memory back when it goes."""

    def __del__(self: Any, give: Any = _shelf.give) -> None:
        give(self.memory)

    kind = type("Loan", (ctypes.c_char * size,), {"__del__": __del__})
    return _loans.setdefault(size, kind)


def recycled(shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
    """Return an uninitialised array in C order, in memory that has been used before where there is some.

    Small arrays, and those that hold objects, are NumPy's own.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray
        Its memory begins at a multiple of 64 bytes, if it has `LEAST` bytes or more.
    """
    dtype = np.dtype(dtype)
    nbytes = prod(shape) * dtype.itemsize
    if nbytes < LEAST or dtype.hasobject or is_tracing():
        return np.empty(shape, dtype)
    # Sizes are rounded up by an eighth at most, so that arrays of nearly the same size can follow each other.
    step = 1 << (nbytes.bit_length() - 4)
    size = (nbytes + step - 1) // step * step
    raw = _shelf.take(size + _ALIGNMENT)
    start = _address(raw)
    loan = (_loans.get(size) or _loan_type(size)).from_address(start + -start % _ALIGNMENT)
    loan.memory = raw
    return np.ndarray(shape, dtype, loan)


def _address(raw: _Raw) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(raw))  # type: ignore[arg-type]


def get_kept_memory() -> int:
    """Return how many bytes may wait to be used again, at most."""
    return _shelf.most


def set_kept_memory(nbytes: int) -> None:
    """Set how many bytes may wait to be used again, at most; 0 keeps nothing.

    Parameters
    ----------
    nbytes : int
        At least 0. The start value is 512 MiB.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is negative.
    """
    if isinstance(nbytes, bool) or not isinstance(nbytes, int | np.integer):
        raise TypeError(f"nbytes must be a whole number of bytes, but got {nbytes!r}.")
    if nbytes < 0:
        raise ValueError(f"nbytes must be at least 0, but got {nbytes}.")
    _shelf.most = int(nbytes)
    with _shelf.lock:
        _shelf.sort_in()


def release_memory() -> None:
    """Free the memory that waits to be used again."""
    _shelf.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shelf.forget)
