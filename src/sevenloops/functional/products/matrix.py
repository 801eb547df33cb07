"""The matrix product of Tensors, as NumPy's: one axis is a vector, leading axes are a batch and broadcast."""

from math import prod
from typing import Any

import numpy as np

from sevenloops import products
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_arrays
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.elements.arithmetic import unbroadcast, widened

__all__ = ["MATMUL", "METHODS", "matmul"]


def _rows(array: Array) -> Array:
    """View (*, n) as (M, n)."""
    return array.reshape(prod(array.shape[:-1]), array.shape[-1])


def _product(left: Array, right: Array) -> Array:
    """Return left @ right: one product, not one per batch entry, where only the left side has a batch."""
    if left.ndim > 2 and right.ndim == 2:
        return products.matmul(_rows(left), right).reshape(*left.shape[:-1], right.shape[-1])
    return products.matmul(left, right)


def _forward(left: Any, right: Any) -> tuple[Array, Any]:
    left, right = float_arrays(left=left, right=right)
    _check(left.shape, right.shape)
    wide = compute_dtype(left.dtype)
    result = _product(left.astype(wide, copy=False), right.astype(wide, copy=False))
    return result.astype(left.dtype, copy=False), (left.shape, right.shape, left, right)


def _keep(saved: Any, needs: tuple[bool, ...]) -> Any:
    """Each gradient reads the other operand."""
    left_shape, right_shape, left, right = saved
    return left_shape, right_shape, left if needs[1] else None, right if needs[0] else None


def _vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
    # With matrices, Y = A·B: dA = dY·Bᵀ and dB = Aᵀ·dY. A vector on the left is a row, one on the right a column.
    left_shape, right_shape, left, right = saved
    a_shape = left_shape if len(left_shape) > 1 else (1, *left_shape)
    b_shape = right_shape if len(right_shape) > 1 else (*right_shape, 1)
    g = widened(grad)
    if len(right_shape) == 1:
        g = g[..., None]
    if len(left_shape) == 1:
        g = g[..., None, :]
    da = db = None
    if needs[0]:
        b = widened(right).reshape(b_shape)
        da = unbroadcast(_product(g, b.swapaxes(-1, -2)), a_shape, grad.dtype).reshape(left_shape)
    if needs[1]:
        a = widened(left).reshape(a_shape)
        if len(b_shape) == 2:
            db = products.matmul(_rows(a).T, _rows(g)).astype(grad.dtype, copy=False).reshape(right_shape)
        else:
            db = unbroadcast(products.matmul(a.swapaxes(-1, -2), g), b_shape, grad.dtype).reshape(right_shape)
    return da, db


MATMUL = Operation("matmul", _forward, _vjp, _keep)


def matmul(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return the matrix product input @ other.

    Parameters
    ----------
    input : ndarray or Tensor, (*, M, K) or (K,)
    other : ndarray or Tensor, (*, K, N) or (K,)
        Of the same dtype: float16, float32 or float64. Leading axes broadcast against each other.

    Returns
    -------
    ndarray or Tensor, (*, M, N)
        Without M or N where that operand is a vector.

    Raises
    ------
    ShapeError
        If the inner axes differ, an operand has no axis, or the leading axes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> x = sl.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> (x @ x).numpy()
    array([[ 7., 10.],
           [15., 22.]])
    """
    return apply(MATMUL, input, other)


def _matmul(self: Tensor, other: Any) -> Any:
    """Return self @ other."""
    return matmul(self, other) if isinstance(other, (Tensor, np.ndarray)) else NotImplemented


def _rmatmul(self: Tensor, other: Any) -> Any:
    """Return other @ self."""
    return matmul(other, self) if isinstance(other, (Tensor, np.ndarray)) else NotImplemented


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {"__matmul__": _matmul, "__rmatmul__": _rmatmul, "matmul": matmul}


def _check(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    if not left or not right:
        raise ShapeError(
            f"The operands of matmul must have at least one axis, but their shapes are {left} and {right}."
        )
    inner = right[-2] if len(right) > 1 else right[0]
    if left[-1] != inner:
        which = "last but one" if len(right) > 1 else "only"
        raise ShapeError(
            f"The last axis of matmul's left operand must equal the {which} axis of the right one, "
            f"but {left[-1]} differs from {inner} (shapes {left} and {right})."
        )
    try:
        np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        raise ShapeError(
            f"The leading axes of matmul's operands must broadcast against each other, but the shapes are {left} and "
            f"{right}."
        ) from None
