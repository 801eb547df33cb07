"""windows: a strided view of all windows, reduced in one call; nothing is copied but the border.

Back, a view cannot help: windows that overlap share elements, and NumPy writes each place of a view once. So the
gradient goes by positions, which `np.add.at` adds up one by one.
"""

from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.geometry import PoolGeometry
from sevenloops.pooling.indices import first_maximum, scatter, write_positions
from sevenloops.pooling.registry import PoolAlgorithm, register
from sevenloops.strides import padded, window_view

__all__ = ["ALGORITHM"]


def max_forward(x: Array, geometry: PoolGeometry, out: Array, indices: Array | None) -> None:
    """Take the maximum over the axes of the window."""
    view = window_view(padded(x, geometry, False, -np.inf), geometry)
    if indices is None:
        # Not np.max(…, out=out): NumPy 2.0 and 2.1 then start at the wrong end of axes with negative strides.
        out[...] = view.max(_window_axes(geometry))
        return
    # One axis at a time, from the last: the winner of each row, then of the rows, which keeps the row-major order.
    maxima, taps = first_maximum(view)
    pitch = geometry.kernel_size[-1]
    for k in reversed(geometry.kernel_size[:-1]):
        maxima, winner = first_maximum(maxima)
        taps = np.take_along_axis(taps, winner[..., None], -1)[..., 0] + winner * pitch
        pitch *= k
    out[...] = maxima
    write_positions(taps, out, geometry, indices)


def max_input_grad(grad_output: Array, indices: Array, geometry: PoolGeometry, out: Array) -> None:
    """Add each gradient to the position of its maximum."""
    scatter(grad_output, indices, out)


def avg_forward(x: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Add up over the axes of the window and divide."""
    view = window_view(padded(x, geometry, False), geometry)
    np.sum(view, axis=_window_axes(geometry), out=out)
    np.divide(out, divisor, out=out)


def avg_input_grad(grad_output: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Add each output's share to all positions of its window; padding is one more position, which is dropped."""
    batch, channels, plane = *out.shape[:2], out[0, 0].size
    numbered = np.arange(plane).reshape(1, 1, *geometry.input_size)
    positions = window_view(padded(numbered, geometry, False, plane), geometry)[0, 0]
    total = runtime.empty((batch, channels, plane + 1), out.dtype)
    total.fill(0)
    shares = grad_output / divisor
    at: Any = (slice(None), slice(None), positions)
    np.add.at(total, at, shares[(..., *[None] * geometry.axes)])
    out[...] = total[..., :plane].reshape(out.shape)


def _window_axes(geometry: PoolGeometry) -> tuple[int, ...]:
    return tuple(range(-geometry.axes, 0))


ALGORITHM = register(
    PoolAlgorithm(
        name="windows",
        summary="a strided view of all windows, one reduction; back by positions",
        max_forward=max_forward,
        max_input_grad=max_input_grad,
        avg_forward=avg_forward,
        avg_input_grad=avg_input_grad,
    )
)
