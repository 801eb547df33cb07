"""Variance, standard deviation and vector norms over axes."""

from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.functional.elements.arithmetic import number, widened
from sevenloops.functional.reductions.sums import count, reduced, restored
from sevenloops.functional.shapes.dims import Dims

__all__ = ["METHODS", "std", "var", "vector_norm"]


def _var(x: Any, *, dims: tuple[int, ...], correction: float, keepdim: bool) -> tuple[Array, Any]:
    x = float_array("input", x)
    variance, mean = _variance(x, dims, correction)
    return (variance if keepdim else variance.squeeze(dims)).astype(x.dtype, copy=False), (x, mean)


def _var_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, dims: tuple[int, ...], correction: float, keepdim: bool
) -> tuple[Array]:
    # Moving the mean changes nothing, since the deviations from it add up to 0: d var = 2 / (n - c) · (x - mean) dx.
    x, mean = saved
    with np.errstate(invalid="ignore"):  # 0 · ∞ where there is no degree of freedom
        dx = (x - mean) * (restored(grad, dims, keepdim) * _twice_over(x.shape, dims, correction))
    return (dx.astype(grad.dtype, copy=False),)


def _std(x: Any, *, dims: tuple[int, ...], correction: float, keepdim: bool) -> tuple[Array, Any]:
    x = float_array("input", x)
    variance, mean = _variance(x, dims, correction)
    root = np.sqrt(variance)
    return (root if keepdim else root.squeeze(dims)).astype(x.dtype, copy=False), (x, mean, root)


def _std_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, dims: tuple[int, ...], correction: float, keepdim: bool
) -> tuple[Array]:
    x, mean, root = saved
    slope = np.zeros_like(root)  # where all are equal, as in PyTorch
    with np.errstate(invalid="ignore"):
        np.divide(_twice_over(x.shape, dims, correction) / 2, root, out=slope, where=root != 0)
        dx = (x - mean) * (restored(grad, dims, keepdim) * slope)
    return (dx.astype(grad.dtype, copy=False),)


