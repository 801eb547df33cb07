"""Arithmetic of two operands, with NumPy's broadcasting: + - * /.

float16 is computed in float32 where a rule takes more than one rounding.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_arrays
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.pairs import UFUNCS, combined

__all__ = [
    "METHODS",
    "Gradients",
    "add",
    "binary",
    "div",
    "mul",
    "number",
    "numbers_as_arrays",
    "sub",
    "unbroadcast",
    "widened",
]

Gradients: TypeAlias = tuple[Array | None, Array | None]


def unbroadcast(gradient: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Sum over the axes along which an operand of that shape was repeated (the transpose of repeating)."""
    if gradient.shape != shape:
        new = gradient.ndim - len(shape)
        repeated = tuple(new + i for i, length in enumerate(shape) if length == 1)
        gradient = gradient.sum((*range(new), *repeated), keepdims=True).reshape(shape)
    return gradient.astype(dtype, copy=False)


def widened(array: Array) -> Array:
    """Return the array in the dtype in which it is computed."""
    return array.astype(compute_dtype(array.dtype), copy=False)


def binary(ufunc: Callable[..., Any], left: Any, right: Any) -> tuple[Array, Array, Array]:
    """Apply a function of two arrays; return the result and the operands as arrays."""
    left, right = float_arrays(left=left, right=right)
    try:
        result = combined(ufunc.__name__, left, right) if ufunc.__name__ in UFUNCS else ufunc(left, right)
        return result, left, right
    except ValueError:
        raise ShapeError(
            f"The operands of {ufunc.__name__} must have shapes that broadcast against each other, "
            f"but they have {left.shape} and {right.shape}."
        ) from None


def _add(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = binary(np.add, left, right)
    return result, (left.shape, right.shape)


def _add_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left, right = saved
    g, dtype = widened(grad), grad.dtype
    return unbroadcast(g, left, dtype) if needs[0] else None, unbroadcast(g, right, dtype) if needs[1] else None


def _subtract(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = binary(np.subtract, left, right)
    return result, (left.shape, right.shape)


def _subtract_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left, right = saved
    g, dtype = widened(grad), grad.dtype
    return unbroadcast(g, left, dtype) if needs[0] else None, unbroadcast(-g, right, dtype) if needs[1] else None


def _multiply(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = binary(np.multiply, left, right)
    return result, (left.shape, right.shape, left, right)


def _multiply_keep(saved: Any, needs: tuple[bool, ...]) -> Any:
    left_shape, right_shape, left, right = saved
    return left_shape, right_shape, left if needs[1] else None, right if needs[0] else None


def _multiply_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left_shape, right_shape, left, right = saved
    g, dtype = widened(grad), grad.dtype
    return (
        unbroadcast(g * right, left_shape, dtype) if needs[0] else None,
        unbroadcast(g * left, right_shape, dtype) if needs[1] else None,
    )


def _divide(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = binary(np.divide, left, right)
    return result, (left.shape, right, result)


def _divide_keep(saved: Any, needs: tuple[bool, ...]) -> Any:
    left, right, result = saved
    return left, right, result if needs[1] else None


def _divide_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left, right, result = saved
    quotient, dtype = widened(grad) / right, grad.dtype
    return (
        unbroadcast(quotient, left, dtype) if needs[0] else None,
        unbroadcast(-quotient * result, right.shape, dtype) if needs[1] else None,
    )


ADD = Operation("add", _add, _add_vjp)
SUBTRACT = Operation("subtract", _subtract, _subtract_vjp)
MULTIPLY = Operation("multiply", _multiply, _multiply_vjp, _multiply_keep)
DIVIDE = Operation("divide", _divide, _divide_vjp, _divide_keep)


def number(value: Any) -> bool:
    """Whether a value is a number (not an array without axes), of Python or NumPy."""
    return isinstance(value, (int, float, np.number, np.bool_)) and not isinstance(value, np.complexfloating)


def numbers_as_arrays(*values: Any) -> list[Any]:
    """Return the operands of a call; numbers among them take the dtype of the first that is none."""
    dtypes = (v.dtype for v in values if isinstance(v, (Tensor, np.ndarray)))
    dtype = next(dtypes, np.dtype(np.float64))
    return [np.asarray(value, dtype) if number(value) else value for value in values]


def _operator(operation: Operation, swapped: bool = False) -> Callable[[Tensor, Any], Tensor]:
    """Return the method that applies an operation of two operands, the Tensor on the right if `swapped`."""

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, (Tensor, np.ndarray)):
            if not number(other):
                return NotImplemented  # Python then names the operator and both types
            other = np.asarray(other, self.dtype)
        return apply(operation, other, self) if swapped else apply(operation, self, other)

    return method


def add(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return input + other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Shapes that broadcast against each other, and one dtype: float16, float32 or float64. A number takes the dtype
        of the other operand.

    Returns
    -------
    ndarray or Tensor
        The shape of both operands broadcast.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.add([1.0, 2.0], 10.0)
    array([11., 12.])
    """
    return apply(ADD, *numbers_as_arrays(input, other))


def sub(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return input - other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Shapes that broadcast against each other, and one dtype: float16, float32 or float64. A number takes the dtype
        of the other operand.

    Returns
    -------
    ndarray or Tensor
        The shape of both operands broadcast.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.sub([1.0, 2.0], 10.0)
    array([-9., -8.])
    """
    return apply(SUBTRACT, *numbers_as_arrays(input, other))


def mul(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return input · other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Shapes that broadcast against each other, and one dtype: float16, float32 or float64. A number takes the dtype
        of the other operand.

    Returns
    -------
    ndarray or Tensor
        The shape of both operands broadcast.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.mul([1.0, 2.0], [[1.0], [10.0]])
    array([[ 1.,  2.],
           [10., 20.]])
    """
    return apply(MULTIPLY, *numbers_as_arrays(input, other))


def div(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return input / other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Shapes that broadcast against each other, and one dtype: float16, float32 or float64. A number takes the dtype
        of the other operand.

    Returns
    -------
    ndarray or Tensor
        The shape of both operands broadcast.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.div([1.0, 2.0], 4.0)
    array([0.25, 0.5 ])
    """
    return apply(DIVIDE, *numbers_as_arrays(input, other))


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "__add__": _operator(ADD),
    "__radd__": _operator(ADD, swapped=True),
    "__sub__": _operator(SUBTRACT),
    "__rsub__": _operator(SUBTRACT, swapped=True),
    "__mul__": _operator(MULTIPLY),
    "__rmul__": _operator(MULTIPLY, swapped=True),
    "__truediv__": _operator(DIVIDE),
    "__rtruediv__": _operator(DIVIDE, swapped=True),
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": div,
}
