"""Choosing between elements: the larger or the smaller of two, limits, and by a condition."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array, float_arrays
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.elements.arithmetic import (
    Gradients,
    binary,
    number,
    numbers_as_arrays,
    unbroadcast,
    widened,
)

__all__ = ["METHODS", "clamp", "clip", "maximum", "minimum", "where"]


def _larger(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = binary(np.maximum, left, right)
    return result, (left, right)


def _larger_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    return _chosen_vjp(grad, saved, needs, np.less)


def _smaller(left: Any, right: Any) -> tuple[Array, Any]:
    result, left, right = binary(np.minimum, left, right)
    return result, (left, right)


def _smaller_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> Gradients:
    return _chosen_vjp(grad, saved, needs, np.greater)


def _chosen_vjp(grad: Array, saved: Any, needs: tuple[bool, ...], beaten: Callable[..., Array]) -> Gradients:
    """Give the gradient to the operand that was chosen, and half of it to each of two that are equal."""
    left, right = saved
    g, dtype = widened(grad), grad.dtype
    equal = left == right  # which NaN is not; it is not beaten either, so both get the gradient
    shares = g - g * equal * g.dtype.type(0.5) if equal.any() else g
    return (
        unbroadcast(shares * ~beaten(left, right), left.shape, dtype) if needs[0] else None,
        unbroadcast(shares * ~beaten(right, left), right.shape, dtype) if needs[1] else None,
    )


def _clamp(x: Any, *, min: float | None, max: float | None) -> tuple[Array, Array]:
    x = float_array("input", x)
    return np.clip(x, min, max), x


def _clamp_vjp(
    grad: Array, saved: Array, needs: tuple[bool, ...], *, min: float | None, max: float | None
) -> tuple[Array]:
    inside = np.ones(saved.shape, bool) if min is None else saved >= min
    if max is not None:
        inside &= saved <= max
    return (grad * inside,)


def _clamp_between(x: Any, low: Any, high: Any) -> tuple[Array, Any]:
    """Clamp by arrays; where low is above high, it is high."""
    x, low, high = float_arrays(input=x, min=low, max=high)
    shapes = [array.shape for array in (x, low, high) if array is not None]
    try:
        y = x if low is None else np.maximum(x, low)
        y = y if high is None else np.minimum(y, high)
    except ValueError:
        listing = ", ".join(map(str, shapes))
        raise ShapeError(
            f"The operands of clamp must have shapes that broadcast against each other, but they have {listing}."
        ) from None
    return y, (x, low, high)


def _clamp_between_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
    x, low, high = saved
    g, dtype = widened(grad), grad.dtype
    below = False if low is None else x < low
    above = False if high is None else x > high
    crossed = False if low is None or high is None else low > high
    masks = (~np.logical_or(below, above), np.logical_and(below, ~np.asarray(crossed)), np.logical_or(above, crossed))
    return tuple(
        unbroadcast(g * mask, array.shape, dtype) if needed else None
        for mask, array, needed in zip(masks, saved, needs)
    )


def _select(condition: Array, chosen: Array, other: Array) -> Array:
    """Return what np.where does, without its branches, which on random conditions are mispredicted."""
    # As bits: other ^ ((chosen ^ other) & mask), where the mask is all ones or all zeros.
    bits = np.dtype(f"u{chosen.dtype.itemsize}")
    a, b = chosen.view(bits), other.view(bits)
    mask = np.multiply(condition.view(np.uint8), bits.type(np.iinfo(bits).max), dtype=bits)
    result = np.asarray((a ^ b) & mask)
    return np.asarray(np.bitwise_xor(result, b, out=result)).view(chosen.dtype)


def _where(condition: Any, chosen: Any, other: Any) -> tuple[Array, Any]:
    condition, chosen, other = np.asarray(condition), np.asarray(chosen), np.asarray(other)
    if condition.dtype != bool:
        raise TypeError(f"condition must be an array of bools, but its dtype is {condition.dtype}; compare it first.")
    if chosen.dtype != other.dtype:
        raise TypeError(
            f"input and other must share one dtype, but they are {chosen.dtype} and {other.dtype}; convert one."
        )
    if chosen.dtype.kind not in "fiub" or chosen.dtype.itemsize > 8:
        raise TypeError(f"input and other must be arrays of floats, integers or bools, but they are {chosen.dtype}.")
    try:
        return _select(condition, chosen, other), (condition, chosen.shape, other.shape)
    except ValueError:
        raise ShapeError(
            f"The operands of where must have shapes that broadcast against each other, but they have "
            f"{condition.shape}, {chosen.shape} and {other.shape}."
        ) from None


def _where_vjp(grad: Array, saved: Any, needs: tuple[bool, ...]) -> tuple[None, Array | None, Array | None]:
    condition, chosen, other = saved
    g, dtype = widened(grad), grad.dtype
    return (
        None,
        unbroadcast(g * condition, chosen, dtype) if needs[1] else None,
        unbroadcast(g * ~condition, other, dtype) if needs[2] else None,
    )


MAXIMUM = Operation("maximum", _larger, _larger_vjp)
MINIMUM = Operation("minimum", _smaller, _smaller_vjp)
#: Attributes: min, max (numbers, or None for no limit).
CLAMP = Operation("clamp", _clamp, _clamp_vjp)
#: Of the input, the lower and the upper limit (arrays, or None for no limit).
CLAMP_BETWEEN = Operation("clamp", _clamp_between, _clamp_between_vjp)
WHERE = Operation("where", _where, _where_vjp)


def maximum(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return the larger of two elements; NaN if one is NaN, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Shapes that broadcast against each other, and one dtype: float16, float32 or float64. A number takes the dtype
        of the other operand.

    Returns
    -------
    ndarray or Tensor
        The shape of both operands broadcast. Of equal operands each gets half of the gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.maximum([1.0, 5.0], [3.0, 2.0])
    array([3., 5.])
    """
    return apply(MAXIMUM, *numbers_as_arrays(input, other))


