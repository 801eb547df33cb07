"""The gradients of max and average pooling on plain arrays, for those who write their own backward pass."""

from sevenloops.arrays import Array, ArrayLike
from sevenloops.functional.pooling.call import avg_grad, max_grad
from sevenloops.geometry.arguments import PaddingLike, SizeLike

__all__ = [
    "avg_pool1d_input_grad",
    "avg_pool2d_input_grad",
    "avg_pool3d_input_grad",
    "max_pool1d_input_grad",
    "max_pool2d_input_grad",
    "max_pool3d_input_grad",
]


def max_pool1d_input_grad(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    *,
    layout: str = "NCW",
    algorithm: str = "auto",
) -> Array:
    """Return the gradient of the input of `max_pool1d`: each output's goes to the element that was its maximum.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Wo)
        The gradient of the output.
    indices : ndarray of integers, (N, C, Wo)
        As the forward pass returned them with ``return_indices=True``; -1 sends a gradient nowhere.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    kernel_size, stride, padding, dilation, ceil_mode, layout, algorithm
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError
        As `max_pool1d`, and if grad_output or indices do not belong to such an output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(4.0).reshape(1, 1, 4)
    >>> y, indices = sl.max_pool1d(x, 2, return_indices=True)
    >>> sl.max_pool1d_input_grad(np.ones_like(y), indices, x.shape, 2).ravel()
    array([0., 1., 0., 1.])
    """
    window = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    return max_grad(1, grad_output, indices, input_size, kernel_size, layout, algorithm, **window)


def max_pool2d_input_grad(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    *,
    layout: str = "NCHW",
    algorithm: str = "auto",
) -> Array:
    """Return the gradient of the input of `max_pool2d`: each output's goes to the element that was its maximum.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Ho, Wo)
        The gradient of the output.
    indices : ndarray of integers, (N, C, Ho, Wo)
        As the forward pass returned them with ``return_indices=True``; -1 sends a gradient nowhere.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    kernel_size, stride, padding, dilation, ceil_mode, layout, algorithm
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError
        As `max_pool2d`, and if grad_output or indices do not belong to such an output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> y, indices = sl.max_pool2d(x, 2, return_indices=True)
    >>> sl.max_pool2d_input_grad(np.ones_like(y), indices, x.shape, 2).ravel()
    array([0., 0., 0., 0., 0., 1., 0., 1., 0., 0., 0., 0., 0., 1., 0., 1.])
    """
    window = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    return max_grad(2, grad_output, indices, input_size, kernel_size, layout, algorithm, **window)


def max_pool3d_input_grad(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    *,
    layout: str = "NCDHW",
    algorithm: str = "auto",
) -> Array:
    """Return the gradient of the input of `max_pool3d`: each output's goes to the element that was its maximum.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Do, Ho, Wo)
        The gradient of the output.
    indices : ndarray of integers, (N, C, Do, Ho, Wo)
        As the forward pass returned them with ``return_indices=True``; -1 sends a gradient nowhere.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    kernel_size, stride, padding, dilation, ceil_mode, layout, algorithm
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C, D, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError
        As `max_pool3d`, and if grad_output or indices do not belong to such an output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> y, indices = sl.max_pool3d(x, 2, return_indices=True)
    >>> sl.max_pool3d_input_grad(np.ones_like(y), indices, x.shape, 2).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 1.])
    """
    window = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    return max_grad(3, grad_output, indices, input_size, kernel_size, layout, algorithm, **window)


def avg_pool1d_input_grad(
    grad_output: ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: str = "NCW",
    algorithm: str = "auto",
) -> Array:
    """Return the gradient of the input of `avg_pool1d`: each output's is shared out equally over its window.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Wo)
        The gradient of the output.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout, algorithm
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError
        As `avg_pool1d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.avg_pool1d_input_grad(np.ones((1, 1, 2)), (1, 1, 4), 2).ravel()
    array([0.5, 0.5, 0.5, 0.5])
    """
    window = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return avg_grad(
        1, grad_output, input_size, kernel_size, count_include_pad, divisor_override, layout, algorithm, **window
    )


def avg_pool2d_input_grad(
    grad_output: ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: str = "NCHW",
    algorithm: str = "auto",
) -> Array:
    """Return the gradient of the input of `avg_pool2d`: each output's is shared out equally over its window.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Ho, Wo)
        The gradient of the output.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout, algorithm
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError
        As `avg_pool2d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.avg_pool2d_input_grad(np.ones((1, 1, 1, 2)), (1, 1, 2, 4), 2).ravel()
    array([0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25])
    """
    window = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return avg_grad(
        2, grad_output, input_size, kernel_size, count_include_pad, divisor_override, layout, algorithm, **window
    )


def avg_pool3d_input_grad(
    grad_output: ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: str = "NCDHW",
    algorithm: str = "auto",
) -> Array:
    """Return the gradient of the input of `avg_pool3d`: each output's is shared out equally over its window.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Do, Ho, Wo)
        The gradient of the output.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout, algorithm
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C, D, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError
        As `avg_pool3d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.avg_pool3d_input_grad(np.ones((1, 1, 1, 1, 1)), (1, 1, 2, 2, 2), 2).ravel()
    array([0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125])
    """
    window = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return avg_grad(
        3, grad_output, input_size, kernel_size, count_include_pad, divisor_override, layout, algorithm, **window
    )
