"""im2col and its adjoint col2im: a convolution as one product of matrices.

im2col writes every window of the input as a row, in the order of a filter's weights. So with x of shape
(N, C, H, W) and a weight of shape (O, C, kH, kW), both flattened,

    y[n·Ho·Wo + i·Wo + j, o] = Σ_q  im2col(x)[n·Ho·Wo + i·Wo + j, q] · weight.reshape(O, C·kH·kW)[o, q].

An element that lies in several windows is written several times: the matrix is up to kH·kW times the input.
"""

from itertools import product
from math import prod
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array, ArrayLike, compute_dtype
from sevenloops.errors import ShapeError
from sevenloops.geometry import ConvGeometry
from sevenloops.geometry.arguments import PaddingLike, SizeLike, is_sequence, per_axis, shape_tuple
from sevenloops.strides import crop, padded, window_view

__all__ = ["col2im", "im2col"]


def im2col(
    x: ArrayLike,
    kernel_size: SizeLike,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
) -> Array:
    """Write every window of the input as a row of a matrix.

    Parameters
    ----------
    x : array_like
        (N, C, H, W), or (N, C, W) or (N, C, D, H, W), of any dtype of numbers and any strides.
    kernel_size : int or sequence of int
        (kH, kW); an int is the size along every spatial axis.
    stride, dilation : int or sequence of int
        For all spatial axes, or for each.
    padding : int, sequence, "valid" or "same"
        Zeros around the input: for all spatial axes or for each, there an int or (before, after); "same" makes
        ``Ho = ceil(H / stride)``, with the odd zero at the end.

    Returns
    -------
    ndarray
        (N·Ho·Wo, C·kH·kW), in C order, of the dtype of `x`; always new memory. Rows run over image, row and column of
        the output, columns over channel, row and column of the kernel: the order of ``weight.reshape(O, -1)``.

    Raises
    ------
    ShapeError
        If `x` does not have one to three spatial axes, the parameters contradict its shape, or no window fits.
    TypeError
        If `x` is not made of numbers or a parameter not of integers.

    References
    ----------
    Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import sevenloops as sl
    >>> sl.im2col(np.arange(9.0).reshape(1, 1, 3, 3), 2)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    x = _numbers("x", x)
    geometry = _geometry("x", x.shape, kernel_size, stride, padding, dilation)
    axes = geometry.axes
    view = window_view(padded(x, geometry, channels_last=False), geometry)
    ordered = view.transpose(0, *range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes))
    cols = runtime.empty(ordered.shape, x.dtype)
    cols[...] = ordered
    return cols.reshape(_matrix_shape(geometry))


def col2im(
    cols: ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: SizeLike,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
) -> Array:
    """Add up the rows of a matrix where `im2col` took them from: its adjoint.

    For every x and c, ``⟨im2col(x), c⟩ = ⟨x, col2im(c)⟩``. It does not undo `im2col`: an element that lies in several
    windows gets the sum of its copies.

    Parameters
    ----------
    cols : array_like
        (N·Ho·Wo, C·kH·kW), of any dtype of numbers and any strides.
    input_size : tuple of int
        ``x.shape``, that is (N, C, H, W), or (N, C, W) or (N, C, D, H, W).
    kernel_size, stride, padding, dilation
        As in `im2col`.

    Returns
    -------
    ndarray
        Of shape `input_size`, in C order, of the dtype of `cols`. Sums of float16 are taken in float32; those of
        integers wrap around as NumPy's do.

    Raises
    ------
    ShapeError
        As `im2col`, and if `cols` does not have the shape that `im2col` returns.
    TypeError
        If `cols` is not made of numbers, `input_size` not a shape, or a parameter not made of integers.

    Examples
    --------
    >>> import numpy as np
    >>> import sevenloops as sl
    >>> cols = sl.im2col(np.ones((1, 1, 3, 3)), 2)
    >>> sl.col2im(cols, (1, 1, 3, 3), 2)[0, 0]  # how many windows each element lies in
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    cols = _numbers("cols", cols)
    rank = len(input_size) if is_sequence(input_size) else 4  # anything but a sequence is refused next
    shape = shape_tuple("input_size", input_size, rank)
    geometry = _geometry("input_size", shape, kernel_size, stride, padding, dilation)
    if cols.shape != _matrix_shape(geometry):
        raise ShapeError(
            f"cols must have a row per window and a column per weight of a filter, {_matrix_shape(geometry)} for "
            f"input_size {shape}, but its shape is {cols.shape}; check input_size, kernel_size, stride, padding and "
            f"dilation."
        )
    axes, batch, channels = geometry.axes, geometry.batch, geometry.in_channels
    by_tap = cols.reshape(batch, *geometry.output_size, channels, *geometry.kernel_size)
    # (*kernel_size, N, C, *output_size)
    by_tap = by_tap.transpose(*range(2 + axes, 2 + 2 * axes), 0, 1 + axes, *range(1, 1 + axes))
    dtype = compute_dtype(cols.dtype)
    # The longer run, a row of pixels or the channels of one, is what the additions should run along.
    if channels > geometry.output_size[-1]:
        total = np.zeros((batch, *geometry.span, channels), dtype).transpose(0, -1, *range(1, 1 + axes))
    else:
        total = np.zeros((batch, channels, *geometry.span), dtype)
    for tap in product(*map(range, geometry.kernel_size)):
        reached = (
            slice(u * d, u * d + (out - 1) * s + 1, s)
            for u, out, s, d in zip(tap, geometry.output_size, geometry.stride, geometry.dilation)
        )
        total[(slice(None), slice(None), *reached)] += by_tap[tap]
    result = runtime.empty(shape, cols.dtype)
    crop(total, result, geometry)
    return result


def _numbers(name: str, value: Any) -> Array:
    """Return `value` as an array of numbers in native byte order."""
    array = np.asarray(value)
    if array.dtype.kind not in "iufc":
        raise TypeError(
            f"{name} must be an array of numbers, but its dtype is {array.dtype}; "
            f"convert it with {name}.astype(numpy.float32)."
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _geometry(
    name: str,
    shape: tuple[int, ...],
    kernel_size: SizeLike,
    stride: SizeLike,
    padding: PaddingLike,
    dilation: SizeLike,
) -> ConvGeometry:
    """Check everything as for a convolution with one filter."""
    axes = len(shape) - 2
    if not 1 <= axes <= 3:
        raise ShapeError(
            f"{name} must have a batch axis, a channel axis and one to three spatial axes, but its shape is {shape}; "
            f"add the missing axes."
        )
    kernel = per_axis("kernel_size", kernel_size, axes)
    return ConvGeometry.forward(shape, (1, shape[1], *kernel), stride=stride, padding=padding, dilation=dilation)


def _matrix_shape(geometry: ConvGeometry) -> tuple[int, int]:
    return geometry.batch * prod(geometry.output_size), geometry.in_channels * geometry.taps
