"""Global pooling, each channel one window, over 1, 2 and 3 axes, for arrays and Tensors."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.pooling.call import adaptive_avg_pool, adaptive_max_pool

__all__ = [
    "global_avg_pool1d",
    "global_avg_pool2d",
    "global_avg_pool3d",
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
]


def global_avg_pool1d(x: Tensor | ArrayLike, *, layout: str = "NCW") -> Any:
    """Take the average of each channel of each image over one spatial axis, which remain with size 1.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NWC": (N, W, C). Any strides.
    layout : {"NCW", "NWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, 1)
        A Tensor if x is one; the dtype of x.

    Raises
    ------
    ShapeError
        If x does not have 1 spatial axes.
    TypeError
        If the dtype is not a float.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.global_avg_pool1d(np.zeros((2, 3, 5))).shape
    (2, 3, 1)
    """
    return adaptive_avg_pool(1, x, 1, layout)


def global_avg_pool2d(x: Tensor | ArrayLike, *, layout: str = "NCHW") -> Any:
    """Take the average of each channel of each image over two spatial axes, which remain with size 1.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NHWC": (N, H, W, C). Any strides.
    layout : {"NCHW", "NHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, 1, 1)
        A Tensor if x is one; the dtype of x.

    Raises
    ------
    ShapeError
        If x does not have 2 spatial axes.
    TypeError
        If the dtype is not a float.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.global_avg_pool2d(np.zeros((2, 3, 5, 7))).shape
    (2, 3, 1, 1)
    """
    return adaptive_avg_pool(2, x, 1, layout)


def global_avg_pool3d(x: Tensor | ArrayLike, *, layout: str = "NCDHW") -> Any:
    """Take the average of each channel of each image over three spatial axes, which remain with size 1.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, D, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NDHWC": (N, D, H, W, C). Any strides.
    layout : {"NCDHW", "NDHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, 1, 1, 1)
        A Tensor if x is one; the dtype of x.

    Raises
    ------
    ShapeError
        If x does not have 3 spatial axes.
    TypeError
        If the dtype is not a float.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.global_avg_pool3d(np.zeros((2, 3, 5, 7, 4))).shape
    (2, 3, 1, 1, 1)
    """
    return adaptive_avg_pool(3, x, 1, layout)


def global_max_pool1d(x: Tensor | ArrayLike, *, layout: str = "NCW") -> Any:
    """Take the maximum of each channel of each image over one spatial axis, which remain with size 1.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NWC": (N, W, C). Any strides.
    layout : {"NCW", "NWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, 1)
        A Tensor if x is one; the dtype of x.

    Raises
    ------
    ShapeError
        If x does not have 1 spatial axes.
    TypeError
        If the dtype is not a float.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.global_max_pool1d(np.zeros((2, 3, 5))).shape
    (2, 3, 1)
    """
    return adaptive_max_pool(1, x, 1, False, layout)


def global_max_pool2d(x: Tensor | ArrayLike, *, layout: str = "NCHW") -> Any:
    """Take the maximum of each channel of each image over two spatial axes, which remain with size 1.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NHWC": (N, H, W, C). Any strides.
    layout : {"NCHW", "NHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, 1, 1)
        A Tensor if x is one; the dtype of x.

    Raises
    ------
    ShapeError
        If x does not have 2 spatial axes.
    TypeError
        If the dtype is not a float.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.global_max_pool2d(np.zeros((2, 3, 5, 7))).shape
    (2, 3, 1, 1)
    """
    return adaptive_max_pool(2, x, 1, False, layout)


def global_max_pool3d(x: Tensor | ArrayLike, *, layout: str = "NCDHW") -> Any:
    """Take the maximum of each channel of each image over three spatial axes, which remain with size 1.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, D, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NDHWC": (N, D, H, W, C). Any strides.
    layout : {"NCDHW", "NDHWC"}

    Returns
    -------
    ndarray or Tensor, (N, C, 1, 1, 1)
        A Tensor if x is one; the dtype of x.

    Raises
    ------
    ShapeError
        If x does not have 3 spatial axes.
    TypeError
        If the dtype is not a float.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.global_max_pool3d(np.zeros((2, 3, 5, 7, 4))).shape
    (2, 3, 1, 1, 1)
    """
    return adaptive_max_pool(3, x, 1, False, layout)
