"""Average pooling over 1, 2 and 3 axes, for arrays and Tensors."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.pooling.call import avg_pool
from sevenloops.geometry.arguments import PaddingLike, SizeLike

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d"]


def avg_pool1d(
    x: Tensor | ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: str = "NCW",
    algorithm: str = "auto",
) -> Any:
    """Take the average of each window over one spatial axis.

    y[n, c, i] = Σ_u  x[n, c, i·s + u - p] / divisor

    where x is zero outside its borders, s is the stride, p the padding before and the divisor the window's size.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NWC": (N, W, C). Any strides.
    kernel_size : int or sequence of 1
    stride : int or sequence of 1, optional
        The kernel size if not given.
    padding : int, sequence of 1, "valid" or "same", default 0
        Each entry of a sequence is an int or a pair (before, after), less than the kernel. With "same" the output has
        ceil(input / stride) positions, an odd pixel of padding at the end.
    ceil_mode : bool, default False
        Whether a last window may hang over the end, if it starts inside the input or the padding before it.
    count_include_pad : bool, default True
        Whether padding counts in the divisor. What hangs over the padding too, with `ceil_mode`, never does.
    divisor_override : int, optional
        Divides every sum instead; not zero.
    layout : {"NCW", "NWC"}
    algorithm : str, default "auto"
        One of `sevenloops.pooling_algorithms()`.

    Returns
    -------
    ndarray or Tensor, (N, C, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.

    Raises
    ------
    ShapeError
        If sizes contradict each other, a padding is too large, no window fits, or `divisor_override` is 0.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.
    UnknownAlgorithmError
        If no algorithm has that name.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[[1.0, 3.0, 2.0, 6.0, 4.0]]])
    >>> sl.avg_pool1d(x, 2)
    array([[[2., 4.]]])
    >>> sl.avg_pool1d(x, 2, padding=1)
    array([[[0.5, 2.5, 5. ]]])
    """
    window = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return avg_pool(1, x, kernel_size, count_include_pad, divisor_override, layout, algorithm, **window)


def avg_pool2d(
    x: Tensor | ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: str = "NCHW",
    algorithm: str = "auto",
) -> Any:
    """Take the average of each window over two spatial axes.

    y[n, c, i, j] = Σ_u Σ_v  x[n, c, i·s + u - p, j·s + v - p] / divisor

    where x is zero outside its borders, s is the stride, p the padding before and the divisor the window's size.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NHWC": (N, H, W, C). Any strides.
    kernel_size : int or sequence of 2
    stride : int or sequence of 2, optional
        The kernel size if not given.
    padding : int, sequence of 2, "valid" or "same", default 0
        Each entry of a sequence is an int or a pair (before, after), less than the kernel. With "same" the output has
        ceil(input / stride) positions, an odd pixel of padding at the end.
    ceil_mode : bool, default False
        Whether a last window may hang over the end, if it starts inside the input or the padding before it.
    count_include_pad : bool, default True
        Whether padding counts in the divisor. What hangs over the padding too, with `ceil_mode`, never does.
    divisor_override : int, optional
        Divides every sum instead; not zero.
    layout : {"NCHW", "NHWC"}
    algorithm : str, default "auto"
        One of `sevenloops.pooling_algorithms()`.

    Returns
    -------
    ndarray or Tensor, (N, C, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.

    Raises
    ------
    ShapeError
        If sizes contradict each other, a padding is too large, no window fits, or `divisor_override` is 0.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.
    UnknownAlgorithmError
        If no algorithm has that name.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> sl.avg_pool2d(x, 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    >>> sl.avg_pool2d(x, 3, stride=3, padding=1, count_include_pad=False)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    window = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return avg_pool(2, x, kernel_size, count_include_pad, divisor_override, layout, algorithm, **window)


def avg_pool3d(
    x: Tensor | ArrayLike,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: str = "NCDHW",
    algorithm: str = "auto",
) -> Any:
    """Take the average of each window over three spatial axes.

    y[n, c, i, j, k] = Σ_u  x[n, c, (i, j, k)·s + u - p] / divisor,  u over kD × kH × kW,

    where x is zero outside its borders, s is the stride, p the padding before and the divisor the window's size.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C, D, H, W)
        float16, float32 or float64; the batch axis may be absent. With layout "NDHWC": (N, D, H, W, C). Any strides.
    kernel_size : int or sequence of 3
    stride : int or sequence of 3, optional
        The kernel size if not given.
    padding : int, sequence of 3, "valid" or "same", default 0
        Each entry of a sequence is an int or a pair (before, after), less than the kernel. With "same" the output has
        ceil(input / stride) positions, an odd pixel of padding at the end.
    ceil_mode : bool, default False
        Whether a last window may hang over the end, if it starts inside the input or the padding before it.
    count_include_pad : bool, default True
        Whether padding counts in the divisor. What hangs over the padding too, with `ceil_mode`, never does.
    divisor_override : int, optional
        Divides every sum instead; not zero.
    layout : {"NCDHW", "NDHWC"}
    algorithm : str, default "auto"
        One of `sevenloops.pooling_algorithms()`.

    Returns
    -------
    ndarray or Tensor, (N, C, Do, Ho, Wo)
        A Tensor if x is one; the dtype of x, and its memory order.

    Raises
    ------
    ShapeError
        If sizes contradict each other, a padding is too large, no window fits, or `divisor_override` is 0.
    TypeError
        If the dtype is not a float, or a parameter has the wrong type.
    UnknownAlgorithmError
        If no algorithm has that name.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(64.0).reshape(1, 1, 4, 4, 4)
    >>> sl.avg_pool3d(x, 2, stride=(4, 2, 2))
    array([[[[[10.5, 12.5],
              [18.5, 20.5]]]]])
    """
    window = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return avg_pool(3, x, kernel_size, count_include_pad, divisor_override, layout, algorithm, **window)
