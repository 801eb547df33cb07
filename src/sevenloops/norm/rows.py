"""Normalisation of rows on plain arrays: layer norm and RMS norm, forward and gradient, in one pass each.

x is (M, D); weight and bias are (D,) or None. Each row is normalised by itself, so a strip of rows is read once, and
stays in the cache for all that is done with it. `centred` says whether the mean is subtracted: layer norm does, RMS
norm does not. Kernels write `out`, (M, D), and check nothing.

Of a row with mean m, first m is rounded to c; d = x - c is small and exact, and tells what is missing:
r = avg d = m - c, variance = avg d² - r². The mean is kept as c + r, in float64.
"""

from typing import Any

import numpy as np

from sevenloops.arrays import Array, compute_dtype
from sevenloops.norm.pieces import Scratch, for_each, quiet, strips

__all__ = ["normalise_rows", "normalise_rows_grad"]

_MOST_SUMS = 16
_ROWS_PER_SUM = 32


def normalise_rows(
    x: Array, weight: Array | None, bias: Array | None, eps: float, centred: bool, out: Array
) -> tuple[Array, Array]:
    """Write (x - mean) · rstd · weight + bias; return mean and rstd = 1 / √(variance + eps), (M,), in float64.

    If not `centred` the mean is taken as 0, and so the variance is the mean of the squares.
    """
    dtype = compute_dtype(x.dtype)
    ones = np.full(x.shape[1], 1 / max(x.shape[1], 1), dtype)
    mean, rstd = np.zeros(len(x)), np.empty(len(x))
    factor, offset = (None if v is None else v.astype(dtype, copy=False) for v in (weight, bias))

    def work(number: int, strip: slice, scratch: Scratch) -> None:
        block, target = x[strip].astype(dtype, copy=False), out[strip]
        room = target if target.dtype == dtype else scratch.like(target)
        rest = np.zeros(len(block))
        if centred:
            centre = block @ ones
            np.subtract(block, centre[:, None], out=room)
            rest += room @ ones
            mean[strip] = centre + rest
            block = room
        variance = np.vecdot(block, block) / np.float64(max(x.shape[1], 1)) - rest**2
        rstd[strip] = 1 / np.sqrt(np.maximum(variance, 0) + eps)
        np.multiply(block, _column(rstd[strip], dtype), out=room)
        _add_column(room, -rest * rstd[strip])
        if factor is not None:
            room *= factor
        if offset is not None:
            room += offset
        if room is not target:
            np.copyto(target, room, casting="same_kind")

    with quiet():
        for_each(list(strips(len(x), x.shape[1], dtype.itemsize)), x.size, dtype, work)
    return mean, rstd


def normalise_rows_grad(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    centred: bool,
    parameters: bool,
    out: Array | None,
) -> tuple[Array, Array]:
    """Write the gradient by x, if `out` is given, and return those by weight and bias, (D,), if `parameters`.

    With x̂ = (x - mean) · rstd, h = grad · weight and averages over each row

        dx = rstd · (h - avg h - x̂ · avg(h · x̂))        dweight = Σ grad · x̂        dbias = Σ grad

    where avg h is left out if not `centred`: it is what the mean passes on.
    """
    dtype = compute_dtype(x.dtype)
    averages = np.full(x.shape[1], 1 / max(x.shape[1], 1), dtype)
    factor = None if weight is None else weight.astype(dtype, copy=False)
    pieces = list(strips(len(x), x.shape[1], dtype.itemsize))
    groups = _groups(pieces, len(x))
    sums = np.zeros((2, len(groups), x.shape[1]) if parameters else (2, 1, 1))

    def work(number: int, group: list[slice], scratch: Scratch) -> None:
        for strip in group:
            one(number, strip, scratch)

    def one(number: int, strip: slice, scratch: Scratch) -> None:
        g = grad[strip].astype(dtype, copy=False)
        normal = _normal(x[strip], mean[strip], rstd[strip], scratch)
        h = scratch.like(g, slot=1)
        if parameters:
            ones = np.ones(len(g), dtype)
            sums[0, number] += ones @ np.multiply(g, normal, out=h)
            sums[1, number] += ones @ g
        if out is None:
            return
        if factor is None:
            np.copyto(h, g)
        else:
            np.multiply(g, factor, out=h)
        normal *= _column(np.vecdot(h, normal) * dtype.type(1 / max(x.shape[1], 1)), dtype)
        if centred:
            normal += _column(h @ averages, dtype)
        h -= normal
        np.multiply(h, _column(rstd[strip], dtype), out=out[strip], casting="same_kind")

    with quiet():
        for_each(groups, x.size, dtype, work)
    dweight, dbias = sums.sum(1)
    return dweight, dbias


def _groups(strips: list[slice], rows: int) -> list[list[slice]]:
    """Return strips in groups that have a sum each: so few that the sums are small beside the rows."""
    count = max(1, min(_MOST_SUMS, rows // _ROWS_PER_SUM))
    size = max(1, -(-len(strips) // count))
    return [strips[i : i + size] for i in range(0, len(strips), size)]


def _normal(x: Array, mean: Array, rstd: Array, scratch: Scratch) -> Array:
    """Return x̂, in the scratch memory."""
    centre = mean.astype(scratch.dtype)
    normal = scratch.like(x)
    np.subtract(x, centre[:, None], out=normal)
    normal *= _column(rstd, scratch.dtype)
    _add_column(normal, (centre - mean) * rstd)
    return normal


def _add_column(normal: Array, column: Array) -> None:
    """Add a number per row to normalised rows, unless all are less than what rounds numbers of about 1."""
    if not np.abs(column).max(initial=0) <= np.finfo(normal.dtype).eps / 4:  # NaN counts as more
        normal += _column(column, normal.dtype)


def _column(values: Array, dtype: np.dtype[Any]) -> Array:
    return values.astype(dtype, copy=False).reshape(-1, 1)
