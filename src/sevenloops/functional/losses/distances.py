"""Losses of the distance between input and target, element by element, for arrays and Tensors."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor, apply
from sevenloops.functional.losses.call import pointwise
from sevenloops.functional.losses.reduction import check_reduction
from sevenloops.functional.options import number

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]

# Attribute of each: reduction.
MSE_LOSS = pointwise("mse_loss")
L1_LOSS = pointwise("l1_loss")
#: Attributes: reduction, beta.
SMOOTH_L1_LOSS = pointwise("smooth_l1_loss")
#: Attributes: reduction, delta.
HUBER_LOSS = pointwise("huber_loss")


def mse_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    reduction: str = "mean",
) -> Any:
    """Return (input - target)², or its mean or sum.

    Parameters
    ----------
    input, target : ndarray or Tensor
        One shape, any; one dtype: float16, float32 or float64.
    reduction : {"mean", "sum", "none"}
        The mean divides by the number of elements; that of no element is NaN.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the input's shape.

    Raises
    ------
    ShapeError
        If the shapes differ: nothing is broadcast, unlike in PyTorch, which warns.
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import sevenloops as sl
    >>> float(sl.mse_loss([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    return apply(MSE_LOSS, input, target, reduction=check_reduction(reduction))


def l1_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    reduction: str = "mean",
) -> Any:
    """Return |input - target|, or its mean or sum; the derivative where they are equal is taken as 0.

    Parameters
    ----------
    input, target : ndarray or Tensor
        One shape, any; one dtype: float16, float32 or float64.
    reduction : {"mean", "sum", "none"}
        The mean divides by the number of elements; that of no element is NaN.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the input's shape.

    Raises
    ------
    ShapeError
        If the shapes differ: nothing is broadcast, unlike in PyTorch, which warns.
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import sevenloops as sl
    >>> float(sl.l1_loss([1.0, 2.0], [1.0, 5.0]))
    1.5
    """
    return apply(L1_LOSS, input, target, reduction=check_reduction(reduction))


def smooth_l1_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """Return |input - target|, rounded off near 0, or its mean or sum.

    d² / (2·beta) for distances d below beta, and d - beta/2 above: `huber_loss` divided by beta.

    Parameters
    ----------
    input, target : ndarray or Tensor
        One shape, any; one dtype: float16, float32 or float64.
    reduction : {"mean", "sum", "none"}
        The mean divides by the number of elements; that of no element is NaN.
    beta : float, default 1
        At least 0, where the loss is `l1_loss`.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the input's shape.

    Raises
    ------
    ShapeError
        If the shapes differ: nothing is broadcast, unlike in PyTorch, which warns.
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If there is no such reduction, or beta is negative.

    References
    ----------
    R. Girshick, "Fast R-CNN", arXiv 1504.08083.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.smooth_l1_loss([0.5, 3.0], [0.0, 0.0], "none")
    array([0.125, 2.5  ])
    """
    beta = number("beta", beta)
    if not beta >= 0:
        raise ValueError(f"beta must be at least 0, but got {beta}.")
    check_reduction(reduction)
    if not beta:
        return apply(L1_LOSS, input, target, reduction=reduction)
    return apply(SMOOTH_L1_LOSS, input, target, reduction=reduction, beta=beta)


def huber_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    reduction: str = "mean",
    delta: float = 1.0,
) -> Any:
    """Return a loss that is quadratic near 0 and grows like the distance farther off, or its mean or sum.

    d²/2 for distances d up to delta, and delta · (d - delta/2) above.

    Parameters
    ----------
    input, target : ndarray or Tensor
        One shape, any; one dtype: float16, float32 or float64.
    reduction : {"mean", "sum", "none"}
        The mean divides by the number of elements; that of no element is NaN.
    delta : float, default 1
        Greater than 0.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the input's shape.

    Raises
    ------
    ShapeError
        If the shapes differ: nothing is broadcast, unlike in PyTorch, which warns.
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If there is no such reduction, or delta is not positive.

    References
    ----------
    P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35 (1964), 73-101.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.huber_loss([0.5, 3.0], [0.0, 0.0], "none", delta=2.0)
    array([0.125, 4.   ])
    """
    delta = number("delta", delta)
    if not delta > 0:
        raise ValueError(f"delta must be greater than 0, but got {delta}.")
    return apply(HUBER_LOSS, input, target, reduction=check_reduction(reduction), delta=delta)
