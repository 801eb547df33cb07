"""Work on pieces of arrays: where a piece and an array overlap, and pieces shared out among workers."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sevenloops import runtime

__all__ = ["overlap", "split", "spread"]

Unit = TypeVar("Unit")
Worker = TypeVar("Worker")


def overlap(starts: Sequence[int], lengths: Sequence[int], sizes: Sequence[int]) -> tuple[Any, Any]:
    """Return where a piece and an array overlap along their last axes: an index of the piece, and one of the array.

    Parameters
    ----------
    starts : sequence of int
        Where the piece begins in the array, per axis; outside too.
    lengths : sequence of int
        Of the piece.
    sizes : sequence of int
        Of the array.
    """
    inside, place = [], []
    for start, length, size in zip(starts, lengths, sizes):
        first = min(max(start, 0), size)
        stop = max(min(start + length, size), first)
        inside.append(slice(first - start, stop - start))
        place.append(slice(first, stop))
    return (..., *inside), (..., *place)


def split(count: int, parts: int) -> list[slice]:
    """Cut range(count) into `parts` slices as equal as possible."""
    return [slice(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def spread(work: Callable[[Unit, Worker], None], units: Sequence[Unit], workers: Sequence[Worker]) -> None:
    """Call ``work(unit, worker)`` for every unit, at the same time for different workers.

    Which worker a unit gets depends on nothing but their numbers.
    """

    def share(number: int) -> None:
        for unit in units[number :: len(workers)]:
            work(unit, workers[number])

    runtime.parallel(share, range(min(len(workers), len(units))))
