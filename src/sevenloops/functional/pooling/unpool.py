"""Max unpooling over 1, 2 and 3 axes, for arrays and Tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.call import Form, inputs
from sevenloops.geometry.arguments import SizeLike, integer, is_sequence, per_axis
from sevenloops.pooling.unpool import kernel

__all__ = ["MAX_UNPOOL", "max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _forward(x: Array, indices: Array, *, form: Form, size: tuple[int, ...]) -> tuple[Array, Any]:
    entered, places = form.enter(x), form.enter(indices)
    last = form.has_channels_last(entered)
    return form.leave(kernel("forward")(entered, places, size, last)), (indices, last)


def _vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, form: Form, size: tuple[int, ...]
) -> tuple[Array, None]:
    indices, last = saved
    gradient = kernel("gradient")(form.enter(grad), form.enter(indices), last)
    return form.leave(gradient), None


#: Attributes: form, size (of the result's plane).
MAX_UNPOOL = Operation("max_unpool", _forward, _vjp)


def max_unpool1d(
    input: Tensor | ArrayLike,
    indices: ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    output_size: Sequence[int] | None = None,
    *,
    layout: str = "NCW",
) -> Any:
    """Put each maximum of a pooling over one axis back to where it was, with zeros elsewhere.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NWC": (N, W, C). Any strides.
    indices : ndarray of int, (N, C, W)
        As `max_pool1d` returns them with `return_indices`: positions in a flattened plane of the result, or -1 for a
        value that goes nowhere. Of several values for one place the last one in row-major order is there, and has the
        gradient (PyTorch gives it to all of them).
    kernel_size : int or sequence of 1
    stride : int or sequence of 1, optional
        The kernel size if not given.
    padding : int or sequence of 1
    output_size : sequence of int, optional
        What was pooled: its spatial lengths, or its whole shape. Otherwise (W - 1)·stride - 2·padding + kernel, from
        which it may differ by less than the stride.
    layout : {"NCW", "NWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Wo)
        A Tensor if input is one; its dtype and memory order.

    Raises
    ------
    ShapeError
        If sizes contradict each other, or an index is outside of the result.
    TypeError
        If the dtype is not a float, or indices are no integers.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> y, indices = sl.max_pool1d(np.array([[[1.0, 3.0, 5.0, 4.0]]]), 2, return_indices=True)
    >>> sl.max_unpool1d(y, indices, 2)
    array([[[0., 3., 5., 0.]]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool2d(
    input: Tensor | ArrayLike,
    indices: ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    output_size: Sequence[int] | None = None,
    *,
    layout: str = "NCHW",
) -> Any:
    """Put each maximum of a pooling over two axes back to where it was, with zeros elsewhere.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NHWC": (N, H, W, C). Any strides.
    indices : ndarray of int, (N, C, H, W)
        As `max_pool2d` returns them with `return_indices`: positions in a flattened plane of the result, or -1 for a
        value that goes nowhere. Of several values for one place the last one in row-major order is there, and has the
        gradient (PyTorch gives it to all of them).
    kernel_size : int or sequence of 2
    stride : int or sequence of 2, optional
        The kernel size if not given.
    padding : int or sequence of 2
    output_size : sequence of int, optional
        What was pooled: its spatial lengths, or its whole shape. Otherwise (H - 1)·stride - 2·padding + kernel, from
        which it may differ by less than the stride.
    layout : {"NCHW", "NHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Ho, Wo)
        A Tensor if input is one; its dtype and memory order.

    Raises
    ------
    ShapeError
        If sizes contradict each other, or an index is outside of the result.
    TypeError
        If the dtype is not a float, or indices are no integers.

    References
    ----------
    M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", arXiv 1311.2901.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> y, indices = sl.max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2, return_indices=True)
    >>> sl.max_unpool2d(y, indices, 2)[0, 0]
    array([[ 0.,  0.,  0.,  0.],
           [ 0.,  5.,  0.,  7.],
           [ 0.,  0.,  0.,  0.],
           [ 0., 13.,  0., 15.]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool3d(
    input: Tensor | ArrayLike,
    indices: ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    output_size: Sequence[int] | None = None,
    *,
    layout: str = "NCDHW",
) -> Any:
    """Put each maximum of a pooling over three axes back to where it was, with zeros elsewhere.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, D, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NDHWC": (N, D, H, W, C). Any strides.
    indices : ndarray of int, (N, C, D, H, W)
        As `max_pool3d` returns them with `return_indices`: positions in a flattened plane of the result, or -1 for a
        value that goes nowhere. Of several values for one place the last one in row-major order is there, and has the
        gradient (PyTorch gives it to all of them).
    kernel_size : int or sequence of 3
    stride : int or sequence of 3, optional
        The kernel size if not given.
    padding : int or sequence of 3
    output_size : sequence of int, optional
        What was pooled: its spatial lengths, or its whole shape. Otherwise (D - 1)·stride - 2·padding + kernel, from
        which it may differ by less than the stride.
    layout : {"NCDHW", "NDHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Do, Ho, Wo)
        A Tensor if input is one; its dtype and memory order.

    Raises
    ------
    ShapeError
        If sizes contradict each other, or an index is outside of the result.
    TypeError
        If the dtype is not a float, or indices are no integers.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> y, indices = sl.max_pool3d(np.zeros((2, 3, 4, 4, 6)), 2, return_indices=True)
    >>> sl.max_unpool3d(y, indices, 2).shape
    (2, 3, 4, 4, 6)
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size, layout)


def _max_unpool(
    axes: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any, layout: str
) -> Any:
    (value,), (x,) = inputs(input=input)
    form = Form.of(axes, layout, x.ndim, "input")
    window = per_axis("kernel_size", kernel_size, axes)
    step = window if stride is None else per_axis("stride", stride, axes)
    pads = per_axis("padding", padding, axes, minimum=0)
    lengths = form.shape(x.shape)[2:]
    usual = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(lengths, step, pads, window))
    size = usual if output_size is None else _output_size(output_size, usual, step, x.ndim, form)
    if min(size) < 0:
        raise ShapeError(f"The result must have a size of at least 0, but {lengths} is unpooled to {size}; pad less.")
    return apply(MAX_UNPOOL, value, _places(indices, x.shape, size), form=form, size=size)


def _output_size(given: Any, usual: tuple[int, ...], step: tuple[int, ...], ndim: int, form: Form) -> tuple[int, ...]:
    """Return the spatial lengths that are asked for, if the pooling could have come from them."""
    axes = len(usual)
    if not is_sequence(given) or len(tuple(given)) not in (axes, ndim):
        raise ShapeError(f"output_size must be {axes} lengths or a shape of {ndim}, but got {given!r}.")
    entries = tuple(integer(f"output_size[{i}]", length, 0) for i, length in enumerate(given))
    size = entries if len(entries) == axes else form.shape(entries)[2:]
    for length, near, s in zip(size, usual, step):
        if not near - s < length < near + s:
            raise ShapeError(
                f"output_size must differ from {usual} by less than the stride {step}, but got {size}; pass the "
                f"shape that was pooled."
            )
    return size


def _places(indices: Any, shape: tuple[int, ...], size: tuple[int, ...]) -> Array:
    """Return indices that are safe to write at; a copy, since the caller may write to his own before backward."""
    array = np.asarray(indices.data if isinstance(indices, Tensor) else indices)
    if array.dtype.kind not in "iu":
        raise TypeError(f"indices must be integers, but their dtype is {array.dtype}; pass those of max_pool.")
    if array.shape != shape:
        raise ShapeError(f"indices must have the shape of the input, {shape}, but theirs is {array.shape}.")
    elements = int(np.prod(size))
    if array.size and not (array.min() >= -1 and array.max() < elements):
        raise ShapeError(
            f"indices must be positions in a plane of {elements} elements (or -1 for none), but they go from "
            f"{array.min()} to {array.max()}; pass those of max_pool, and output_size if the sizes differ."
        )
    return array.astype(np.int64)
