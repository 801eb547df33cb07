"""Activation functions, for arrays and Tensors."""

from functools import partial
from typing import Any

import numpy as np

from sevenloops.activations import kernel
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.functional.dims import one_dim

__all__ = ["leaky_relu", "log_softmax", "relu", "sigmoid", "softmax", "tanh"]


def _forward(name: str, keeps_input: bool, x: Any, **attributes: Any) -> tuple[Array, Array]:
    x = float_array("input", x)
    y = _run(name, "forward", x, **attributes)
    return y, (x if keeps_input else y)


def _vjp(name: str, grad: Array, saved: Array, needs: tuple[bool, ...], **attributes: Any) -> tuple[Array]:
    return (_run(name, "gradient", grad, saved, **attributes),)


def _run(name: str, direction: str, *arrays: Array, **attributes: Any) -> Array:
    """Run a kernel; the result has the memory order of the last array, and float16 is computed in float32."""
    dtype = arrays[0].dtype
    wide = compute_dtype(dtype)
    out = np.empty_like(arrays[-1], wide)
    wides = [array.astype(wide, copy=False) for array in arrays]
    kernel(name, direction)(*map(np.atleast_1d, wides), np.atleast_1d(out), **attributes)
    return out.astype(dtype, copy=False)


def _activation(name: str, keeps_input: bool = False) -> Operation:
    """Return the operation of the kernels `name`, whose gradient is computed from the result, or from the input."""
    return Operation(name, partial(_forward, name, keeps_input), partial(_vjp, name))


RELU = _activation("relu")
LEAKY_RELU = _activation("leaky_relu", keeps_input=True)
TANH = _activation("tanh")
SIGMOID = _activation("sigmoid")
SOFTMAX = _activation("softmax")
LOG_SOFTMAX = _activation("log_softmax")


def relu(input: Tensor | ArrayLike) -> Any:
    """Return max(input, 0), element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 is taken as 0; NaN stays NaN.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.relu([-1.0, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return apply(RELU, input)


def leaky_relu(input: Tensor | ArrayLike, negative_slope: float = 0.01) -> Any:
    """Return the input where it is positive and negative_slope · input elsewhere.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    negative_slope : float, default 0.01

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 is taken as negative_slope.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or negative_slope is not a number.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.leaky_relu([-1.0, 0.0, 2.0], 0.5)
    array([-0.5,  0. ,  2. ])
    """
    if isinstance(negative_slope, bool) or not isinstance(negative_slope, (int, float, np.number)):
        raise TypeError(f"negative_slope must be a number, but got {negative_slope!r}.")
    return apply(LEAKY_RELU, input, negative_slope=float(negative_slope))


def tanh(input: Tensor | ArrayLike) -> Any:
    """Return the hyperbolic tangent, element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.tanh([0.0, 100.0])
    array([0., 1.])
    """
    return apply(TANH, input)


def sigmoid(input: Tensor | ArrayLike) -> Any:
    """Return 1 / (1 + exp(-input)), element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64. No finite value overflows.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return apply(SIGMOID, input)


def softmax(input: Tensor | ArrayLike, dim: int) -> Any:
    """Return exp(input) divided by its sum along one axis.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64. The maximum of each row is subtracted first, so nothing overflows.
    dim : int
        The axis along which the result sums to 1; negative values count from the last. It has no default: PyTorch's
        guesses it from the number of axes, and warns.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or dim is not an integer.
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.softmax([[0.0, 0.0], [1000.0, 0.0]], dim=1)
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return apply(SOFTMAX, input, dim=_dim(input, dim))


def log_softmax(input: Tensor | ArrayLike, dim: int) -> Any:
    """Return the logarithm of `softmax`, without computing that first (its small values would be rounded to 0).

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    dim : int
        The axis along which exp(result) sums to 1; negative values count from the last. It has no default.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or dim is not an integer.
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.log_softmax([1000.0, 0.0], dim=0)
    array([    0., -1000.])
    """
    return apply(LOG_SOFTMAX, input, dim=_dim(input, dim))


def _dim(input: Tensor | ArrayLike, dim: Any) -> int:
    return one_dim("dim", dim, input.ndim if isinstance(input, Tensor) else np.ndim(input))
