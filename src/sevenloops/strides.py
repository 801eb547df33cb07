"""Strides as a tool: views that slide, tile and locate, and what convolutions need to build such views.

The element of an array at an index lies at ``address + Σ index[a] · strides[a]``. A view is another shape and other
strides over the same memory, so windows that overlap cost nothing until they are read. Nothing in that sum keeps a
view inside its array; here every size is worked out first, and no view reaches further than the array it is of.
"""

from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.stride_tricks import as_strided

from sevenloops.arrays import Array, ArrayLike
from sevenloops.errors import ShapeError
from sevenloops.geometry import ConvGeometry, PoolGeometry, effective_kernel, output_length
from sevenloops.geometry.arguments import SizeLike, is_sequence, per_axis

__all__ = ["WindowGeometry", "crop", "memory_map", "overlap", "padded", "tiles", "window_view", "windows"]


# --- views for everyone -------------------------------------------------------------------------------------


def windows(x: ArrayLike, kernel_size: SizeLike, stride: SizeLike = 1, dilation: SizeLike = 1) -> Array:
    """View all windows of an array, without copying any.

    The last ``len(kernel_size)`` axes of `x` slide; those before them are kept. For two sliding axes,

        result[…, i, j, u, v] = x[…, i·stride[0] + u·dilation[0], j·stride[1] + v·dilation[1]]

    for every (i, j) whose window lies inside `x`.

    Parameters
    ----------
    x : array_like
        Of any dtype and any strides.
    kernel_size : int or sequence of int
        Elements of a window along each sliding axis. An int is one sliding axis, the last; square windows over two
        axes are ``(3, 3)``.
    stride : int or sequence of int
        Steps between neighbouring windows, for all sliding axes or for each.
    dilation : int or sequence of int
        Steps between neighbouring elements of a window, likewise.

    Returns
    -------
    ndarray
        A read-only view of shape (*leading, *positions, *kernel_size). Elements shared by windows exist once.

    Raises
    ------
    ShapeError
        If there are more sliding axes than axes, an argument is less than 1, or a window is longer than its axis.
    TypeError
        If an argument is not made of integers.

    Examples
    --------
    >>> import numpy as np
    >>> import sevenloops as sl
    >>> sl.windows(np.arange(6), 3)
    array([[0, 1, 2],
           [1, 2, 3],
           [2, 3, 4],
           [3, 4, 5]])
    >>> sl.windows(np.zeros((8, 3, 9, 7)), (3, 2), stride=2).shape
    (8, 3, 4, 3, 3, 2)
    """
    x = np.asarray(x)
    axes = len(cast(Sequence[int], kernel_size)) if is_sequence(kernel_size) else 1
    kernel = per_axis("kernel_size", kernel_size, axes)
    steps = per_axis("stride", stride, axes)
    dilations = per_axis("dilation", dilation, axes)
    first = x.ndim - axes
    if first < 0:
        raise ShapeError(
            f"kernel_size must have at most one entry per axis of x, but it has {axes} and x has {x.ndim} axes; "
            f"leave out entries or give x more axes."
        )
    positions = []
    for axis, (length, k, s, d) in enumerate(zip(x.shape[first:], kernel, steps, dilations), first):
        count = output_length(length, k, s, (0, 0), d)
        if count < 1:
            raise ShapeError(
                f"A window must fit into the axis it slides along, but on axis {axis} it covers "
                f"{effective_kernel(k, d)} positions (size {k}, dilation {d}) and x has {length}; "
                f"use a smaller kernel or pad x first."
            )
        positions.append(count)
    return _slide(x, tuple(positions), kernel, steps, dilations)


