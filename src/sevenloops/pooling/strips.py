"""Strips of an array that fit a core's cache, and arrays without gaps as one axis."""

from collections.abc import Callable

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.memory import has_channels_last

__all__ = ["each_strip", "flat_with_steps"]

#: Bytes of an array below which waking a second thread costs more than it saves.
PARALLEL_BYTES = 4 * 1024 * 1024


def flat_with_steps(array: Array) -> tuple[Array, tuple[int, int, int]] | None:
    """View an (N, C, *spatial) array in memory order as one axis, where it has no gaps.

    Returns
    -------
    tuple or None
        The view, and how many elements apart neighbours are along the batch, the channels and the flattened plane.
        None if the array is contiguous neither with the channels first nor with the channels last.
    """
    channels, plane = array.shape[1], array[0, 0].size
    if array.flags.c_contiguous:
        return array.reshape(-1), (channels * plane, plane, 1)
    last = np.moveaxis(array, 1, -1)
    if last.flags.c_contiguous:
        return last.reshape(-1), (channels * plane, 1, channels)
    return None


def each_strip(array: Array, function: Callable[[tuple[slice, slice]], None]) -> None:
    """Call ``function(strip)`` for parts of an (N, C, *spatial) array that together are all of it, in any order.

    A part is a slice of the images and one of the channels, of a size that fits the cache. Channels that are nearest
    in memory are not cut apart. Large arrays use the thread pool.
    """
    batch, channels = array.shape[:2]
    plane = array[0, 0].size * array.itemsize
    images = runtime.CACHE_BYTES // (plane * channels)
    if images or has_channels_last(array, otherwise=False):
        step = max(images, 1)
        work = [(slice(n, n + step), slice(None)) for n in range(0, batch, step)]
    else:
        step = max(runtime.CACHE_BYTES // plane, 1)
        work = [(slice(n, n + 1), slice(c, c + step)) for n in range(batch) for c in range(0, channels, step)]
    if array.nbytes >= PARALLEL_BYTES:
        runtime.parallel(function, work)
    else:
        for strip in work:
            function(strip)