def _variance(x: Array, dims: tuple[int, ...], correction: float) -> tuple[Array, Array]:
    """Return variance and mean in the computing dtype, with axes of length 1."""
    wide, number = widened(x), count(x.shape, dims)
    mean = wide.sum(dims, keepdims=True) / max(number, 1)
    squares = np.square(wide - mean).sum(dims, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # of too few elements it is NaN or infinite, as in PyTorch
        return np.asarray(squares / np.asarray(max(number - correction, 0.0), squares.dtype)), mean


def _twice_over(shape: tuple[int, ...], dims: tuple[int, ...], correction: float) -> float:
    freedom = count(shape, dims) - correction
    return 2 / freedom if freedom > 0 else np.inf


def _norm(x: Any, *, p: float, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, Any]:
    x = float_array("input", x)
    sizes = np.abs(widened(x))
    largest = sizes.max(dims, keepdims=True, initial=0)
    if p == np.inf:
        result = largest
    elif p == -np.inf:
        result = sizes.min(dims, keepdims=True, initial=np.inf)
    elif p == 0:
        result = (sizes != 0).sum(dims, keepdims=True).astype(sizes.dtype)
    else:
        # Relative to the largest element, or squares of large ones would overflow. (Infinity and 0 scale nothing.)
        scale = np.where(np.isfinite(largest) & (largest > 0), largest, 1) if p > 0 else np.ones_like(largest)
        sizes /= scale
        with np.errstate(divide="ignore"):  # negative powers of 0
            result = scale * (sizes**p).sum(dims, keepdims=True) ** (1 / p)
    return (result if keepdim else result.squeeze(dims)).astype(x.dtype, copy=False), (x, result)


def _norm_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, p: float, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    # d |x|_p = sign(x) · (|x| / |x|_p)ᵖ⁻¹ dx, taken as 0 where the norm or (for p < 1) the element is 0.
    x, result = saved
    if p == 0:
        return (np.zeros_like(x),)
    wide, g = widened(x), restored(grad, dims, keepdim)
    if p == 2:
        return ((wide * (g / np.where(result == 0, 1, result))).astype(grad.dtype, copy=False),)
    signs, sizes = np.sign(wide), np.abs(wide)
    if abs(p) == np.inf:  # as in PyTorch, elements of equal size share the gradient
        reached = sizes == result
        slope = signs * reached / np.maximum(reached.sum(dims, keepdims=True), 1)
    else:
        ratios = sizes / np.where(result == 0, 1, result)
        with np.errstate(divide="ignore"):
            slope = signs * np.where((ratios == 0) & (p < 1), 0, ratios ** (p - 1))
    return ((slope * g).astype(grad.dtype, copy=False),)


#: Attributes: dims (numbers from 0), correction, keepdim.
VAR = Operation("var", _var, _var_vjp)
#: Attributes: dims (numbers from 0), correction, keepdim.
STD = Operation("std", _std, _std_vjp)
#: Attributes: p, dims (numbers from 0), keepdim.
NORM = Operation("vector_norm", _norm, _norm_vjp)


def var(input: Tensor | ArrayLike, dim: Dims = None, *, correction: float | None = 1, keepdim: bool = False) -> Any:
    """Return the variance over an axis, a tuple of axes, or all.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int or tuple of int, optional
        None means all axes.
    correction : float, default 1
        Subtracted from the number of elements; NumPy's `ddof`, whose default is 0.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype: the squared deviations from the mean, added and divided by n - correction.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.var([1.0, 2.0, 3.0])
    array(1.)
    >>> sl.var([1.0, 3.0], correction=0)
    array(1.)
    """
    _, dims = reduced("var", input, dim)
    return apply(
        VAR, input, dims=dims, correction=1.0 if correction is None else float(correction), keepdim=bool(keepdim)
    )


def std(input: Tensor | ArrayLike, dim: Dims = None, *, correction: float | None = 1, keepdim: bool = False) -> Any:
    """Return the standard deviation, the root of the variance, over an axis, a tuple of axes, or all.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int or tuple of int, optional
        None means all axes.
    correction : float, default 1
        Subtracted from the number of elements; NumPy's `ddof`, whose default is 0.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype. Where all elements are equal its gradient is taken as 0.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.std([1.0, 3.0], correction=0)
    array(1.)
    """
    _, dims = reduced("std", input, dim)
    return apply(
        STD, input, dims=dims, correction=1.0 if correction is None else float(correction), keepdim=bool(keepdim)
    )


def vector_norm(x: Tensor | ArrayLike, ord: float = 2, dim: Dims = None, keepdim: bool = False) -> Any:
    """Return the vector norm (Σ |x|^ord)^(1/ord) over an axis, a tuple of axes, or all.

    Parameters
    ----------
    x : ndarray or Tensor
        Any shape; float16, float32 or float64.
    ord : float, default 2
        inf and -inf are the largest and the smallest |x|, and 0 counts what is not 0.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype. Where the norm is 0 its gradient is taken as 0.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.vector_norm([3.0, -4.0])
    array(5.)
    >>> sl.vector_norm([3.0, -4.0], ord=1)
    array(7.)
    """
    if not number(ord) or ord != ord:
        raise TypeError(f"ord must be a number, but got {ord!r}.")
    _, dims = reduced("vector_norm", x, dim)
    return apply(NORM, x, p=float(ord), dims=dims, keepdim=bool(keepdim))


def norm(self: Tensor, p: float | str = "fro", dim: Dims = None, keepdim: bool = False) -> Any:
    """Return the vector norm over an axis, a tuple of axes, or all; "fro" means p = 2."""
    return vector_norm(self, 2 if p == "fro" else p, dim, keepdim)  # type: ignore[arg-type]  # checked there


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {"var": var, "std": std, "norm": norm}
