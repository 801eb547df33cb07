"""Adaptive pooling over 1, 2 and 3 axes, for arrays and Tensors."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.pooling.call import OutputSize, adaptive_avg_pool, adaptive_max_pool

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]


def adaptive_avg_pool1d(
    x: Tensor | ArrayLike,
    output_size: OutputSize,
    *,
    layout: str = "NCW",
) -> Any:
    """Take the average of each of `output_size` windows over one spatial axis.

    Window i of `out` over an axis of length L goes from floor(i·L / out) to ceil((i + 1)·L / out), exclusive.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NWC": (N, W, C). Any strides.
    output_size : int, None, or sequence of 1 of them
        None keeps the input's size.
    layout : {"NCW", "NWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.

    Raises
    ------
    ShapeError
        If a size is negative, or there are too many or too few.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[[1.0, 3.0, 2.0, 6.0, 4.0]]])
    >>> sl.adaptive_avg_pool1d(x, 3)
    array([[[2.        , 3.66666667, 5.        ]]])
    """
    return adaptive_avg_pool(1, x, output_size, layout)


def adaptive_avg_pool2d(
    x: Tensor | ArrayLike,
    output_size: OutputSize,
    *,
    layout: str = "NCHW",
) -> Any:
    """Take the average of each of `output_size` windows over two spatial axes.

    Window i of `out` over an axis of length L goes from floor(i·L / out) to ceil((i + 1)·L / out), exclusive.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NHWC": (N, H, W, C). Any strides.
    output_size : int, None, or sequence of 2 of them
        None keeps the input's size.
    layout : {"NCHW", "NHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.

    Raises
    ------
    ShapeError
        If a size is negative, or there are too many or too few.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(20.0).reshape(1, 1, 4, 5)
    >>> sl.adaptive_avg_pool2d(x, (2, 3))
    array([[[[ 3. ,  4.5,  6. ],
             [13. , 14.5, 16. ]]]])
    """
    return adaptive_avg_pool(2, x, output_size, layout)


def adaptive_avg_pool3d(
    x: Tensor | ArrayLike,
    output_size: OutputSize,
    *,
    layout: str = "NCDHW",
) -> Any:
    """Take the average of each of `output_size` windows over three spatial axes.

    Window i of `out` over an axis of length L goes from floor(i·L / out) to ceil((i + 1)·L / out), exclusive.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, D, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NDHWC": (N, D, H, W, C). Any strides.
    output_size : int, None, or sequence of 3 of them
        None keeps the input's size.
    layout : {"NCDHW", "NDHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Do, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.

    Raises
    ------
    ShapeError
        If a size is negative, or there are too many or too few.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(40.0).reshape(1, 1, 2, 4, 5)
    >>> sl.adaptive_avg_pool3d(x, (1, None, 2))
    array([[[[[11., 13.],
              [16., 18.],
              [21., 23.],
              [26., 28.]]]]])
    """
    return adaptive_avg_pool(3, x, output_size, layout)


def adaptive_max_pool1d(
    x: Tensor | ArrayLike,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    layout: str = "NCW",
) -> Any:
    """Take the maximum of each of `output_size` windows over one spatial axis.

    Window i of `out` over an axis of length L goes from floor(i·L / out) to ceil((i + 1)·L / out), exclusive.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NWC": (N, W, C). Any strides.
    output_size : int, None, or sequence of 1 of them
        None keeps the input's size.
    return_indices : bool, default False
        Whether to return also where each maximum is.
    layout : {"NCW", "NWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.
    ndarray of int64, (N, C, Wo)
        With `return_indices`: the position of each maximum in its flattened plane; of equals the first.

    Raises
    ------
    ShapeError
        If a size is negative, or there are too many or too few.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[[1.0, 3.0, 2.0, 6.0, 4.0]]])
    >>> sl.adaptive_max_pool1d(x, 3)
    array([[[3., 6., 6.]]])
    """
    return adaptive_max_pool(1, x, output_size, return_indices, layout)


def adaptive_max_pool2d(
    x: Tensor | ArrayLike,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
) -> Any:
    """Take the maximum of each of `output_size` windows over two spatial axes.

    Window i of `out` over an axis of length L goes from floor(i·L / out) to ceil((i + 1)·L / out), exclusive.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NHWC": (N, H, W, C). Any strides.
    output_size : int, None, or sequence of 2 of them
        None keeps the input's size.
    return_indices : bool, default False
        Whether to return also where each maximum is.
    layout : {"NCHW", "NHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.
    ndarray of int64, (N, C, Ho, Wo)
        With `return_indices`: the position of each maximum in its flattened plane; of equals the first.

    Raises
    ------
    ShapeError
        If a size is negative, or there are too many or too few.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(20.0).reshape(1, 1, 4, 5)
    >>> sl.adaptive_max_pool2d(x, (2, 3))
    array([[[[ 6.,  8.,  9.],
             [16., 18., 19.]]]])
    """
    return adaptive_max_pool(2, x, output_size, return_indices, layout)


def adaptive_max_pool3d(
    x: Tensor | ArrayLike,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    layout: str = "NCDHW",
) -> Any:
    """Take the maximum of each of `output_size` windows over three spatial axes.

    Window i of `out` over an axis of length L goes from floor(i·L / out) to ceil((i + 1)·L / out), exclusive.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, D, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NDHWC": (N, D, H, W, C). Any strides.
    output_size : int, None, or sequence of 3 of them
        None keeps the input's size.
    return_indices : bool, default False
        Whether to return also where each maximum is.
    layout : {"NCDHW", "NDHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, Do, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.
    ndarray of int64, (N, C, Do, Ho, Wo)
        With `return_indices`: the position of each maximum in its flattened plane; of equals the first.

    Raises
    ------
    ShapeError
        If a size is negative, or there are too many or too few.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(40.0).reshape(1, 1, 2, 4, 5)
    >>> sl.adaptive_max_pool3d(x, (1, None, 2))
    array([[[[[22., 24.],
              [27., 29.],
              [32., 34.],
              [37., 39.]]]]])
    """
    return adaptive_max_pool(3, x, output_size, return_indices, layout)
