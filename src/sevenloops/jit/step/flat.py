"""Arrays as runs of memory: where they begin, if an elementwise kernel may go through them from end to end."""

from collections.abc import Sequence

from sevenloops.arrays import Array
from sevenloops.jit.addresses import address

__all__ = ["address", "addresses", "apart", "memory_order"]

_FIRST = -(1 << 63)


def memory_order(array: Array) -> tuple[int, ...] | None:
    """Return the axes from the slowest to the fastest, if the array has no gaps and no element twice, else None.

    Axes of length 1 come first: their strides mean nothing.
    """
    shape, strides = array.shape, array.strides
    order = sorted(range(array.ndim), key=lambda axis: -strides[axis] if shape[axis] > 1 else _FIRST)
    step = array.itemsize
    for axis in reversed(order):
        if shape[axis] > 1:
            if strides[axis] != step:
                return None
            step *= shape[axis]
    return tuple(order)


def addresses(arrays: Sequence[Array]) -> list[int] | None:
    """Return where arrays begin whose memory is a run of elements, in one order; None if they are not like that.

    All must be of one shape and dtype, float32 or float64.
    """
    first = arrays[0]
    dtype, shape = first.dtype, first.shape
    if dtype.char not in "fd" or not dtype.isnative:
        return None
    plain = True
    for array in arrays:
        if array.shape != shape or array.dtype != dtype:
            return None
        plain = plain and array.flags.c_contiguous
    if not plain:
        order = memory_order(first)
        if order is None:
            return None
        for array in arrays[1:]:
            if memory_order(array) != order:
                return None
    return [address(array) for array in arrays]


def apart(written: int, read: Sequence[int], nbytes: int) -> bool:
    """Return whether a run that is written is none of those that are read, or just that, and overlaps no other."""
    return not any(start != written and abs(start - written) < nbytes for start in read)
