"""Statistics, normalisation and gradient by channels: batch, group and instance normalisation on plain arrays.

x is (N, C, *spatial), and `groups` says what is normalised together: None for a channel of all images (batch norm),
a number for that many groups of neighbouring channels of one image each (as many as channels: instance norm). So
statistics are (1, C) or (N, groups), in float64; weight and bias are (C,) or None. Kernels write `out`, which has
x's memory order, and check nothing.

Statistics take one pass over x. With a shift k near the mean,

    mean = k + Σ(x - k) / n        variance = Σ(x - k)² / n - (mean - k)²

lose digits only as far as (mean - k)² is larger than the variance. Here k is the mean of a sixteenth of each piece,
and the mean of a share p of any values is at most √(1/p - 1) standard deviations from the mean of all: not more than
four bits are lost, wherever the mean is. Equal pieces j are then put together without subtracting large numbers:
mean = avg mean_j, variance = avg (variance_j + (mean_j - mean)²).

A mean that is rounded to x's dtype is off by up to 2⁻²⁴ of itself, which a small standard deviation makes large. So x
is centred with the rounded mean c, which is exact for x near c, and the rest, c - mean, is taken into the offset.
"""

import numpy as np

from sevenloops.arrays import Array, compute_dtype
from sevenloops.norm.pieces import Pieces, Scratch, Strip, for_each, quiet

__all__ = ["normalise", "normalise_grad", "statistics"]

_SAMPLE = 16
_NONE = np.empty(0)  # the place of what a strip will give


def statistics(x: Array, groups: int | None) -> tuple[Array, Array]:
    """Return mean and (biased) variance."""
    pieces, dtype = Pieces.of(x, merge=groups is None), compute_dtype(x.dtype)
    view, strips = pieces.view(x), pieces.strips(dtype.itemsize)
    totals, squares = [_NONE] * len(strips), [_NONE] * len(strips)
    with quiet():
        shift = _sample_mean(view, pieces.columns, dtype)

        def work(number: int, strip: Strip, scratch: Scratch) -> None:
            block = view[strip]
            centred = scratch.like(block)
            np.subtract(block, pieces.at(shift, strip), out=centred)
            totals[number] = pieces.sum(centred)
            squares[number] = pieces.dot(centred, centred, centred)

        for_each(strips, x.size, dtype, work)
        total, square = (pieces.sums(strips, parts) / pieces.size for parts in (totals, squares))
        square -= total**2
        total += shift.reshape(total.shape)
        means, variances = (_by_group(pieces.by_channel(values), groups) for values in (total, square))
        mean = means.mean(2, keepdims=True)
        variance = (variances + (means - mean) ** 2).mean(2)
        return mean[..., 0], np.maximum(variance, 0, out=variance)


