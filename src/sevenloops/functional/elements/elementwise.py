"""Elementwise functions of one operand: exponentials, logarithms, sine and cosine, absolute value and sign."""

from collections.abc import Callable
from functools import partial
from math import log as natural_log
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.functional.elements.arithmetic import widened

__all__ = [
    "METHODS",
    "abs",
    "cos",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "neg",
    "operation",
    "sign",
    "sin",
]


def _forward(function: Callable[[Array], Array], keeps_result: bool, x: Any) -> tuple[Array, Array]:
    x = float_array("input", x)
    y = function(x)
    return y, (y if keeps_result else x)


def _vjp(rule: Callable[[Array, Array], Array], grad: Array, saved: Array, needs: tuple[bool, ...]) -> tuple[Array]:
    return (rule(widened(grad), widened(saved)).astype(grad.dtype, copy=False),)


def operation(
    name: str,
    function: Callable[[Array], Array],
    rule: Callable[[Array, Array], Array],
    keeps_result: bool = False,
) -> Operation:
    """Return the operation of a function of one element; ``rule(grad, x)``, or of the result, is its gradient."""
    return Operation(name, partial(_forward, function, keeps_result), partial(_vjp, rule))


_LOG_2, _LOG_10 = natural_log(2), natural_log(10)

NEGATIVE = Operation("negative", lambda x: (-float_array("input", x), None), lambda grad, saved, needs: (-grad,))
ABS = operation("abs", np.abs, lambda grad, x: grad * np.sign(x))
SIGN = Operation(
    "sign", lambda x: (np.sign(float_array("input", x)), None), lambda grad, saved, needs: (np.zeros_like(grad),)
)
EXP = operation("exp", np.exp, lambda grad, y: grad * y, keeps_result=True)
EXP2 = operation("exp2", np.exp2, lambda grad, y: grad * y * _LOG_2, keeps_result=True)
EXPM1 = operation("expm1", np.expm1, lambda grad, y: grad * (y + 1), keeps_result=True)
LOG = operation("log", np.log, lambda grad, x: grad / x)
LOG1P = operation("log1p", np.log1p, lambda grad, x: grad / (x + 1))
LOG2 = operation("log2", np.log2, lambda grad, x: grad / (x * _LOG_2))
LOG10 = operation("log10", np.log10, lambda grad, x: grad / (x * _LOG_10))
SIN = operation("sin", np.sin, lambda grad, x: grad * np.cos(x))
COS = operation("cos", np.cos, lambda grad, x: grad * -np.sin(x))


def neg(input: Tensor | ArrayLike) -> Any:
    """Return -input, element by element.

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
    >>> sl.neg([1.0, -2.0])
    array([-1.,  2.])
    """
    return apply(NEGATIVE, input)


def abs(input: Tensor | ArrayLike) -> Any:
    """Return the absolute value, element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 is taken as 0.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.abs([1.0, -2.0])
    array([1., 2.])
    """
    return apply(ABS, input)


def sign(input: Tensor | ArrayLike) -> Any:
    """Return -1, 0 or 1: the sign, element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. Its gradient is 0.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.sign([3.0, -2.0, 0.0])
    array([ 1., -1.,  0.])
    """
    return apply(SIGN, input)


def exp(input: Tensor | ArrayLike) -> Any:
    """Return e to the power of input, element by element.

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
    >>> sl.exp([0.0, 1.0])
    array([1.        , 2.71828183])
    """
    return apply(EXP, input)


def exp2(input: Tensor | ArrayLike) -> Any:
    """Return 2 to the power of input, element by element.

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
    >>> sl.exp2([0.0, 3.0])
    array([1., 8.])
    """
    return apply(EXP2, input)


def expm1(input: Tensor | ArrayLike) -> Any:
    """Return exp(input) - 1 without rounding exp(input), which near 0 would lose digits, element by element.

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
    >>> sl.expm1([0.0, 1e-20])
    array([0.e+00, 1.e-20])
    """
    return apply(EXPM1, input)


def log(input: Tensor | ArrayLike) -> Any:
    """Return the natural logarithm, element by element.

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
    >>> sl.log([1.0, 10.0])
    array([0.        , 2.30258509])
    """
    return apply(LOG, input)


def log1p(input: Tensor | ArrayLike) -> Any:
    """Return log(1 + input) without rounding 1 + input, which near 0 would lose digits, element by element.

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
    >>> sl.log1p([0.0, 1e-20])
    array([0.e+00, 1.e-20])
    """
    return apply(LOG1P, input)


def log2(input: Tensor | ArrayLike) -> Any:
    """Return the logarithm to base 2, element by element.

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
    >>> sl.log2([1.0, 8.0])
    array([0., 3.])
    """
    return apply(LOG2, input)


def log10(input: Tensor | ArrayLike) -> Any:
    """Return the logarithm to base 10, element by element.

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
    >>> sl.log10([1.0, 1000.0])
    array([0., 3.])
    """
    return apply(LOG10, input)


def sin(input: Tensor | ArrayLike) -> Any:
    """Return the sine of radians, element by element.

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
    >>> sl.sin([0.0, 1.0])
    array([0.        , 0.84147098])
    """
    return apply(SIN, input)


def cos(input: Tensor | ArrayLike) -> Any:
    """Return the cosine of radians, element by element.

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
    >>> sl.cos([0.0, 1.0])
    array([1.        , 0.54030231])
    """
    return apply(COS, input)


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "__neg__": neg,
    "__abs__": abs,
    "neg": neg,
    "abs": abs,
    "sign": sign,
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "log2": log2,
    "log10": log10,
    "sin": sin,
    "cos": cos,
}
