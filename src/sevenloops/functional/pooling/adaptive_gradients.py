"""The gradients of adaptive pooling on plain arrays, for those who write their own backward pass."""

from sevenloops.arrays import Array, ArrayLike
from sevenloops.functional.pooling.call import adaptive_avg_grad, adaptive_max_grad

__all__ = [
    "adaptive_avg_pool1d_input_grad",
    "adaptive_avg_pool2d_input_grad",
    "adaptive_avg_pool3d_input_grad",
    "adaptive_max_pool1d_input_grad",
    "adaptive_max_pool2d_input_grad",
    "adaptive_max_pool3d_input_grad",
]


def adaptive_avg_pool1d_input_grad(
    grad_output: ArrayLike,
    input_size: tuple[int, ...],
    *,
    layout: str = "NCW",
) -> Array:
    """Return the gradient of the input of `adaptive_avg_pool1d`.

    Each output's gradient is shared out equally over its window.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Wo)
        The gradient of the output.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    layout : {"NCW", "NWC"}

    Returns
    -------
    ndarray, (N, C, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError
        As `adaptive_avg_pool1d`, and if the arrays do not belong to an output of that input.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.adaptive_avg_pool1d_input_grad(np.ones((1, 1, 2)), (1, 1, 4)).ravel()
    array([0.5, 0.5, 0.5, 0.5])
    """
    return adaptive_avg_grad(1, grad_output, input_size, layout)


def adaptive_avg_pool2d_input_grad(
    grad_output: ArrayLike,
    input_size: tuple[int, ...],
    *,
    layout: str = "NCHW",
) -> Array:
    """Return the gradient of the input of `adaptive_avg_pool2d`.

    Each output's gradient is shared out equally over its window.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Ho, Wo)
        The gradient of the output.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    layout : {"NCHW", "NHWC"}

    Returns
    -------
    ndarray, (N, C, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError
        As `adaptive_avg_pool2d`, and if the arrays do not belong to an output of that input.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.adaptive_avg_pool2d_input_grad(np.ones((1, 1, 1, 2)), (1, 1, 2, 4)).ravel()
    array([0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25])
    """
    return adaptive_avg_grad(2, grad_output, input_size, layout)


def adaptive_avg_pool3d_input_grad(
    grad_output: ArrayLike,
    input_size: tuple[int, ...],
    *,
    layout: str = "NCDHW",
) -> Array:
    """Return the gradient of the input of `adaptive_avg_pool3d`.

    Each output's gradient is shared out equally over its window.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Do, Ho, Wo)
        The gradient of the output.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    layout : {"NCDHW", "NDHWC"}

    Returns
    -------
    ndarray, (N, C, D, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError
        As `adaptive_avg_pool3d`, and if the arrays do not belong to an output of that input.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.adaptive_avg_pool3d_input_grad(np.ones((1, 1, 1, 1, 1)), (1, 1, 2, 2, 2)).ravel()
    array([0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125])
    """
    return adaptive_avg_grad(3, grad_output, input_size, layout)


def adaptive_max_pool1d_input_grad(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: tuple[int, ...],
    *,
    layout: str = "NCW",
) -> Array:
    """Return the gradient of the input of `adaptive_max_pool1d`.

    Each output's gradient goes to the element that was its maximum.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Wo)
        The gradient of the output.
    indices : ndarray of integers, (N, C, Wo)
        As the forward pass returned them with ``return_indices=True``.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    layout : {"NCW", "NWC"}

    Returns
    -------
    ndarray, (N, C, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError
        As `adaptive_max_pool1d`, and if the arrays do not belong to an output of that input.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[[1.0, 3.0, 6.0, 4.0, 2.0]]])
    >>> y, indices = sl.adaptive_max_pool1d(x, 2, return_indices=True)
    >>> sl.adaptive_max_pool1d_input_grad(np.ones_like(y), indices, x.shape).ravel()
    array([0., 0., 2., 0., 0.])
    """
    return adaptive_max_grad(1, grad_output, indices, input_size, layout)


def adaptive_max_pool2d_input_grad(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: tuple[int, ...],
    *,
    layout: str = "NCHW",
) -> Array:
    """Return the gradient of the input of `adaptive_max_pool2d`.

    Each output's gradient goes to the element that was its maximum.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Ho, Wo)
        The gradient of the output.
    indices : ndarray of integers, (N, C, Ho, Wo)
        As the forward pass returned them with ``return_indices=True``.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    layout : {"NCHW", "NHWC"}

    Returns
    -------
    ndarray, (N, C, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError
        As `adaptive_max_pool2d`, and if the arrays do not belong to an output of that input.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> y, indices = sl.adaptive_max_pool2d(x, (1, 2), return_indices=True)
    >>> sl.adaptive_max_pool2d_input_grad(np.ones_like(y), indices, x.shape).ravel()
    array([0., 0., 0., 0., 1., 1.])
    """
    return adaptive_max_grad(2, grad_output, indices, input_size, layout)


def adaptive_max_pool3d_input_grad(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: tuple[int, ...],
    *,
    layout: str = "NCDHW",
) -> Array:
    """Return the gradient of the input of `adaptive_max_pool3d`.

    Each output's gradient goes to the element that was its maximum.

    Parameters
    ----------
    grad_output : ndarray, (N, C, Do, Ho, Wo)
        The gradient of the output.
    indices : ndarray of integers, (N, C, Do, Ho, Wo)
        As the forward pass returned them with ``return_indices=True``.
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    layout : {"NCDHW", "NDHWC"}

    Returns
    -------
    ndarray, (N, C, D, H, W)
        The dtype and memory order of grad_output.

    Raises
    ------
    ShapeError, TypeError
        As `adaptive_max_pool3d`, and if the arrays do not belong to an output of that input.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> y, indices = sl.adaptive_max_pool3d(x, 1, return_indices=True)
    >>> sl.adaptive_max_pool3d_input_grad(np.ones_like(y), indices, x.shape).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 1.])
    """
    return adaptive_max_grad(3, grad_output, indices, input_size, layout)
