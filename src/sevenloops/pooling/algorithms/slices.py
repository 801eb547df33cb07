"""slices: tap u of all windows is one strided slice of the input, so a window is reduced by combining shifted slices.

A maximum or a sum over a window of several axes is one over the last axis of one over the others, so the axes go one
by one: kH + kW slices instead of kH·kW, each pass on what the one before has left. Padding is not copied: at the
border a slice is shorter, and combined with those windows only whose tap it is.

Which element was the largest takes all kH·kW slices, in order.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from sevenloops.arrays import Array
from sevenloops.geometry import PoolGeometry
from sevenloops.memory import allocate, has_channels_last
from sevenloops.pooling.indices import running_maximum, scatter, write_positions
from sevenloops.pooling.registry import PoolAlgorithm, register
from sevenloops.pooling.strips import each_strip

__all__ = ["ALGORITHM"]

Strip = tuple[slice, slice]


def max_forward(x: Array, geometry: PoolGeometry, out: Array, indices: Array | None) -> None:
    """Take the maximum of shifted slices."""
    if indices is None:
        passes = _passes(geometry)
        each_strip(x, lambda strip: _reduce(np.maximum, x[strip], passes, out[strip], -np.inf))
        return

    def positions(strip: Strip) -> None:
        source, maxima = x[strip], out[strip]
        taps = running_maximum(lambda: _slices(source, geometry), geometry.taps, maxima)
        write_positions(taps, maxima, geometry, indices[strip])

    each_strip(x, positions)


def max_input_grad(grad_output: Array, indices: Array, geometry: PoolGeometry, out: Array) -> None:
    """Add each gradient to the position of its maximum."""
    each_strip(out, lambda strip: scatter(grad_output[strip], indices[strip], out[strip]))


def avg_forward(x: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Add up shifted slices and divide."""
    passes = _passes(geometry)

    def average(strip: Strip) -> None:
        total = out[strip]
        _reduce(np.add, x[strip], passes, total, 0)
        np.divide(total, divisor, out=total)

    each_strip(x, average)


def avg_input_grad(grad_output: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Add the shares of all windows to the shifted slices of the result, one axis after the other."""
    passes = _passes(geometry)
    each_strip(out, lambda strip: _spread(grad_output[strip] / divisor, passes, out[strip]))


def _slices(x: Array, geometry: PoolGeometry) -> Iterator[tuple[Any, Array]]:
    """Yield, for each tap in row-major order, the index of the outputs that have it, and its elements there."""
    for tap in product(*map(range, geometry.kernel_size)):
        outputs: list[Any] = [...]
        inputs: list[Any] = [...]
        for axis, u in enumerate(tap):
            windows, positions = geometry.tap_slices(axis, u)
            outputs.append(windows)
            inputs.append(positions)
        yield tuple(outputs), x[tuple(inputs)]


class _Pass(NamedTuple):
    """What pooling does along one axis."""

    axis: int  # of (N, C, *spatial)
    input_length: int
    output_length: int
    overlap: bool  # whether windows share positions
    covered: bool  # whether every position belongs to a window
    taps: tuple[tuple[Any, Any], ...]  # for each tap, the indices of the windows that have it and of its elements


@lru_cache(maxsize=256)
def _passes(geometry: PoolGeometry) -> tuple[_Pass, ...]:
    """Return the passes along those axes along which anything is pooled."""
    passes = []
    for axis, (k, s, length) in enumerate(zip(geometry.kernel_size, geometry.stride, geometry.input_size)):
        if (k, s) == (1, 1):
            continue
        pairs = [geometry.tap_slices(axis, tap) for tap in range(k)]
        reached = {position for _, positions in pairs for position in range(length)[positions]}
        before = (slice(None),) * (2 + axis)
        taps = tuple(((*before, windows), (*before, positions)) for windows, positions in pairs)
        overlap = s < geometry.effective_kernel[axis]
        passes.append(_Pass(2 + axis, length, geometry.output_size[axis], overlap, len(reached) == length, taps))
    return tuple(passes)


def _reduce(ufunc: np.ufunc, x: Array, passes: tuple[_Pass, ...], out: Array, start: float) -> None:
    """Combine each window of `x` with a commutative ufunc, whose neutral element is `start`."""
    if not passes:
        out[...] = x
    last = has_channels_last(x, otherwise=False)
    for along in passes:
        result = out
        if along is not passes[-1]:
            shape = (*x.shape[: along.axis], along.output_length, *x.shape[along.axis + 1 :])
            result = allocate(shape, x.dtype, last)
        taps = [(result[windows], x[positions]) for windows, positions in along.taps]
        whole = [source for target, source in taps if target.shape == result.shape]
        if len(whole) > 1:
            ufunc(whole[0], whole[1], out=result)
        else:
            result[...] = whole[0] if whole else start
        for source in whole[2:]:
            ufunc(result, source, out=result)
        for target, source in taps:
            if target.shape != result.shape:
                ufunc(target, source, out=target)
        x = result


def _spread(shares: Array, passes: tuple[_Pass, ...], out: Array) -> None:
    """Write the adjoint of the sum over each window to `out`."""
    if not passes:
        out[...] = shares
    last = has_channels_last(out, otherwise=False)
    for along in reversed(passes):
        result = out
        if along is not passes[0]:
            shape = (*shares.shape[: along.axis], along.input_length, *shares.shape[along.axis + 1 :])
            result = allocate(shape, out.dtype, last)
        taps = [(result[positions], shares[windows]) for windows, positions in along.taps]
        if along.overlap or not along.covered:
            result.fill(0)
        for target, source in taps:
            if along.overlap:
                target += source
            else:
                target[...] = source
        shares = result


ALGORITHM = register(
    PoolAlgorithm(
        name="slices",
        summary="the sum or maximum of shifted strided slices, axis by axis; nothing is copied",
        max_forward=max_forward,
        max_input_grad=max_input_grad,
        avg_forward=avg_forward,
        avg_input_grad=avg_input_grad,
    )
)
