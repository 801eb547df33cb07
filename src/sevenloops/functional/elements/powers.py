"""Powers: with a number or an array as exponent, squares, roots and reciprocals."""

from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.functional.elements.arithmetic import (
    Gradients,
    binary,
    number,
    numbers_as_arrays,
    unbroadcast,
    widened,
)
from sevenloops.functional.elements.elementwise import operation

__all__ = ["METHODS", "pow", "reciprocal", "rsqrt", "sqrt", "square"]


def _power(x: Any, *, exponent: float) -> tuple[Array, Array]:
    x = float_array("input", x)
    return x**exponent, x


def _power_vjp(grad: Array, saved: Array, needs: tuple[bool, ...], *, exponent: float) -> tuple[Array]:
    if exponent == 0:  # constant, also where 0 · x⁻¹ would be 0 · ∞
        return (np.zeros_like(saved),)
    slope = exponent * widened(saved) ** (exponent - 1)
    return ((slope * grad).astype(grad.dtype, copy=False),)


def _power_of(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = binary(np.power, left, right)
    return result, (left, right, result)


def _power_of_keep(saved: Any, needs: tuple[bool, ...]) -> Any:
    left, right, result = saved
    return left, right, result if needs[1] else None


def _power_of_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    # d aᵇ = b·aᵇ⁻¹ da + aᵇ·log a db. Where b = 0 the power is constant in a, and where a = 0 in b (for b > 0), though
    # a factor is infinite there.
    left, right, result = saved
    g, a, b, dtype = widened(grad), widened(left), widened(right), grad.dtype
    da = db = None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if needs[0]:
            slope = b * a ** (b - 1)
            slope = np.where(b == 0, 0, slope)
            da = unbroadcast(g * slope, left.shape, dtype)
        if needs[1]:
            slope = np.where((a == 0) & (b >= 0), 0, result * np.log(a))
            db = unbroadcast(g * slope, right.shape, dtype)
    return da, db


def _inverse_root(x: Array) -> Array:
    return (1 / np.sqrt(widened(x))).astype(x.dtype, copy=False)


#: Attribute: exponent.
POWER = Operation("power", _power, _power_vjp)
#: With two operands that are differentiable.
POWER_OF = Operation("pow", _power_of, _power_of_vjp, _power_of_keep)
SQUARE = operation("square", np.square, lambda grad, x: grad * (2 * x))
SQRT = operation("sqrt", np.sqrt, lambda grad, y: grad / (2 * y), keeps_result=True)
RSQRT = operation("rsqrt", _inverse_root, lambda grad, y: grad * (-0.5 * y * y * y), keeps_result=True)
RECIPROCAL = operation("reciprocal", np.reciprocal, lambda grad, y: -grad * (y * y), keeps_result=True)


def pow(input: Tensor | ArrayLike, exponent: Tensor | ArrayLike) -> Any:
    """Return input to the power of exponent, element by element.

    Parameters
    ----------
    input, exponent : ndarray, Tensor or number
        Shapes that broadcast against each other, and one dtype: float16, float32 or float64. A number takes the dtype
        of the other operand.

    Returns
    -------
    ndarray or Tensor
        The shape of both operands broadcast; NaN for a negative number to the power of a fraction.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.pow([1.0, 2.0, 3.0], 2)
    array([1., 4., 9.])
    >>> sl.pow(2, [1.0, 2.0, 3.0])
    array([2., 4., 8.])
    """
    if number(exponent) and not number(input):
        return apply(POWER, input, exponent=exponent.item() if isinstance(exponent, np.generic) else exponent)
    return apply(POWER_OF, *numbers_as_arrays(input, exponent))


def square(input: Tensor | ArrayLike) -> Any:
    """Return input², element by element.

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
    >>> sl.square([1.0, -3.0])
    array([1., 9.])
    """
    return apply(SQUARE, input)


def sqrt(input: Tensor | ArrayLike) -> Any:
    """Return the square root, element by element.

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
    >>> sl.sqrt([4.0, 9.0])
    array([2., 3.])
    """
    return apply(SQRT, input)


def rsqrt(input: Tensor | ArrayLike) -> Any:
    """Return 1 / √input, element by element.

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
    >>> sl.rsqrt([4.0, 16.0])
    array([0.5 , 0.25])
    """
    return apply(RSQRT, input)


def reciprocal(input: Tensor | ArrayLike) -> Any:
    """Return 1 / input, element by element.

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
    >>> sl.reciprocal([4.0, -0.5])
    array([ 0.25, -2.  ])
    """
    return apply(RECIPROCAL, input)


def _power_method(self: Tensor, exponent: Any) -> Any:
    if isinstance(exponent, (bool, np.bool_)) or not (number(exponent) or isinstance(exponent, (Tensor, np.ndarray))):
        return NotImplemented
    return pow(self, exponent)


def _power_method_swapped(self: Tensor, base: Any) -> Any:
    return pow(base, self) if number(base) or isinstance(base, np.ndarray) else NotImplemented


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "__pow__": _power_method,
    "__rpow__": _power_method_swapped,
    "pow": pow,
    "square": square,
    "sqrt": sqrt,
    "rsqrt": rsqrt,
    "reciprocal": reciprocal,
}
