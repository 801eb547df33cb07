"""Activations that look along an axis: softmax and its relatives, the gated linear unit; for arrays and Tensors."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops import runtime
from sevenloops.activations import kernel
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_array, narrow
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.activations.call import activation, run
from sevenloops.functional.elements.conversion import converted
from sevenloops.functional.shapes.dims import one_dim

__all__ = ["glu", "log_softmax", "softmax", "softmin"]

#: Attribute of each: dim, from 0.
SOFTMAX = activation("softmax", keeps_input=False)
SOFTMIN = activation("softmin", keeps_input=False)
LOG_SOFTMAX = activation("log_softmax", keeps_input=False)


def softmax(input: Tensor | ArrayLike, dim: int, *, dtype: npt.DTypeLike | None = None) -> Any:
    """Return exp(input) divided by its sum along one axis.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64. The maximum of each row is subtracted first, so nothing overflows.
    dim : int
        The axis along which the result sums to 1; negative values count from the last. It has no default: PyTorch's
        guesses it from the number of axes, and warns.

    dtype : float16, float32 or float64, optional
        What the input is converted to first.

    Returns
    -------
    ndarray or Tensor
        The shape and memory order of the input, and its dtype if there is no other.

    Raises
    ------
    TypeError
        If a dtype is not one of the above, or dim is not an integer.
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.softmax([[0.0, 0.0], [1000.0, 0.0]], dim=1)
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return apply(SOFTMAX, converted(input, dtype), dim=_dim(input, dim))


def softmin(input: Tensor | ArrayLike, dim: int, *, dtype: npt.DTypeLike | None = None) -> Any:
    """Return `softmax` of the negated input: the smallest entry has the largest share.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int
        The axis along which the result sums to 1; negative values count from the last. It has no default.

    dtype : float16, float32 or float64, optional
        What the input is converted to first.

    Returns
    -------
    ndarray or Tensor
        The shape and memory order of the input, and its dtype if there is no other.

    Raises
    ------
    TypeError
        If a dtype is not one of the above, or dim is not an integer.
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.softmin([[0.0, 0.0], [1000.0, 0.0]], dim=1)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    return apply(SOFTMIN, converted(input, dtype), dim=_dim(input, dim))


def log_softmax(input: Tensor | ArrayLike, dim: int, *, dtype: npt.DTypeLike | None = None) -> Any:
    """Return the logarithm of `softmax`, without computing that first (its small values would be rounded to 0).

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int
        The axis along which exp(result) sums to 1; negative values count from the last. It has no default.

    dtype : float16, float32 or float64, optional
        What the input is converted to first.

    Returns
    -------
    ndarray or Tensor
        The shape and memory order of the input, and its dtype if there is no other.

    Raises
    ------
    TypeError
        If a dtype is not one of the above, or dim is not an integer.
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.log_softmax([1000.0, 0.0], dim=0)
    array([    0., -1000.])
    """
    return apply(LOG_SOFTMAX, converted(input, dtype), dim=_dim(input, dim))


def _dim(input: Tensor | ArrayLike, dim: Any) -> int:
    """Return the axis from 0; an array without axes has one of one entry, as in PyTorch."""
    return one_dim("dim", dim, max(input.ndim if isinstance(input, Tensor) else np.ndim(input), 1))


def _glu_forward(x: Any, *, dim: int) -> tuple[Array, Array]:
    x = float_array("input", x)
    value, gate = _halves(x, dim)
    return run("glu", "forward", value, gate), x


def _glu_vjp(grad: Array, saved: Array, needs: tuple[bool, ...], *, dim: int) -> tuple[Array]:
    wide = compute_dtype(saved.dtype)
    dx = runtime.empty_like(saved, wide)
    inputs = (array.astype(wide, copy=False) for array in (grad, *_halves(saved, dim)))
    kernel("glu", "gradient")(*inputs, *_halves(dx, dim))
    return (narrow(dx, grad.dtype),)


def _halves(x: Array, dim: int) -> tuple[Array, Array]:
    """View the first and the second half along an axis."""
    half, before = x.shape[dim] // 2, (slice(None),) * dim
    return x[(*before, slice(half))], x[(*before, slice(half, None))]


#: Attribute: dim, from 0.
GLU = Operation("glu", _glu_forward, _glu_vjp)


def glu(input: Tensor | ArrayLike, dim: int = -1) -> Any:
    """Return the first half of the input times the sigmoid of the second half, along one axis.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int, default -1
        The axis; its length is even.

    Returns
    -------
    ndarray or Tensor
        The shape of the input with half the length along the axis; its dtype and memory order.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or dim is not an integer.
    ShapeError
        If there is no such axis, or its length is odd.

    References
    ----------
    Y. N. Dauphin et al., "Language Modeling with Gated Convolutional Networks", arXiv 1612.08083.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.glu([3.0, 8.0, 0.0, 1000.0])
    array([1.5, 8. ])
    """
    shape = input.shape if isinstance(input, Tensor) else np.shape(input)
    axis = one_dim("dim", dim, len(shape))
    if shape[axis] % 2:
        raise ShapeError(f"The input of glu must have an even length along dim {dim}, but its shape is {shape}.")
    return apply(GLU, input, dim=axis)
