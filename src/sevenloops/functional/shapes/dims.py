"""Axes as users name them, counted from the first or from the last, made into numbers from 0."""

import operator
from typing import Any, TypeAlias

from sevenloops.errors import ShapeError

__all__ = ["Dims", "one_dim", "several_dims"]

#: One axis, several, or all.
Dims: TypeAlias = int | tuple[int, ...] | None


def one_dim(name: str, dim: Any, axes: int) -> int:
    """Return the number, from 0, of one of the axes that an array has.

    Raises
    ------
    TypeError
        If `dim` is not an integer.
    ShapeError
        If there is no such axis.
    """
    try:
        number = operator.index(dim)
    except TypeError:
        number = None
    if number is None or isinstance(dim, bool):
        raise TypeError(f"{name} must be an integer, but got {dim!r}.")
    if not -axes <= number < axes:
        valid = f"from {-axes} to {axes - 1}" if axes else "but this input has no axes"
        raise ShapeError(f"{name} must be an axis of the input, {valid}, but got {number}.")
    return number % axes


def several_dims(name: str, dims: Any, axes: int) -> tuple[int, ...]:
    """Return the numbers, from 0, of one axis or several different ones; None means all.

    Without axes there are none to name; as in PyTorch, 0 and -1 are understood all the same.

    Raises
    ------
    TypeError
        If an entry is not an integer.
    ShapeError
        If there is no such axis, or one is named twice.
    """
    if dims is None:
        return tuple(range(axes))
    given = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    numbers = tuple(one_dim(name, dim, max(axes, 1)) for dim in given)
    if len(set(numbers)) < len(numbers):
        raise ShapeError(f"{name} must not name an axis twice, but got {given} for {axes} axes.")
    return numbers if axes else ()
