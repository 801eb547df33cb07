"""Winograd's transforms applied to boxes of tiles: one small matrix per axis, times long vectors.

Along one axis a map is a product with a (k, t) matrix. All else stays together as the columns of that product, so
that each is one batched matrix product over long contiguous vectors:

    analyse      (images, *positions, C) -> (*k, tiles · C)      V = Bᵀ d B, from windows t long and m apart
    synthesise   (*t, tiles · C) -> (images, *positions, C)        Y = Aᵀ M A, to pieces m long side by side
    fold         (*t, tiles · C) -> (images, *positions, C)        the adjoint of `analyse`: windows are added up

Tiles are counted by image, then by axis. The axis worked on last in `analyse` is the first.
"""

from math import prod

import numpy as np

from sevenloops.arrays import Array

__all__ = ["analyse", "fold", "synthesise"]


def analyse(matrices: list[Array], step: tuple[int, ...], tiles: tuple[int, ...], chain: list[Array]) -> None:
    """Multiply each window along every axis by its matrix.

    Parameters
    ----------
    matrices : list of ndarray, (k, t)
        One per axis.
    step : tuple of int
        From one window to the next, per axis.
    tiles : tuple of int
        Windows per axis.
    chain : list of ndarray
        The input (images, *positions, C), contiguous; then, for each axis from the last to the first, where its
        products go. All are contiguous but the last, which may be (prod(k), tiles, C) with rows apart.
    """
    images = chain[0].shape[0]
    positions = chain[0].shape[1:-1]
    for axis, source, target in zip(reversed(range(len(matrices))), chain, chain[1:]):
        matrix = matrices[axis]
        before = images * prod(positions[:axis])  # what is not transformed yet, in front of this axis
        done = prod(m.shape[0] for m in matrices[axis + 1 :])
        rest = source.size // (done * before * positions[axis])
        windows = _windows(source, (done, before, tiles[axis], matrix.shape[1], rest), positions[axis], step[axis])
        out = target.reshape(matrix.shape[0], done, before, tiles[axis], rest)
        np.matmul(matrix, windows, out=out.transpose(1, 2, 3, 0, 4))


def synthesise(
    matrices: list[Array], images: int, tiles: tuple[int, ...], chain: list[Array], channels_last: bool
) -> Array:
    """Multiply along every axis by its matrix and put the pieces side by side.

    Parameters
    ----------
    matrices : list of ndarray, (m, t)
        One per axis.
    images : int
    tiles : tuple of int
        Tiles per axis.
    chain : list of ndarray
        The input (*t, tiles · C), contiguous; then, for each axis from the first to the last, where its products go.
        The last is (images · C, positions or more): the result's memory, with channels first or last.
    channels_last : bool
        The memory order of the result.

    Returns
    -------
    ndarray, (images, C, *positions)
        A view of the end of the chain.
    """
    axes = len(matrices)
    m = [matrix.shape[0] for matrix in matrices]
    for axis in range(axes - 1):
        matrix = matrices[axis]
        source = chain[axis].reshape(prod(m[:axis]), matrix.shape[1], -1)
        np.matmul(matrix, source, out=chain[axis + 1].reshape(prod(m[:axis]), m[axis], -1))
    channels = chain[-1].shape[0] // images
    # (*m[:-1], t, images, *tiles, C) -> (*m[:-1], images, *tiles, t, C)
    source = chain[-2].reshape(*m[:-1], matrices[-1].shape[1], images, *tiles, channels)
    source = source.transpose(*range(axes - 1), *range(axes, 2 * axes + 1), axes - 1, 2 * axes + 1)
    pieces = [size for pair in zip(tiles, m) for size in pair]  # each axis as (tiles, m)
    if channels_last:
        interleaved = chain[-1].reshape(images, *pieces, channels)
    else:
        apart = chain[-1][:, : prod(pieces)].reshape(images, channels, *pieces)
        interleaved = apart.transpose(0, *range(2, 2 * axes + 2), 1)
    order = (*range(2, 2 * axes, 2), 0, *range(1, 2 * axes + 1, 2), 2 * axes, 2 * axes + 1)
    np.matmul(matrices[-1], source, out=interleaved.transpose(order))
    return _merge_pieces(interleaved, axes)


def _merge_pieces(interleaved: Array, axes: int) -> Array:
    """View (images, n, m, n, m, …, C) as (images, C, n·m, n·m, …)."""
    shape = interleaved.shape
    sizes = tuple(shape[i] * shape[i + 1] for i in range(1, 2 * axes, 2))
    return _channels_first(interleaved.reshape(shape[0], *sizes, shape[-1]))


def _channels_first(array: Array) -> Array:
    """View (images, *positions, C) as (images, C, *positions)."""
    view: Array = array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))
    return view


def fold(
    matrices: list[Array], step: tuple[int, ...], images: int, tiles: tuple[int, ...], chain: list[Array]
) -> Array:
    """Multiply each tile along every axis by its matrix and add up where windows overlap.

    Parameters
    ----------
    matrices : list of ndarray, (t, t)
        One per axis.
    step : tuple of int
        From one window to the next, per axis.
    images : int
    tiles : tuple of int
        Windows per axis.
    chain : list of ndarray
        The input (*t, tiles, C), contiguous; then, for each axis from the first to the last, room for its sums and,
        behind them, for the parts of windows that reach into the next one.

    Returns
    -------
    ndarray, (images, C, *positions)
        A view of the end of the chain.
    """
    t = [matrix.shape[0] for matrix in matrices]
    sizes: list[int] = []
    current = chain[0]
    for axis, room in enumerate(chain[1:]):
        matrix, m, count = matrices[axis], step[axis], tiles[axis]
        length, overlap = count * m + t[axis] - m, t[axis] - m
        done, before = prod(t[axis + 1 :]), images * prod(sizes)
        rest = current.size // (t[axis] * done * before * count)
        source = current.reshape(t[axis], done * before, count, rest).transpose(1, 2, 0, 3)
        end = done * before * length * rest
        sums = room[:end].reshape(done * before, length, rest)
        # The first m rows of each window lie side by side; the others are added to the windows after it.
        heads = _windows(sums, (done * before, count, m, rest), length, m)
        np.matmul(matrix[:m], source, out=heads)
        sums[:, count * m :] = 0
        if overlap:
            tails = room[end : end + done * before * count * overlap * rest]
            tails = tails.reshape(done * before, count, overlap, rest)
            np.matmul(matrix[m:], source, out=tails)
            for start in range(0, overlap, m):
                part = tails[:, :, start : start + m]
                reached = _windows(sums, part.shape, length, m, first=m + start)
                reached += part
        sizes.append(length)
        current = sums
    return _channels_first(current.reshape((images, *sizes, -1)))


def _windows(source: Array, shape: tuple[int, ...], length: int, step: int, first: int = 0) -> Array:
    """View windows along an axis of contiguous memory: (*batch, length, rest) as `shape`, (*batch, count, t, rest).

    The windows begin at `first` and are `step` apart. NumPy checks that none ends outside the memory.
    """
    *batch, _, _, rest = shape
    size = source.itemsize
    strides = [step * rest * size, rest * size, size]
    block = length * rest * size
    for count in reversed(batch):
        strides.insert(0, block)
        block *= count
    view: Array = np.ndarray(shape, source.dtype, source, first * rest * size, strides)
    return view
