"""Adaptive and global pooling: so many windows, of the sizes that then follow.

Windows of one size side by side are plain pooling, and go there. One window over everything is one reduction. What
remains is windows of two or three sizes: tap t of all windows along an axis is fetched by index, axis by axis.
"""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np

from sevenloops import backends
from sevenloops.arrays import Array
from sevenloops.geometry import AdaptiveGeometry
from sevenloops.pooling import registry
from sevenloops.pooling.indices import first_maximum, running_maximum, scatter
from sevenloops.pooling.strips import each_strip

__all__ = ["avg_forward", "avg_input_grad", "max_forward", "max_input_grad"]


def max_forward(x: Array, geometry: AdaptiveGeometry, out: Array, indices: Array | None) -> None:
    """Write the maximum of each window to `out`, and its position in the plane to `indices` if that is not None."""
    if _is_global(geometry):
        _global_max(x, out, indices)
    elif geometry.fixed:
        registry.kernel("max_pool", "forward", registry.AUTO)(x, geometry.fixed, out, indices)
    elif indices is None:
        for axis in range(geometry.axes):
            starts, ends = _bounds(geometry, axis)
            result = x.take(starts, 2 + axis)
            for tap in range(1, max(ends - starts)):
                np.maximum(result, x.take(np.minimum(starts + tap, ends - 1), 2 + axis), out=result)
            x = result
        out[...] = x
    else:
        each_strip(x, lambda strip: _max_with_positions(x[strip], geometry, out[strip], indices[strip]))


def max_input_grad(grad_output: Array, indices: Array, geometry: AdaptiveGeometry, out: Array) -> None:
    """Add each gradient to the position of its maximum."""
    each_strip(out, lambda strip: scatter(grad_output[strip], indices[strip], out[strip]))


def avg_forward(x: Array, divisor: Array, geometry: AdaptiveGeometry, out: Array) -> None:
    """Write the average of each window to `out`."""
    if _is_global(geometry):
        np.sum(x, axis=tuple(range(2, x.ndim)), keepdims=True, out=out)
        np.divide(out, divisor, out=out)
    elif geometry.fixed:
        registry.kernel("avg_pool", "forward", registry.AUTO)(x, divisor, geometry.fixed, out)
    else:
        np.divide(_window_sums(x, geometry), divisor, out=out)


def avg_input_grad(grad_output: Array, divisor: Array, geometry: AdaptiveGeometry, out: Array) -> None:
    """Write the sum of the shares that each element has in its windows to `out`."""
    shares = grad_output / divisor
    out[...] = shares if _is_global(geometry) else _window_sums(shares, geometry.reversed)


def _is_global(geometry: AdaptiveGeometry) -> bool:
    return set(geometry.output_size) == {1}


def _bounds(geometry: AdaptiveGeometry, axis: int) -> tuple[Array, Array]:
    """Return the starts and the ends of the windows of an axis."""
    starts, ends = np.array(geometry.bounds(axis), np.intp).T
    return starts, ends


def _window_sums(x: Array, geometry: AdaptiveGeometry) -> Array:
    """Return the sum of each window."""
    for axis in range(geometry.axes):
        starts, ends = _bounds(geometry, axis)
        before = (slice(None),) * (2 + axis)
        result = x.take(starts, 2 + axis)
        for tap in range(1, max(ends - starts)):
            longer = np.flatnonzero(starts + tap < ends)
            at: Any = (*before, longer)
            result[at] += x.take(starts[longer] + tap, 2 + axis)
        x = result
    return x


def _global_max(x: Array, out: Array, indices: Array | None) -> None:
    if indices is None:
        # Not np.max(…, out=out): NumPy 2.0 and 2.1 then start at the wrong end of axes with negative strides.
        out[...] = x.max(tuple(range(2, x.ndim)), keepdims=True)
        return
    maxima, positions = first_maximum(x.reshape(*x.shape[:2], -1))
    out[...] = maxima.reshape(out.shape)
    indices[...] = positions.reshape(out.shape)


def _max_with_positions(x: Array, geometry: AdaptiveGeometry, out: Array, indices: Array) -> None:
    """Compare tap by tap; a window with fewer taps than others has its last one again, which changes nothing."""
    places = []  # per axis: where each tap of each window lies, (taps, windows)
    for axis in range(geometry.axes):
        starts, ends = _bounds(geometry, axis)
        taps = np.arange(max(ends - starts))
        places.append(np.minimum(starts + taps[:, None], ends - 1))
    counts = tuple(map(len, places))

    def candidates() -> Iterator[tuple[Any, Array]]:
        for tap in product(*map(range, counts)):
            yield ..., x[(..., *np.ix_(*(place[u] for place, u in zip(places, tap))))]

    winners = np.unravel_index(running_maximum(candidates, prod(counts), out), counts)
    indices.fill(0)
    for axis, (place, winner) in enumerate(zip(places, winners)):
        windows = np.arange(geometry.output_size[axis]).reshape(-1, *(1,) * (geometry.axes - axis - 1))
        np.multiply(indices, geometry.input_size[axis], out=indices)
        np.add(indices, place[winner, windows], out=indices)


for _operation, _direction, _function in (
    ("adaptive_max_pool", "forward", max_forward),
    ("adaptive_max_pool", "input_grad", max_input_grad),
    ("adaptive_avg_pool", "forward", avg_forward),
    ("adaptive_avg_pool", "input_grad", avg_input_grad),
):
    backends.register(_operation, _direction, "numpy", _function)
    backends.register(_operation, _direction, "jit", f"sevenloops.jit.step.pooling:{_function.__name__}")