def _sample_mean(view: Array, columns: bool, dtype: np.dtype[np.floating]) -> Array:
    """Return the mean of the first sixteenth of each piece, as something that broadcasts against the view."""
    axis = 1 if columns else 2
    count = -(-view.shape[axis] // _SAMPLE)
    part = (view[:, :count] if columns else view[:, :, :count]).astype(dtype, copy=False)
    ones = np.full(count, 1 / max(count, 1), dtype)
    return (ones @ part)[:, None, :] if columns else (part @ ones)[:, :, None]


def _by_group(values: Array, groups: int | None) -> Array:
    """Return (I, C, pieces) as (statistics, …, what each is put together from)."""
    if groups is None:
        return values.swapaxes(0, 1).reshape(1, values.shape[1], -1)
    return values.reshape(len(values), groups, -1)


def _by_channel(values: Array, channels: int) -> Array:
    """Return statistics, (1, C) or (N, groups), as (1 or N, C)."""
    return np.repeat(values, channels // max(values.shape[1], 1), axis=1)


def normalise(
    x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, groups: int | None, out: Array
) -> None:
    """Write (x - mean) · rstd · weight + bias."""
    pieces, dtype = Pieces.of(x, merge=groups is None), compute_dtype(x.dtype)
    view, written = pieces.view(x), pieces.view(out)
    mean, scale = (_by_channel(values, x.shape[1]) for values in (mean, rstd))
    with quiet():
        if weight is not None:
            scale = scale * weight
        centre = mean.astype(dtype)
        offset = (centre - mean) * scale if bias is None else (centre - mean) * scale + bias
        centre, scale, offset = (pieces.spread(values, dtype) for values in (centre, scale, offset))

        def work(number: int, strip: Strip, scratch: Scratch) -> None:
            target = written[strip]
            room = target if target.dtype == dtype else scratch.like(target)
            np.subtract(view[strip], pieces.at(centre, strip), out=room)
            room *= pieces.at(scale, strip)
            np.add(room, pieces.at(offset, strip), out=target, casting="same_kind")

        for_each(pieces.strips(dtype.itemsize), x.size, dtype, work)


def normalise_grad(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    groups: int | None,
    constant: bool,
    out: Array | None,
) -> tuple[Array, Array]:
    """Write the gradient by x, if `out` is given, and return those by weight and bias, (C,).

    With x̂ = (x - mean) · rstd, the gradient by the weight is Σ grad · x̂ and that by the bias Σ grad. If mean and rstd
    are `constant` (the running ones), dx = grad · weight · rstd. Else they depend on each of the n values that are
    normalised together, and with h = grad · weight and averages over these

        dx = rstd · (h - avg h - x̂ · avg(h · x̂))

    One pass gives Σ grad and Σ grad · (x - mean) of each piece, from which both averages follow; another one dx.
    """
    pieces, dtype = Pieces.of(x, merge=groups is None), compute_dtype(x.dtype)
    view, upstream, strips = pieces.view(x), pieces.view(grad), pieces.strips(dtype.itemsize)
    rounded = _by_channel(mean, x.shape[1]).astype(dtype)
    centre = pieces.spread(rounded, dtype)
    totals, dots = [_NONE] * len(strips), [_NONE] * len(strips)
    with quiet():

        def add(number: int, strip: Strip, scratch: Scratch) -> None:
            g = upstream[strip].astype(dtype, copy=False)
            centred = scratch.like(g)
            np.subtract(view[strip], pieces.at(centre, strip), out=centred)
            totals[number] = pieces.sum(g)
            dots[number] = pieces.dot(g, centred, centred)

        for_each(strips, x.size, dtype, add)
        # (I, C); of batch norm the images are added below, where the statistics are (1, C).
        total, products = (pieces.by_channel(pieces.sums(strips, parts)).sum(2) for parts in (totals, dots))
        by_channel = _by_channel(rstd, x.shape[1])
        products += (rounded - _by_channel(mean, x.shape[1])) * total
        products *= by_channel  # now Σ grad · x̂
        dweight, dbias = products.sum(0), total.sum(0)
        if out is None:
            return dweight, dbias
        scale = by_channel if weight is None else by_channel * weight
        if constant:
            _scaled(pieces, upstream, pieces.spread(scale, dtype), pieces.view(out))
            return dweight, dbias
        count = x.size // max(mean.size, 1)
        if weight is not None:
            total, products = total * weight, products * weight
        first, second = (
            _by_channel(_by_group(values[:, :, None], groups).sum(2), x.shape[1]) / count
            for values in (total, products)
        )
        # dx = scale·g - (slope·(x - c) + offset), where x - mean = (x - c) + (c - mean)
        slope = second * by_channel**2
        offset = first * by_channel + slope * (rounded - _by_channel(mean, x.shape[1]))
        _combined(pieces, upstream, view, centre, (scale, slope, offset), pieces.view(out))
    return dweight, dbias


def _scaled(pieces: Pieces, grad: Array, scale: Array, out: Array) -> None:
    def work(number: int, strip: Strip, scratch: Scratch) -> None:
        np.multiply(grad[strip], pieces.at(scale, strip), out=out[strip], casting="same_kind")

    for_each(pieces.strips(scale.itemsize), out.size, scale.dtype, work)


def _combined(
    pieces: Pieces, grad: Array, x: Array, centre: Array, factors: tuple[Array, Array, Array], out: Array
) -> None:
    scale, slope, offset = (pieces.spread(values, centre.dtype) for values in factors)

    def work(number: int, strip: Strip, scratch: Scratch) -> None:
        target = out[strip]
        room = target if target.dtype == centre.dtype else scratch.like(target, slot=1)
        np.multiply(grad[strip], pieces.at(scale, strip), out=room)
        line = scratch.like(target)
        np.subtract(x[strip], pieces.at(centre, strip), out=line)
        line *= pieces.at(slope, strip)
        line += pieces.at(offset, strip)
        np.subtract(room, line, out=target, casting="same_kind")

    for_each(pieces.strips(centre.itemsize), out.size, centre.dtype, work)
