"""The order of an (N, C, *spatial) array in memory: channels first, or channels last, whatever its shape says."""

from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array

__all__ = ["allocate", "has_channels_last"]


def has_channels_last(array: Array, otherwise: bool) -> bool:
    """Return whether the channels of an (N, C, *spatial) array are adjacent in memory, by its strides.

    Axes of length one say nothing, nor do those that repeat one element (stride 0). Where the others leave it open,
    as with one channel, the answer is `otherwise`.
    """
    channels, *positions = (abs(s) if size > 1 else 0 for size, s in zip(array.shape[1:], array.strides[1:]))
    least = min(filter(None, positions), default=0)
    if not channels or not least or channels == least:
        return otherwise
    return channels < least


def allocate(shape: tuple[int, ...], dtype: np.dtype[Any], channels_last: bool) -> Array:
    """Allocate an (N, C, *spatial) result whose memory has the channels last or first."""
    if not channels_last:
        return runtime.empty(shape, dtype)
    last = runtime.empty((shape[0], *shape[2:], shape[1]), dtype)
    return last.transpose(0, last.ndim - 1, *range(1, last.ndim - 1))
