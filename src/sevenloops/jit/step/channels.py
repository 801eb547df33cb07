"""Statistics, normalisation and gradient by channels; what they compute `sevenloops.norm.channels` says."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from sevenloops import backends, runtime
from sevenloops.arrays import Array
from sevenloops.jit import pool
from sevenloops.jit.step.columns import ARGUMENTS, NUMBERS, RESULTS, ColumnForm, Task
from sevenloops.jit.step.flat import address, memory_order

__all__ = ["normalise", "normalise_grad", "statistics"]

_BLOCK_BYTES = 1 << 17  # of an item: it stays in the second-level cache
_ALONE = 1 << 15  # elements up to which one thread is faster
_SIDE_BY_SIDE = 64  # channels that make a row long enough


class _View(NamedTuple):
    """How an (N, C, *spatial) array is seen: `images` of channels × positions, or of positions × channels.

    Short rows of channels are put side by side, `fold` of them: a column is then one of `fold` parts of a channel.
    """

    rows: bool
    images: int
    channels: int
    positions: int
    fold: int
    block: int
    blocks: int

    def split(self, values: Array) -> Array:
        """Return per-column values (I, …, fold · C) as (I, …, fold, C)."""
        return values.reshape(*values.shape[:-1], self.fold, self.channels)

    @property
    def counts(self) -> Array:
        """How many positions each block has."""
        counts = np.full(self.blocks, float(self.block))
        counts[-1] = self.positions - (self.blocks - 1) * self.block
        return counts


def _view(arrays: Sequence[Array], merge: bool) -> _View | None:
    """Return the view of arrays of one shape, dtype and order; `merge` makes one image of all. None if none fits."""
    x = arrays[0]
    if x.dtype.char not in "fd" or not x.dtype.isnative or not x.size:
        return None
    order = memory_order(x)
    if order is None or any(a.dtype != x.dtype or memory_order(a) != order for a in arrays[1:]):
        return None
    return _seen(x.shape, tuple(axis for axis in order if x.shape[axis] > 1), x.itemsize, merge)


@cache
def _seen(shape: tuple[int, ...], order: tuple[int, ...], itemsize: int, merge: bool) -> _View | None:
    n, c = shape[:2]
    positions = int(np.prod(shape[2:], dtype=np.int64))
    spatial = [axis for axis in range(2, len(shape)) if shape[axis] > 1]
    image = [0] if n > 1 else []
    channel = [1] if c > 1 else []
    if order in (tuple(image + spatial + channel), tuple(image + spatial)):
        images, positions = (1, n * positions) if merge else (n, positions)
        fold = 1
        while c * fold < _SIDE_BY_SIDE and positions % (2 * fold) == 0:
            fold *= 2
        width, length = c * fold, positions // fold
        block = max(1, min(length, _BLOCK_BYTES // itemsize // width))
        return _View(False, images, c, length, fold, block, -(-length // block))
    if order != tuple(image + channel + spatial):
        return None
    block = max(1, min(positions, max(_BLOCK_BYTES // itemsize // c, 4096)))
    return _View(True, n, c, positions, 1, block, -(-positions // block))


def _run(
    task: Task, view: _View, x: Array, g: Array | None, numbers: Sequence[Array], out: Array | None
) -> list[Array]:
    """Run a task; `numbers` are (1 or I, C). Return its sums in float64, (I, blocks, fold, C) each."""
    width, dtype, images = view.channels * view.fold, x.dtype, view.images
    given = np.empty((len(numbers[0]) if numbers else 1, NUMBERS[task], width), dtype)
    for i, values in enumerate(numbers):
        view.split(given[:, i])[...] = values[:, None]
    sums = np.empty((images, view.blocks, RESULTS[task], width), dtype)
    address_of_x = address(x)
    args = ARGUMENTS.pack(
        {
            "x": address_of_x,
            "g": address_of_x if g is None else address(g),
            "numbers": address(given),
            "sums": address(sums),
            "out": address_of_x if out is None else address(out),
            "channels": width,
            "positions": view.positions,
            "block": view.block,
            "blocks": view.blocks,
            "image": width * view.positions,
            "image_numbers": NUMBERS[task] * width if len(given) > 1 else 0,
        }
    )
    items = images * view.blocks
    threads = runtime.get_num_threads() if x.size > _ALONE else 1
    pool.run(ColumnForm(task, view.rows, x.itemsize).load(), args, items, max(1, items // (8 * threads)), threads)
    return [view.split(sums[:, :, i].astype(np.float64)) for i in range(RESULTS[task])]


def _by_group(values: Array, groups: int | None) -> Array:
    """Return (I, parts, C) as (statistics, what each is put together from): (C, …) or (N · groups, …)."""
    if groups is None:
        return values.reshape(-1, values.shape[-1]).T
    images, parts, channels = values.shape
    return values.reshape(images, parts, groups, channels // groups).swapaxes(1, 2).reshape(images * groups, -1)


def _by_channel(values: Array, channels: int) -> Array:
    """Return statistics, (1, C) or (N, groups), as (1 or N, C)."""
    return values if values.shape[1] == channels else np.repeat(values, channels // max(values.shape[1], 1), axis=1)


def statistics(x: Array, groups: int | None) -> tuple[Array, Array]:
    """Return mean and (biased) variance."""
    view = _view([x], groups is None)
    if view is None:
        found: tuple[Array, Array] = backends.kernel("channel_norm", "statistics", "numpy")(x, groups)
        return found
    with np.errstate(all="ignore"):
        shift, total, square = _run("moments", view, x, None, (), None)
        count = view.counts[:, None, None]
        rest = total / count
        means = shift + rest
        scatter = square - total * rest  # Σ (x - mean)² of each part
        merged = [
            _by_group(values.reshape(view.images, -1, view.channels), groups)
            for values in (means, scatter, np.broadcast_to(count, means.shape))
        ]
        means, scatter, counts = merged
        size = counts[0].sum()
        mean = np.vecdot(means, counts) / size
        distance = means - mean[:, None]
        variance = (scatter.sum(1) + np.vecdot(distance * distance, counts)) / size
    shape = (1, view.channels) if groups is None else (len(x), groups)
    return mean.reshape(shape), np.maximum(variance, 0).reshape(shape)


def normalise(
    x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, groups: int | None, out: Array
) -> None:
    """Write (x - mean) · rstd · weight + bias."""
    view = _view([x, out], len(mean) == 1 and groups is None)
    if view is None:
        backends.kernel("channel_norm", "forward", "numpy")(x, mean, rstd, weight, bias, groups, out)
        return
    with np.errstate(all="ignore"):
        mean, scale = _by_channel(mean, x.shape[1]), _by_channel(rstd, x.shape[1])
        if weight is not None:
            scale = scale * weight
        centre = mean.astype(x.dtype)
        offset = (centre - mean) * scale
        if bias is not None:
            offset += bias
        _run("scaled", view, x, None, (centre, scale, offset), out)


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
    """Write the gradient by x, if `out` is given, and return those by weight and bias, (C,)."""
    view = _view([x, grad] if out is None else [x, grad, out], groups is None)
    if view is None:
        found: tuple[Array, Array] = backends.kernel("channel_norm", "gradient", "numpy")(
            grad, x, mean, rstd, weight, groups, constant, out
        )
        return found
    channels = x.shape[1]
    with np.errstate(all="ignore"):
        mean_of, rstd_of = _by_channel(mean, channels), _by_channel(rstd, channels)
        centre = mean_of.astype(x.dtype)
        total, products = (v.sum((1, 2)) for v in _run("products", view, x, grad, (centre,), None))
        if groups is None:
            total, products = total.sum(0, keepdims=True), products.sum(0, keepdims=True)
        # the algebra of `sevenloops.norm.channels.normalise_grad`
        products = (products + (centre - mean_of) * total) * rstd_of  # Σ grad · x̂
        dweight, dbias = products.sum(0), total.sum(0)
        if out is None:
            return dweight, dbias
        scale = rstd_of if weight is None else rstd_of * weight
        if constant:
            zero = np.zeros_like(scale)
            _run("scaled", view, grad, None, (zero, scale, zero), out)
            return dweight, dbias
        if weight is not None:
            total, products = total * weight, products * weight
        count = x.size // max(mean.size, 1)
        first, second = (_averages(values, groups, channels) / count for values in (total, products))
        slope = second * rstd_of * rstd_of
        offset = first * rstd_of + slope * (centre - mean_of)
        _run("combined", view, x, grad, (centre, scale, slope, offset), out)
    return dweight, dbias


def _averages(values: Array, groups: int | None, channels: int) -> Array:
    """Return the sums over each group, for each of its channels."""
    if groups is None:
        return values
    return np.repeat(values.reshape(len(values), groups, -1).sum(2), channels // groups, axis=1)
