"""Images cut into equal pieces of one channel each, so that sums over pieces are fast in every memory order.

A piece is a row or a column of a matrix whose memory lies as the image's does:

    channels first       (N, C·R, S/R)      a piece is a row: one of R parts of one channel of one image
    channels last        (N, S/R, R·C)      a piece is a column: R of them side by side make short rows longer
    few positions        (1, N, C·S)        a piece is a column: one position of one channel in all images

Rows are summed by a product with ones, which BLAS does several times as fast as ``np.sum`` does. What is wanted of
whole channels or groups is put together from their pieces, in float64: that is little work, for pieces are few.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.memory import has_channels_last

__all__ = ["Pieces", "Scratch", "Strip", "for_each", "quiet", "strips"]

Strip: TypeAlias = tuple[slice, slice]
S = TypeVar("S")

_LONG_ROW = 1024  # elements from which the cost of starting a row does not show
_SHORT_ROW = 64
_MOST_OF_A_ROW = 2**15  # longer ones are cut, where that can be done evenly
_BUFFER = 1024
_WORTH_A_HOLD = 8_000  # elements of which BLAS takes the product with ones on one thread anyway
_WORTH_A_THREAD = 300_000  # elements: about 0.2 ms of one core's work, which waking another one costs


@contextmanager
def quiet() -> Iterator[None]:
    """Let infinities become NaN without a warning, and broadcast fast.

    NumPy's iterator copies a broadcast operand into its buffer while several rows fit into that, which takes longer
    than to start another row; a small buffer leaves that. On the way out `numpy.errstate` restores it.
    """
    with np.errstate(all="ignore"):
        np.setbufsize(_BUFFER)
        yield


def strips(length: int, row: int, itemsize: int) -> Iterator[slice]:
    """Cut `length` rows of `row` elements into strips of one size, of which three fit into the cache."""
    most = max(1, runtime.CACHE_BYTES // 3 // itemsize // max(row, 1))
    step = max(1, -(-length // max(1, -(-length // most))))
    for start in range(0, length, step):
        yield slice(start, start + step)


class Scratch:
    """Memory of one strip, used again for each, so that it stays in the cache."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._memory: dict[int, Array] = {}

    def like(self, block: Array, slot: int = 0) -> Array:
        """Return uninitialised memory of a block's shape; that of the last call with this slot is overwritten."""
        memory = self._memory.get(slot)
        if memory is None or block.size > memory.size:
            memory = self._memory[slot] = runtime.empty((block.size,), self.dtype)
        return memory[: block.size].reshape(block.shape)


def for_each(
    strips: Sequence[S], elements: int, dtype: np.dtype[Any], work: Callable[[int, S, Scratch], None]
) -> None:
    """Call ``work(number, strip, scratch)`` for each strip, on several threads where there is enough to do.

    What a call finds out it must put in a place of its own; added up by number, sums do not depend on the threads.
    """

    def run(numbers: range) -> None:
        scratch = Scratch(dtype)
        for number in numbers:
            work(number, strips[number], scratch)

    if elements < _WORTH_A_HOLD:
        run(range(len(strips)))
        return
    threads = min(runtime.get_num_threads(), elements // _WORTH_A_THREAD)
    step = max(1, -(-len(strips) // (2 * threads if threads > 1 else 1)))
    with runtime.single_threaded_blas():
        runtime.parallel(run, [range(i, min(i + step, len(strips))) for i in range(0, len(strips), step)], threads)


class Pieces(NamedTuple):
    """How an (N, C, *spatial) array is cut.

    Attributes
    ----------
    shape : tuple
        (I, A, B): what `view` makes of the array.
    columns : bool
        Whether a piece is a column of an (A, B) matrix, instead of a row.
    before, channels, after : int
        The pieces of a matrix are before · channels · after.
    last : bool
        Whether the memory has the channels last.
    """

    shape: tuple[int, int, int]
    columns: bool
    before: int
    channels: int
    after: int
    last: bool

    @classmethod
    def of(cls, x: Array, merge: bool) -> Self:
        """Return the way to cut `x`; with `merge` a piece may have positions of several images."""
        images, channels = x.shape[:2]
        positions = prod(x.shape[2:])
        last = has_channels_last(x, otherwise=positions == 1)
        if last:
            count, rows = (1, images * positions) if merge else (images, positions)
            side = max((r for r in range(1, _LONG_ROW // max(channels, 1) + 1) if rows % r == 0), default=1)
            return cls((count, rows // side, side * channels), True, side, channels, 1, last)
        if merge and positions < _SHORT_ROW:
            return cls((1, images, channels * positions), True, 1, channels, positions, last)
        most = max(1, positions // _SHORT_ROW)
        parts = next((r for r in range(positions // _MOST_OF_A_ROW + 1, most) if positions % r == 0), 1)
        return cls((images, channels * parts, positions // parts), False, 1, channels, parts, last)

    @property
    def size(self) -> int:
        """The number of elements of a piece."""
        return self.shape[1 if self.columns else 2]

    def view(self, x: Array) -> Array:
        """Return the array as (I, A, B): a view where its memory is dense and in the order of the pieces."""
        return (x.transpose(0, *range(2, x.ndim), 1) if self.last else x).reshape(self.shape)

    def strips(self, itemsize: int) -> list[Strip]:
        """Return indices of strips that fit into the cache: several matrices, or some lines of one."""
        images, lines, line = self.shape
        whole = list(strips(images, lines * line, itemsize))
        parts = [slice(None)] if len(whole) < images else list(strips(lines, line, itemsize))
        return [(matrices, part) for matrices in whole for part in parts]

    def spread(self, values: Array, dtype: Any) -> Array:
        """Return values of channels, (I or 1, C), so that they broadcast against `view`."""
        count = len(values)
        full = np.broadcast_to(values[:, None, :, None], (count, self.before, self.channels, self.after))
        flat = full.reshape(count, -1).astype(dtype)
        return flat[:, None, :] if self.columns else flat[:, :, None]

    def at(self, spread: Array, strip: Strip) -> Array:
        """Return the part of spread values that belongs to a strip."""
        matrices, lines = strip
        return spread[slice(None) if len(spread) == 1 else matrices, slice(None) if self.columns else lines]

    def sums(self, strips: Sequence[Strip], parts: Sequence[Array]) -> Array:
        """Return the sums of whole pieces, (I, pieces), from those of the strips."""
        total = np.zeros((self.shape[0], self.before * self.channels * self.after))
        for (matrices, lines), part in zip(strips, parts):
            if self.columns:
                total[matrices] += part
            else:
                total[matrices, lines] = part
        return total

    def sum(self, block: Array) -> Array:
        """Return the sums of the parts of pieces that are in a strip."""
        ones = np.ones(block.shape[1 if self.columns else 2], block.dtype)
        result: Array = np.matmul(ones, block) if self.columns else np.matmul(block, ones)
        return result

    def dot(self, a: Array, b: Array, scratch: Array) -> Array:
        """Return those of the products a · b; `scratch`, which may be `a` or `b`, is overwritten."""
        if self.columns:
            return self.sum(np.multiply(a, b, out=scratch))
        result: Array = np.vecdot(a, b)
        return result

    def by_channel(self, totals: Array) -> Array:
        """Return (I, C, pieces of each channel)."""
        parts = totals.reshape(self.shape[0], self.before, self.channels, self.after)
        return parts.swapaxes(1, 2).reshape(self.shape[0], self.channels, self.before * self.after)
