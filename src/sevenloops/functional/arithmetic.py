"""Arithmetic of Tensors: + - * / ** and the elementwise functions, with NumPy's broadcasting.

float16 is computed in float32 where a rule takes more than one rounding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from sevenloops.arrays import Array, compute_dtype, float_array, float_arrays
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError

__all__ = ["METHODS", "operand", "unbroadcast"]

Gradients = tuple[Array | None, Array | None]


# --- two operands -------------------------------------------------------------------------------------------------


def unbroadcast(gradient: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Sum over the axes along which an operand of that shape was repeated (the transpose of repeating)."""
    if gradient.shape != shape:
        new = gradient.ndim - len(shape)
        repeated = tuple(new + i for i, length in enumerate(shape) if length == 1)
        gradient = gradient.sum((*range(new), *repeated), keepdims=True).reshape(shape)
    return gradient.astype(dtype, copy=False)


def _wide(array: Array) -> Array:
    return array.astype(compute_dtype(array.dtype), copy=False)


def _binary(ufunc: Callable[..., Any], left: Any, right: Any) -> tuple[Array, Array, Array]:
    """Return the result and the operands as arrays."""
    left, right = float_arrays(left=left, right=right)
    try:
        return ufunc(left, right), left, right
    except ValueError:
        raise ShapeError(
            f"The operands of {ufunc.__name__} must have shapes that broadcast against each other, "
            f"but they have {left.shape} and {right.shape}."
        ) from None


def _add(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = _binary(np.add, left, right)
    return result, (left.shape, right.shape)


def _add_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left, right = saved
    g, dtype = _wide(grad), grad.dtype
    return unbroadcast(g, left, dtype) if needs[0] else None, unbroadcast(g, right, dtype) if needs[1] else None


def _subtract(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = _binary(np.subtract, left, right)
    return result, (left.shape, right.shape)


def _subtract_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left, right = saved
    g, dtype = _wide(grad), grad.dtype
    return unbroadcast(g, left, dtype) if needs[0] else None, unbroadcast(-g, right, dtype) if needs[1] else None


def _multiply(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = _binary(np.multiply, left, right)
    return result, (left, right)


def _multiply_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left, right = saved
    g, dtype = _wide(grad), grad.dtype
    return (
        unbroadcast(g * right, left.shape, dtype) if needs[0] else None,
        unbroadcast(g * left, right.shape, dtype) if needs[1] else None,
    )


def _divide(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = _binary(np.divide, left, right)
    return result, (left.shape, right, result)


def _divide_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    left, right, result = saved
    quotient, dtype = _wide(grad) / right, grad.dtype
    return (
        unbroadcast(quotient, left, dtype) if needs[0] else None,
        unbroadcast(-quotient * result, right.shape, dtype) if needs[1] else None,
    )


ADD = Operation("add", _add, _add_vjp)
SUBTRACT = Operation("subtract", _subtract, _subtract_vjp)
MULTIPLY = Operation("multiply", _multiply, _multiply_vjp)
DIVIDE = Operation("divide", _divide, _divide_vjp)


def operand(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return the other operand of a Tensor: a number takes the Tensor's dtype; None for what is no operand."""
    if isinstance(value, (Tensor, np.ndarray)):
        return value
    if isinstance(value, (int, float, np.number, np.bool_)) and not isinstance(value, np.complexfloating):
        return np.asarray(value, dtype)
    return None


def _operator(operation: Operation, swapped: bool = False) -> Callable[[Tensor, Any], Tensor]:
    """Return the method that applies an operation of two operands, the Tensor on the right if `swapped`."""

    def method(self: Tensor, other: Any) -> Any:
        value = operand(other, self.dtype)
        if value is None:
            return NotImplemented  # Python then names the operator and both types
        return apply(operation, value, self) if swapped else apply(operation, self, value)

    return method


# --- one operand --------------------------------------------------------------------------------------------------


def _negative(x: Any) -> tuple[Array, None]:
    return -float_array("input", x), None


def _negative_vjp(grad: Array, saved: None, needs: tuple[bool, ...]) -> tuple[Array]:
    return (-grad,)


def _power(x: Any, *, exponent: float) -> tuple[Array, Array]:
    x = float_array("input", x)
    return x**exponent, x


def _power_vjp(grad: Array, saved: Array, needs: tuple[bool, ...], *, exponent: float) -> tuple[Array]:
    if exponent == 0:  # constant, also where 0 · x⁻¹ would be 0 · ∞
        return (np.zeros_like(saved),)
    slope = exponent * _wide(saved) ** (exponent - 1)
    return ((slope * grad).astype(grad.dtype, copy=False),)


def _exp(x: Any) -> tuple[Array, Array]:
    result = np.exp(float_array("input", x))
    return result, result


def _exp_vjp(grad: Array, saved: Array, needs: tuple[bool, ...]) -> tuple[Array]:
    return (grad * saved,)


def _log(x: Any) -> tuple[Array, Array]:
    x = float_array("input", x)
    return np.log(x), x


def _log_vjp(grad: Array, saved: Array, needs: tuple[bool, ...]) -> tuple[Array]:
    return (grad / saved,)


def _sqrt(x: Any) -> tuple[Array, Array]:
    result = np.sqrt(float_array("input", x))
    return result, result


def _sqrt_vjp(grad: Array, saved: Array, needs: tuple[bool, ...]) -> tuple[Array]:
    return (grad / (2 * saved),)


NEGATIVE = Operation("negative", _negative, _negative_vjp)
#: Attribute: exponent.
POWER = Operation("power", _power, _power_vjp)
EXP = Operation("exp", _exp, _exp_vjp)
LOG = Operation("log", _log, _log_vjp)
SQRT = Operation("sqrt", _sqrt, _sqrt_vjp)


def power(self: Tensor, exponent: float) -> Any:
    """Return self to the power of a number."""
    if isinstance(exponent, (bool, np.bool_)) or not isinstance(exponent, (int, float, np.integer, np.floating)):
        return NotImplemented
    return apply(POWER, self, exponent=exponent.item() if isinstance(exponent, np.generic) else exponent)


def negative(self: Tensor) -> Any:
    """Return -self."""
    return apply(NEGATIVE, self)


def exp(self: Tensor) -> Any:
    """Return e to the power of each element."""
    return apply(EXP, self)


def log(self: Tensor) -> Any:
    """Return the natural logarithm of each element."""
    return apply(LOG, self)


def sqrt(self: Tensor) -> Any:
    """Return the square root of each element."""
    return apply(SQRT, self)


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
    "__pow__": power,
    "__neg__": negative,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
}
