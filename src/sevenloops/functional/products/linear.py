"""The affine map of the last axis, for arrays and Tensors."""

from math import prod
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.affine import kernel
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_arrays
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError

__all__ = ["LINEAR", "linear"]


def _forward(x: Any, weight: Any, bias: Any) -> tuple[Array, tuple[Array, Array]]:
    x, weight, bias = float_arrays(x=x, weight=weight, bias=bias)
    _check(x, weight, bias)
    wide = compute_dtype(x.dtype)
    rows = _rows(x).astype(wide, copy=False)
    y = runtime.empty((len(rows), len(weight)), wide)
    kernel("forward")(
        rows, weight.astype(wide, copy=False), None if bias is None else bias.astype(wide, copy=False), y
    )
    return y.astype(x.dtype, copy=False).reshape(*x.shape[:-1], len(weight)), (x, weight)


def _vjp(
    grad: Array, saved: tuple[Array, Array], needs: tuple[bool, ...]
) -> tuple[Array | None, Array | None, Array | None]:
    x, weight = saved
    wide = compute_dtype(grad.dtype)
    rows = _rows(grad).astype(wide, copy=False)
    dx = dw = db = None
    if needs[0]:
        dx = runtime.empty((len(rows), weight.shape[1]), wide)
        kernel("input_grad")(rows, weight.astype(wide, copy=False), dx)
        dx = dx.astype(grad.dtype, copy=False).reshape(*grad.shape[:-1], weight.shape[1])
    if needs[1]:
        dw = runtime.empty((rows.shape[1], x.shape[-1]), wide)
        kernel("weight_grad")(rows, _rows(x).astype(wide, copy=False), dw)
        dw = dw.astype(grad.dtype, copy=False)
    if needs[2]:
        db = runtime.empty(rows.shape[1:], wide)
        kernel("bias_grad")(rows, db)
        db = db.astype(grad.dtype, copy=False)
    return dx, dw, db


def _keep(saved: tuple[Array, Array], needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
    """Each gradient reads the other operand: what has a frozen weight keeps no activation."""
    x, weight = saved
    return x if needs[1] else None, weight if needs[0] else None


LINEAR = Operation("linear", _forward, _vjp, _keep)


def linear(x: Tensor | ArrayLike, weight: Tensor | ArrayLike, bias: Tensor | ArrayLike | None = None) -> Any:
    """Return x·Wᵀ + b along the last axis.

    y[…, o] = bias[o] + Σ_i  weight[o, i] · x[…, i]

    Parameters
    ----------
    x : ndarray or Tensor, (*, in_features)
        float16, float32 or float64, like weight and bias; any number of leading axes, none included.
    weight : ndarray or Tensor, (out_features, in_features)
    bias : ndarray or Tensor, (out_features,), optional

    Returns
    -------
    ndarray or Tensor, (*, out_features)
        A Tensor if an argument is one.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.linear(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([0.0, 0.0, 10.0]))
    array([[ 1.,  2., 13.]])
    """
    return apply(LINEAR, x, weight, bias)


def _rows(array: Array) -> Array:
    """View the array as (M, last axis); copy what NumPy would not hand to BLAS (a broadcast gradient)."""
    rows = array.reshape(prod(array.shape[:-1]), array.shape[-1])
    return rows if rows.flags.forc else np.ascontiguousarray(rows)


def _check(x: Array, weight: Array, bias: Array | None) -> None:
    if weight.ndim != 2:
        raise ShapeError(f"weight must have the shape (out_features, in_features), but its shape is {weight.shape}.")
    if x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"The last axis of x must have the weight's in_features, but x has shape {x.shape} and weight "
            f"(out_features, in_features) is {weight.shape}; is the weight transposed, or x not flattened?"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"bias must have one entry per output feature, shape {weight.shape[:1]}, but its shape is {bias.shape}."
        )