def tiles(a: ArrayLike, tile: SizeLike) -> Array:
    """View a matrix as a grid of tiles: ``result[i, j, u, v] = a[i·t0 + u, j·t1 + v]``.

    Parameters
    ----------
    a : array_like
        A matrix (M, N) of any dtype and any strides.
    tile : int or (int, int)
        Rows t0 and columns t1 of a tile, which divide M and N; an int is both.

    Returns
    -------
    ndarray
        A view of shape (M / t0, N / t1, t0, t1), writable if `a` is: assigning to a tile changes `a`.

    Raises
    ------
    ShapeError
        If `a` is not a matrix, or the tile does not divide it.
    TypeError
        If `tile` is not made of integers.

    Examples
    --------
    >>> import numpy as np
    >>> import sevenloops as sl
    >>> a = np.arange(8).reshape(2, 4)
    >>> sl.tiles(a, 2)[0, 1]
    array([[2, 3],
           [6, 7]])
    """
    a = np.asarray(a)
    if a.ndim != 2:
        raise ShapeError(f"a must be a matrix with two axes, but its shape is {a.shape}; reshape it first.")
    sizes = per_axis("tile", tile, 2)
    for axis, (length, size) in enumerate(zip(a.shape, sizes)):
        if length % size:
            raise ShapeError(
                f"The tile must divide the matrix, but on axis {axis} {size} does not divide {length}; "
                f"choose a divisor, or cut or pad the matrix to a multiple."
            )
    (m, n), (t0, t1) = a.shape, sizes
    # Splitting an axis is a view for any strides: index i·t + u has the stride t·s in i and s in u.
    return a.reshape(m // t0, t0, n // t1, t1).transpose(0, 2, 1, 3)


def memory_map(view: Array) -> Array:
    """Return where each element of a view lies: its byte offset from the start of the memory that it is part of.

    Elements with one offset are the same memory; neighbours that differ by the item size are adjacent in it.

    Parameters
    ----------
    view : ndarray
        Any array or view of one: sliced, transposed, reversed, broadcast, windowed.

    Returns
    -------
    ndarray of int64
        Of the shape of `view`. Offsets count from the first byte of the array that owns the memory (`view` itself if
        it is not a view), or of the buffer where another object owns it (`numpy.frombuffer`, `numpy.memmap`). So none
        is negative, not even with negative strides.

    Raises
    ------
    TypeError
        If `view` is not an array: a list has no elements at an offset.

    Examples
    --------
    >>> import numpy as np
    >>> import sevenloops as sl
    >>> a = np.zeros((2, 3), np.float32)
    >>> sl.memory_map(a)
    array([[ 0,  4,  8],
           [12, 16, 20]])
    >>> sl.memory_map(a.T[::-1])
    array([[ 8, 20],
           [ 4, 16],
           [ 0, 12]])
    >>> sl.memory_map(sl.windows(a[1], 2))  # the windows share an element
    array([[12, 16],
           [16, 20]])
    """
    if not isinstance(view, np.ndarray):
        raise TypeError(
            f"view must be a NumPy array, which has a place in memory, but got {type(view).__name__}; "
            f"use numpy.asarray."
        )
    if view.size == 0:
        return np.empty(view.shape, np.int64)
    offsets = np.full(view.shape, _address(view) - _memory_start(view), np.int64)
    for axis, (length, step) in enumerate(zip(view.shape, view.strides)):
        offsets += (np.arange(length, dtype=np.int64) * step).reshape(-1, *(1,) * (view.ndim - axis - 1))
    return offsets


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _memory_start(view: Array) -> int:
    """Return the address of the memory that a view is part of, by the chain of its bases."""
    owner, holder = view, view.base
    # Between arrays the chain may hold the go-between with which as_strided makes its views.
    while holder is not None and hasattr(holder, "__array_interface__"):
        if isinstance(holder, np.ndarray):
            owner = holder
        holder = getattr(holder, "base", None)
    if holder is not None:
        try:
            return _address(np.frombuffer(holder, np.uint8))
        except (TypeError, BufferError):
            pass  # not a buffer, or not a contiguous one
    return byte_bounds(owner)[0]


# --- what kernels build on: the geometry is finished, nothing is checked ------------------------------------


WindowGeometry: TypeAlias = ConvGeometry | PoolGeometry


def padded(x: Array, geometry: WindowGeometry, channels_last: bool, fill: float = 0.0) -> Array:
    """Return what the windows cover, (N, C, *span), with `fill` where that is outside the input.

    The span begins at the first padded position and ends with the last window, before or after the input's end.

    Parameters
    ----------
    x : ndarray
        (N, C, *input_size); N and C may be a part of the geometry's.
    geometry : ConvGeometry or PoolGeometry
    channels_last : bool
        The memory order of the result if it is a copy.
    fill : float
        What is neutral for the operation: zero for sums, -inf for maxima.

    Returns
    -------
    ndarray
        A view of `x` if no window reaches outside it, else a new array.
    """
    span = geometry.span
    if not geometry.is_padded:
        return x[(slice(None), slice(None), *map(slice, span))]
    batch, channels = x.shape[:2]
    shape = (batch, *span, channels) if channels_last else (batch, channels, *span)
    # Memory that comes zeroed costs less than zeroing the borders, which are many short runs.
    result = np.zeros(shape, x.dtype) if fill == 0 else np.full(shape, fill, x.dtype)
    if channels_last:
        result = result.transpose(0, -1, *range(1, x.ndim - 1))
    inside, covered = overlap(geometry)
    result[inside] = x[covered]
    return result


def window_view(padded_x: Array, geometry: WindowGeometry) -> Array:
    """View the windows of an array of at least (N, C, *span) as (N, C, *output_size, *kernel_size), read-only."""
    return _slide(padded_x, geometry.output_size, geometry.kernel_size, geometry.stride, geometry.dilation)


def crop(padded_grad: Array, out: Array, geometry: WindowGeometry) -> None:
    """Write the input's part of (N, C, *span) to `out`, (N, C, *input_size), and zero where no window reaches.

    It is the adjoint of `padded`: ⟨padded(x), g⟩ = ⟨x, crop(g)⟩.
    """
    inside, covered = overlap(geometry)
    if out[covered].shape != out.shape:
        out[...] = 0
    out[covered] = padded_grad[inside]


def overlap(geometry: WindowGeometry) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return two indices of the positions that are both in the span and in the input: of the span, of the input."""
    inside, covered = [slice(None)] * 2, [slice(None)] * 2  # all images and channels
    for (before, _), span, length in zip(geometry.padding, geometry.span, geometry.input_size):
        start, stop = min(before, span), min(before + length, span)
        inside.append(slice(start, stop))
        covered.append(slice(0, stop - start))
    return tuple(inside), tuple(covered)


def _slide(
    x: Array,
    positions: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """View the windows along the last axes of x; (positions - 1)·stride + (kernel - 1)·dilation < length holds."""
    first = x.ndim - len(kernel)
    lengths, steps = x.shape[first:], x.strides[first:]
    # A step that is ever taken is shorter than the axis; min() keeps one that never is from overflowing.
    between = (step * min(s, length) for step, s, length in zip(steps, stride, lengths))
    within = (step * min(d, length) for step, d, length in zip(steps, dilation, lengths))
    shape = (*x.shape[:first], *positions, *kernel)
    return as_strided(x, shape, (*x.strides[:first], *between, *within), writeable=False)
