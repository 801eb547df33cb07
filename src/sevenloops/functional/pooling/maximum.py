"""Max pooling over 1, 2 and 3 axes, for arrays and Tensors."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.pooling.call import max_pool
from sevenloops.geometry.arguments import PaddingLike, SizeLike

__all__ = ["max_pool1d", "max_pool2d", "max_pool3d"]


def max_pool1d(
    x: Tensor | ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCW",
    algorithm: str = "auto",
) -> Any:
    """Take the maximum of each window over one spatial axis.

    y[n, c, i] = max over u of  x[n, c, i·s + u·d - p]

    over the positions inside the input: padding counts as -inf. Here s is the stride, d the dilation and p the
    padding before. NaN is larger than everything. The gradient goes to the first of equal maxima.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NWC": (N, W, C). Any strides.
    kernel_size : int or sequence of 1
    stride : int or sequence of 1, optional
        The kernel size if not given.
    padding : int, sequence of 1, "valid" or "same", default 0
        Each entry of a sequence is an int or a pair (before, after), less than the effective kernel. With "same" the
        output has ceil(input / stride) positions, an odd pixel of padding at the end.
    dilation : int or sequence of 1, default 1
    ceil_mode : bool, default False
        Whether a last window may hang over the end, if it starts inside the input or the padding before it.
    return_indices : bool, default False
        Whether to return also where each maximum is.
    layout : {"NCW", "NWC"}
    algorithm : str, default "auto"
        One of `sevenloops.pooling_algorithms()`.

    Returns
    -------
    ndarray or Tensor, (N, C, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.
    ndarray of int64, (N, C, Wo)
        With `return_indices`: the position of each maximum in its flattened, unpadded plane. A window that sees
        padding only, as dilation makes possible, has maximum -inf and index -1, and its gradient goes nowhere.

    Raises
    ------
    ShapeError
        If sizes contradict each other, a padding is too large, or no window fits.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.
    UnknownAlgorithmError
        If no algorithm has that name.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[[1.0, 3.0, 2.0, 5.0, 4.0]]])
    >>> sl.max_pool1d(x, 2)
    array([[[3., 5.]]])
    >>> sl.max_pool1d(x, 2, ceil_mode=True, return_indices=True)
    (array([[[3., 5., 4.]]]), array([[[1, 3, 4]]]))
    """
    window = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    return max_pool(1, x, kernel_size, return_indices, layout, algorithm, **window)


def max_pool2d(
    x: Tensor | ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
    algorithm: str = "auto",
) -> Any:
    """Take the maximum of each window over two spatial axes.

    y[n, c, i, j] = max over u, v of  x[n, c, i·s + u·d - p, j·s + v·d - p]

    over the positions inside the input: padding counts as -inf. Here s is the stride, d the dilation and p the
    padding before. NaN is larger than everything. The gradient goes to the first of equal maxima.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NHWC": (N, H, W, C). Any strides.
    kernel_size : int or sequence of 2
    stride : int or sequence of 2, optional
        The kernel size if not given.
    padding : int, sequence of 2, "valid" or "same", default 0
        Each entry of a sequence is an int or a pair (before, after), less than the effective kernel. With "same" the
        output has ceil(input / stride) positions, an odd pixel of padding at the end.
    dilation : int or sequence of 2, default 1
    ceil_mode : bool, default False
        Whether a last window may hang over the end, if it starts inside the input or the padding before it.
    return_indices : bool, default False
        Whether to return also where each maximum is.
    layout : {"NCHW", "NHWC"}
    algorithm : str, default "auto"
        One of `sevenloops.pooling_algorithms()`.

    Returns
    -------
    ndarray or Tensor, (N, C, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.
    ndarray of int64, (N, C, Ho, Wo)
        With `return_indices`: the position of each maximum in its flattened, unpadded plane. A window that sees
        padding only, as dilation makes possible, has maximum -inf and index -1, and its gradient goes nowhere.

    Raises
    ------
    ShapeError
        If sizes contradict each other, a padding is too large, or no window fits.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.
    UnknownAlgorithmError
        If no algorithm has that name.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> y, indices = sl.max_pool2d(x, 2, return_indices=True)
    >>> y
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    >>> indices[0, 0].tolist()
    [[5, 7], [13, 15]]
    >>> sl.max_pool2d(-x, 3, stride=2, padding="same").shape
    (1, 1, 2, 2)
    """
    window = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    return max_pool(2, x, kernel_size, return_indices, layout, algorithm, **window)


def max_pool3d(
    x: Tensor | ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCDHW",
    algorithm: str = "auto",
) -> Any:
    """Take the maximum of each window over three spatial axes.

    y[n, c, i, j, k] = max over u of  x[n, c, (i, j, k)·s + u·d - p],  u over kD × kH × kW,

    over the positions inside the input: padding counts as -inf. Here s is the stride, d the dilation and p the
    padding before. NaN is larger than everything. The gradient goes to the first of equal maxima.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, D, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NDHWC": (N, D, H, W, C). Any strides.
    kernel_size : int or sequence of 3
    stride : int or sequence of 3, optional
        The kernel size if not given.
    padding : int, sequence of 3, "valid" or "same", default 0
        Each entry of a sequence is an int or a pair (before, after), less than the effective kernel. With "same" the
        output has ceil(input / stride) positions, an odd pixel of padding at the end.
    dilation : int or sequence of 3, default 1
    ceil_mode : bool, default False
        Whether a last window may hang over the end, if it starts inside the input or the padding before it.
    return_indices : bool, default False
        Whether to return also where each maximum is.
    layout : {"NCDHW", "NDHWC"}
    algorithm : str, default "auto"
        One of `sevenloops.pooling_algorithms()`.

    Returns
    -------
    ndarray or Tensor, (N, C, Do, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.
    ndarray of int64, (N, C, Do, Ho, Wo)
        With `return_indices`: the position of each maximum in its flattened, unpadded plane. A window that sees
        padding only, as dilation makes possible, has maximum -inf and index -1, and its gradient goes nowhere.

    Raises
    ------
    ShapeError
        If sizes contradict each other, a padding is too large, or no window fits.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.
    UnknownAlgorithmError
        If no algorithm has that name.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(64.0).reshape(1, 1, 4, 4, 4)
    >>> sl.max_pool3d(x, 2, stride=(4, 2, 2))
    array([[[[[21., 23.],
              [29., 31.]]]]])
    """
    window = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    return max_pool(3, x, kernel_size, return_indices, layout, algorithm, **window)