def minimum(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return the smaller of two elements; NaN if one is NaN, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Shapes that broadcast against each other, and one dtype: float16, float32 or float64. A number takes the dtype
        of the other operand.

    Returns
    -------
    ndarray or Tensor
        The shape of both operands broadcast. Of equal operands each gets half of the gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.minimum([1.0, 5.0], [3.0, 2.0])
    array([1., 2.])
    """
    return apply(MINIMUM, *numbers_as_arrays(input, other))


def clamp(
    input: Tensor | ArrayLike,
    min: float | Tensor | Array | None = None,
    max: float | Tensor | Array | None = None,
) -> Any:
    """Return each element, or the limit that it exceeds.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    min, max : float, ndarray or Tensor, optional
        The limits; at least one. Arrays have the dtype of the input and shapes that broadcast against it. Where min
        is above max, it is max.

    Returns
    -------
    ndarray or Tensor
        The shape and dtype of the input. The derivative is 1 inside and at the limits, and 0 outside, where it is
        that of the limit.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the dtype is not one of the above, or a limit is no number and no array.
    ValueError
        If there is no limit.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.clamp([-1.0, 0.5, 3.0], 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    for name, limit in (("min", min), ("max", max)):
        if limit is not None and not number(limit) and not isinstance(limit, (Tensor, np.ndarray)):
            raise TypeError(f"{name} must be a number, an array or None, but got {limit!r:.60}.")
    if min is None and max is None:
        raise ValueError("clamp needs min or max, but got neither.")
    if not all(limit is None or number(limit) for limit in (min, max)):
        return apply(CLAMP_BETWEEN, *numbers_as_arrays(input, min, max))
    return apply(CLAMP, input, min=None if min is None else float(min), max=None if max is None else float(max))


#: NumPy's name of `clamp`, which PyTorch has too.
clip = clamp


def where(condition: Tensor | ArrayLike, input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return the elements of input where a condition holds, and those of other elsewhere.

    Parameters
    ----------
    condition : ndarray or Tensor of bools
    input, other : ndarray, Tensor or number
        All three have shapes that broadcast against each other. Input and other share one dtype, which a number takes
        from the other one.

    Returns
    -------
    ndarray or Tensor
        The shape of all three broadcast.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    TypeError
        If the condition is not of bools, or the dtypes differ.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([-1.0, 0.0, 2.0])
    >>> sl.where(x > 0, x, 0.5)
    array([0.5, 0.5, 2. ])
    """
    return apply(WHERE, condition, *numbers_as_arrays(input, other))


def _where_method(self: Tensor, condition: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return the elements of self where a condition holds, and those of other elsewhere."""
    return where(condition, self, other)


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "maximum": maximum,
    "minimum": minimum,
    "clamp": clamp,
    "clip": clamp,
    "where": _where_method,
}
