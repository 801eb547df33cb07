"""Matrix products on the library's own threads, with BLAS held to one: its threads and ours would fight for cores."""

from math import ceil

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array

__all__ = ["matmul", "matmul_into"]

# Multiply-adds from which a second thread gains more than waking it costs: about 0.2 ms of one core's work.
_WORTH_A_THREAD = 8_000_000


def matmul(a: Array, b: Array) -> Array:
    """Return ``numpy.matmul(a, b)`` of arrays of any number of axes."""
    if a.ndim == b.ndim == 2:
        out = runtime.empty((a.shape[0], b.shape[1]), a.dtype)
        matmul_into(a, b, out)
        return out
    with runtime.single_threaded_blas():
        result: Array = np.matmul(a, b)
    return result


def matmul_into(a: Array, b: Array, out: Array) -> None:
    """Write the product of matrices (M, K) and (K, N) to `out`, (M, N); nothing is checked.

    Large products are cut along the longer side of the result. Each element is a sum over all of K by one thread, so
    the cut changes no sum.
    """
    rows, columns = out.shape
    threads = min(runtime.get_num_threads(), rows * columns * a.shape[1] // _WORTH_A_THREAD)
    if threads < 2:
        with runtime.single_threaded_blas():
            np.matmul(a, b, out=out)
        return
    size = ceil(max(rows, columns) / threads)
    pieces = [slice(start, start + size) for start in range(0, max(rows, columns), size)]

    def by_rows(piece: slice) -> None:
        np.matmul(a[piece], b, out=out[piece])

    def by_columns(piece: slice) -> None:
        np.matmul(a, b[:, piece], out=out[:, piece])

    runtime.parallel(by_rows if rows >= columns else by_columns, pieces)
