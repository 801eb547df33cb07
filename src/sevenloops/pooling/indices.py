"""Which element of a window is the largest, where it lies in the plane, and the gradient's way back to it.

The largest is the one that PyTorch finds: of equals the first in row-major order, and of NaNs, which are larger than
all else, the last.

Taps are numbered in row-major order of the kernel. Window i of an axis starts at ``i·s - p`` and its tap u lies at
``i·s - p + u·d``, so a position in the plane is the sum of a number of the window and a number of the tap.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.geometry import PoolGeometry
from sevenloops.pooling.strips import flat_with_steps

__all__ = ["Candidates", "first_maximum", "pitches", "running_maximum", "scatter", "write_positions"]

#: Yields for each tap, in order, an index of the outputs that have it inside the input, and its elements there.
Candidates: TypeAlias = Callable[[], Iterable[tuple[Any, Array]]]


def first_maximum(values: Array) -> tuple[Array, Array]:
    """Return the maxima along the last axis, and which element of it each is."""
    maxima, taps = values.max(-1), values.argmax(-1)
    nan = np.isnan(maxima)
    if nan.any():  # argmax gives the first NaN
        taps[nan] = values.shape[-1] - 1 - np.isnan(values[nan][:, ::-1]).argmax(-1)
    return maxima, taps


def running_maximum(candidates: Candidates, count: int, maxima: Array) -> Array:
    """Write the largest of `count` candidates to `maxima`, tap by tap, and return the number of its tap.

    Outputs without a candidate, or with none above -inf, get tap 0.
    """
    taps = np.zeros_like(maxima, dtype=np.min_scalar_type(count - 1))
    _run(candidates, maxima, taps, has_nan=False)
    if np.isnan(maxima.max()):
        taps.fill(0)
        _run(candidates, maxima, taps, has_nan=True)
    return taps


def _run(candidates: Candidates, maxima: Array, taps: Array, has_nan: bool) -> None:
    elements, numbers = runtime.empty_like(maxima), runtime.empty_like(taps)
    larger = runtime.empty_like(maxima, bool)
    for tap, (outputs, source) in enumerate(candidates()):
        # Copied once, so that strides are paid for once, and the rest runs over contiguous memory whole.
        target = elements if tap else maxima
        if source.shape != maxima.shape:
            target.fill(-np.inf)
        target[outputs] = source
        if tap == 0:
            continue
        np.greater(elements, maxima, out=larger)
        if has_nan:
            larger |= np.isnan(elements)
        np.maximum(maxima, elements, out=maxima)
        # Taps come in rising order: the last one that was larger has the largest number.
        np.multiply(larger.view(np.uint8), taps.dtype.type(tap), out=numbers)
        np.maximum(taps, numbers, out=taps)


def write_positions(taps: Array, maxima: Array, geometry: PoolGeometry, out: Array) -> None:
    """Write the positions in the plane of the taps of (N, C, *output_size) windows to `out`.

    A window whose maximum is -inf may have seen nothing but padding: then its position is -1, and otherwise that of
    its first tap inside the input, whatever `taps` says.
    """
    of_window, of_tap, of_first = _numbers(geometry)
    np.add(of_tap[taps], of_window, out=out)
    if of_first is not None:
        lowest = maxima == -np.inf
        if lowest.any():
            np.copyto(out, of_first, where=lowest)


@lru_cache(maxsize=256)
def _numbers(geometry: PoolGeometry) -> tuple[Array, Array, Array | None]:
    """Return the parts of a position: of each window, of each tap; and the first position, where there is padding."""
    of_window = np.zeros(geometry.output_size, np.int64)
    of_tap = np.zeros(geometry.kernel_size, np.int64)
    of_first = np.zeros(geometry.output_size, np.int64)
    nothing = np.zeros(geometry.output_size, bool)
    for axis, pitch in enumerate(pitches(geometry.input_size)):
        across = (-1, *(1,) * (geometry.axes - axis - 1))
        start = np.arange(geometry.output_size[axis]) * geometry.stride[axis] - geometry.padding[axis][0]
        first = geometry.first_taps(axis)
        inside = np.array([0 if tap is None else tap for tap in first]) * geometry.dilation[axis]
        of_window += (start * pitch).reshape(across)
        of_tap += (np.arange(geometry.kernel_size[axis]) * geometry.dilation[axis] * pitch).reshape(across)
        of_first += ((start + inside) * pitch).reshape(across)
        nothing |= np.array([tap is None for tap in first]).reshape(across)
    of_first[nothing] = -1
    return of_window, of_tap.reshape(-1), of_first if geometry.is_padded else None


def pitches(size: tuple[int, ...]) -> tuple[int, ...]:
    """Return how many elements of a flattened plane lie between neighbours along each of its axes."""
    return tuple(prod(size[axis + 1 :]) for axis in range(len(size)))


def scatter(grad_output: Array, indices: Array, out: Array) -> None:
    """Add each gradient (N, C, *output_size) to the element of `out` (N, C, *input_size) that its index names.

    Everything else is zero; an index of -1 names nothing.
    """
    found = flat_with_steps(out)
    if found is None:
        copy = runtime.empty(out.shape, out.dtype)
        scatter(grad_output, indices, copy)
        out[...] = copy
        return
    flat, (image, channel, element) = found
    flat.fill(0)
    images, channels = np.arange(out.shape[0]) * image, np.arange(out.shape[1]) * channel
    start = (images[:, None] + channels).reshape(*out.shape[:2], *(1,) * (out.ndim - 2))
    target = indices + start if element == 1 else indices * element + start
    if element != 1:  # walk along the channels, in the order of the memory
        target, grad_output, indices = (np.moveaxis(a, 1, -1) for a in (target, grad_output, indices))
    if indices.min() < 0:
        inside = indices >= 0
        target, grad_output = target[inside], grad_output[inside]
    np.add.at(flat, target.reshape(-1).astype(np.intp, copy=False), grad_output.reshape(-1))
