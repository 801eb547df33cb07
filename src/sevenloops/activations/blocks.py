"""Elementwise kernels run piece by piece, so that the arrays between their steps stay in a core's cache."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array

__all__ = ["in_blocks"]

#: Elements of a piece. A step of a kernel costs about half a microsecond to begin, which is a tenth of its time then;
#: in float32 a piece is 128 KiB, so that five of them fit a second-level cache of 1 MiB.
BLOCK = 1 << 15

#: Elements for each thread: less takes a cheap kernel no longer than the other threads to wake.
WORTH_A_THREAD = 8 * BLOCK


def in_blocks(kernel: Callable[..., None], results: int = 1) -> Callable[..., None]:
    """Return an elementwise kernel that takes arrays of any size and memory order, of one shape, on all threads.

    Inputs may be broadcast against each other; the last `results` arrays are written to. Steps of a kernel that
    divide by zero or overflow do so on the way to a right result (1 / (1 + ∞) is 0), so nothing is warned of.
    """

    @wraps(kernel)
    def run(*arrays: Array, **attributes: Any) -> None:
        size = arrays[-1].size
        with np.errstate(all="ignore"):
            if size <= BLOCK:
                kernel(*arrays, **attributes)
                return

            def share(start: int) -> None:
                for piece in _pieces(arrays, results, start, min(start + step, size)):
                    kernel(*piece, **attributes)

            threads = size // WORTH_A_THREAD
            step = WORTH_A_THREAD // 2 if threads > 1 else size
            runtime.parallel(share, range(0, size, step), threads)

    return run


def _pieces(arrays: tuple[Array, ...], results: int, start: int, stop: int) -> Iterator[tuple[Array, ...]]:
    """Yield the elements from one to another, in the order of memory, as arrays of one axis."""
    flat = _flattened(arrays)
    if flat is not None:  # slices cost a tenth of what nditer's pieces do
        for at in range(start, stop, BLOCK):
            end = min(at + BLOCK, stop)
            yield tuple(array[at:end] for array in flat)
        return
    reading = len(arrays) - results
    pieces = np.nditer(
        list(arrays),
        # Buffers that are there when the range is set would be written back: over the elements at the beginning.
        flags=["external_loop", "buffered", "ranged", "delay_bufalloc"],
        op_flags=[["readonly"] if i < reading else ["writeonly"] for i in range(len(arrays))],
        order="K",
        buffersize=BLOCK,
    )
    with pieces:
        pieces.iterrange = (start, stop)  # type: ignore[misc]  # NumPy's stubs call it read-only
        pieces.reset()
        yield from pieces


def _flattened(arrays: tuple[Array, ...]) -> list[Array] | None:
    """View arrays of one shape with the elements of each in one order in memory, without gaps, along one axis."""
    first = arrays[-1]
    if any(array.shape != first.shape for array in arrays):
        return None
    axes = sorted(range(first.ndim), key=lambda axis: -first.strides[axis])
    turned = [array.transpose(axes) for array in arrays]
    return [array.reshape(-1) for array in turned] if all(a.flags.c_contiguous for a in turned) else None
