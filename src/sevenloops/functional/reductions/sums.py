"""Sums, means and products over axes."""

from math import prod as product_of
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.functional.elements.arithmetic import widened
from sevenloops.functional.elements.comparison import plain, untracked
from sevenloops.functional.elements.conversion import converted
from sevenloops.functional.shapes.dims import Dims, one_dim, several_dims

__all__ = ["METHODS", "count", "cumsum", "logsumexp", "mean", "prod", "reduced", "restored", "sum"]


def count(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    """Return how many elements some axes have together."""
    return product_of(shape[dim] for dim in dims)


def restored(grad: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
    """View the gradient of a result with the axes that were reduced, of length 1, and in the computing dtype."""
    return widened(grad if keepdim else np.expand_dims(grad, dims))


def _sum(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, tuple[int, ...]]:
    x = float_array("input", x)
    result = x.sum(dims, dtype=compute_dtype(x.dtype), keepdims=keepdim)
    return result.astype(x.dtype, copy=False), x.shape


def _sum_vjp(
    grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    return (np.broadcast_to(grad if keepdim else np.expand_dims(grad, dims), saved),)


def _mean(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, tuple[int, ...]]:
    x = float_array("input", x)
    number = count(x.shape, dims)
    total = x.sum(dims, dtype=compute_dtype(x.dtype), keepdims=keepdim)
    mean = (
        total / number if number else total * np.nan
    )  # the mean of nothing is NaN, as in PyTorch, without a warning
    return mean.astype(x.dtype, copy=False), x.shape


def _mean_vjp(
    grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    share = (restored(grad, dims, keepdim) / max(count(saved, dims), 1)).astype(grad.dtype, copy=False)
    return (np.broadcast_to(share, saved),)


def _prod(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, Array]:
    x = float_array("input", x)
    return x.prod(dims, dtype=compute_dtype(x.dtype), keepdims=keepdim).astype(x.dtype, copy=False), x


def _prod_vjp(
    grad: Array, saved: Array, needs: tuple[bool, ...], *, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    # The derivative by a factor is the product of those before it and of those after it: no division by a factor,
    # which may be 0.
    last = tuple(range(saved.ndim - len(dims), saved.ndim))
    moved = np.moveaxis(widened(saved), dims, last)
    factors = moved.reshape(*moved.shape[: saved.ndim - len(dims)], count(saved.shape, dims))
    others = np.ones_like(factors)
    np.cumprod(factors[..., :-1], axis=-1, out=others[..., 1:])
    others[..., :-1] *= np.cumprod(factors[..., :0:-1], axis=-1)[..., ::-1]
    slope = np.moveaxis(others.reshape(moved.shape), last, dims)
    return ((restored(grad, dims, keepdim) * slope).astype(grad.dtype, copy=False),)


def _logsumexp(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, Any]:
    x = float_array("input", x)
    wide = widened(x)
    top = np.asarray(wide.max(dims, keepdims=True, initial=-np.inf))
    top[~np.isfinite(top)] = 0  # infinities come out by themselves, and would make NaN of inf - inf
    with np.errstate(divide="ignore"):  # log 0 = -inf: of no element, or of -inf alone
        result = np.asarray(np.log(np.exp(wide - top).sum(dims, keepdims=True)) + top)
    return (result if keepdim else result.squeeze(dims)).astype(x.dtype, copy=False), (x, result)


def _logsumexp_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    x, result = saved
    with np.errstate(invalid="ignore"):  # inf - inf: infinite sums have no shares
        share = np.exp(x - np.where(np.isneginf(result), 0, result))  # where all are -inf, each has 0
    share *= restored(grad, dims, keepdim)
    return (share.astype(grad.dtype, copy=False),)


def _cumsum(x: Any, *, dim: int) -> tuple[Array, None]:
    x = float_array("input", x)
    return x.cumsum(dim, dtype=compute_dtype(x.dtype)).astype(x.dtype, copy=False), None


def _cumsum_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, dim: int) -> tuple[Array]:
    # An element is part of its own sum and of all that follow.
    backwards = np.flip(widened(grad), dim).cumsum(dim)
    return (np.flip(backwards, dim).astype(grad.dtype, copy=False),)


#: Attributes: dims (numbers from 0), keepdim.
SUM = Operation("sum", _sum, _sum_vjp)
#: Attributes: dims (numbers from 0), keepdim.
MEAN = Operation("mean", _mean, _mean_vjp)
#: Attributes: dims (numbers from 0), keepdim.
PROD = Operation("prod", _prod, _prod_vjp)
#: Attributes: dims (numbers from 0), keepdim.
LOGSUMEXP = Operation("logsumexp", _logsumexp, _logsumexp_vjp)
#: Attribute: dim (a number from 0).
CUMSUM = Operation("cumsum", _cumsum, _cumsum_vjp)


def sum(
    input: Tensor | ArrayLike,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    axis: Dims = None,
    keepdims: bool | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Any:
    """Return the sum over an axis, a tuple of axes, or all.

    As in PyTorch, NumPy's names `axis` and `keepdims` are understood too.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32, float64, integers or bools.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.
    dtype : float16, float32 or float64, optional
        What the input is converted to first.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype, but int64 for integers and bools, which have no gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.sum([[1.0, 2.0], [3.0, 4.0]], dim=0)
    array([4., 6.])
    """
    input = converted(input, dtype)
    array, dims = reduced("sum", input, dim, axis)
    keep = bool(keepdim if keepdims is None else keepdims)
    if array.dtype.kind in "iub":
        return untracked(array.sum(dims, np.int64, keepdims=keep), input)
    return apply(SUM, input, dims=dims, keepdim=keep)


def mean(
    input: Tensor | ArrayLike,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    axis: Dims = None,
    keepdims: bool | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Any:
    """Return the mean over an axis, a tuple of axes, or all.

    As in PyTorch, NumPy's names `axis` and `keepdims` are understood too.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.
    dtype : float16, float32 or float64, optional
        What the input is converted to first.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype. The mean of nothing is NaN.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.mean([[1.0, 2.0], [3.0, 4.0]], dim=0)
    array([2., 3.])
    """
    input = converted(input, dtype)
    _, dims = reduced("mean", input, dim, axis)
    return apply(MEAN, input, dims=dims, keepdim=bool(keepdim if keepdims is None else keepdims))


def prod(
    input: Tensor | ArrayLike, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None
) -> Any:
    """Return the product over an axis, a tuple of axes, or all.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32, float64, integers or bools.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.
    dtype : float16, float32 or float64, optional
        What the input is converted to first.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype, but int64 for integers and bools, which have no gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.prod([[1.0, 2.0], [3.0, 4.0]], dim=0)
    array([3., 8.])
    """
    input = converted(input, dtype)
    array, dims = reduced("prod", input, dim)
    if array.dtype.kind in "iub":
        return untracked(array.prod(dims, np.int64, keepdims=bool(keepdim)), input)
    return apply(PROD, input, dims=dims, keepdim=bool(keepdim))


def logsumexp(input: Tensor | ArrayLike, dim: Dims, keepdim: bool = False) -> Any:
    """Return log Σ exp(input) over an axis or a tuple of axes, without overflow.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype; -inf for the sum of nothing.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.logsumexp([1000.0, 1000.0], dim=0)
    array(1000.69314718)
    """
    _, dims = reduced("logsumexp", input, dim)
    return apply(LOGSUMEXP, input, dims=dims, keepdim=bool(keepdim))


def cumsum(input: Tensor | ArrayLike, dim: int, *, dtype: npt.DTypeLike | None = None) -> Any:
    """Return the sums of all elements up to each one along an axis.

    Parameters
    ----------
    input : ndarray or Tensor
        At least one axis; float16, float32, float64, integers or bools.
    dim : int
    dtype : float16, float32 or float64, optional
        What the input is converted to first.

    Returns
    -------
    ndarray or Tensor
        The input's shape and dtype, but int64 for integers and bools, which have no gradient.

    Raises
    ------
    ShapeError
        If there is no such axis.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.cumsum([1.0, 2.0, 3.0], dim=0)
    array([1., 3., 6.])
    """
    input = converted(input, dtype)
    array = plain(input)
    if not array.ndim:
        return sum(input, dim)  # of the one element, and a check of `dim`
    axis = one_dim("dim", dim, array.ndim)
    return (
        untracked(array.cumsum(axis, np.int64), input)
        if array.dtype.kind in "iub"
        else apply(CUMSUM, input, dim=axis)
    )


def reduced(name: str, input: Any, dim: Any, axis: Any = None) -> tuple[Array, tuple[int, ...]]:
    """Return the array and the numbers of the axes, by either name."""
    if axis is not None:
        if dim is not None:
            raise TypeError(f"{name} takes dim or axis, which mean the same, but got {dim!r} and {axis!r}.")
        dim = axis
    array = plain(input)
    return array, several_dims("dim", dim, array.ndim)


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "sum": sum,
    "mean": mean,
    "prod": prod,
    "logsumexp": logsumexp,
    "cumsum": cumsum,
}
