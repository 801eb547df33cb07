"""Indices into padded inputs: what one window covers, and what one tap of all windows reads.

Both begin with an ellipsis and index the spatial axes, which are the last ones.
"""

from itertools import product
from typing import Any, TypeAlias

from sevenloops.geometry import ConvGeometry

__all__ = ["Index", "at_last", "at_window", "tap_index", "taps", "window_index"]

Index: TypeAlias = tuple[Any, ...]


def window_index(position: tuple[int, ...], g: ConvGeometry) -> Index:
    """Return the index of the window at an output position: (…, *kernel_size)."""
    extents = zip(position, g.stride, g.effective_kernel, g.dilation, strict=True)
    return (..., *(slice(i * s, i * s + e, d) for i, s, e, d in extents))


def tap_index(tap: tuple[int, ...], g: ConvGeometry) -> Index:
    """Return the index of what a tap reads, in all windows: (…, *output_size)."""
    extents = zip(tap, g.dilation, g.stride, g.output_size, strict=True)
    return (..., *(slice(u * d, u * d + (n - 1) * s + 1, s) for u, d, s, n in extents))


def taps(g: ConvGeometry) -> list[tuple[int, ...]]:
    """Return the taps of the kernel, in the order of the weight."""
    return list(product(*map(range, g.kernel_size)))


def at_last(place: tuple[int, ...]) -> Index:
    """Return the index of one place on the last axes: a tap of (…, *kernel_size), a pixel of (…, *output_size)."""
    return (..., *place)


def at_window(position: tuple[int, ...], g: ConvGeometry) -> Index:
    """Return the index of one window in a view of all windows (…, *output_size, *kernel_size)."""
    return (..., *position, *(slice(None),) * g.axes)
