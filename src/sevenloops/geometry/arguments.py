"""Arguments as users write them (an int, one entry per axis, "same"), made into one canonical form."""

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from sevenloops.errors import ShapeError
from sevenloops.geometry.axis import same_padding

__all__ = [
    "PaddingLike",
    "SizeLike",
    "finite",
    "flag",
    "integer",
    "is_sequence",
    "paddings",
    "per_axis",
    "shape_tuple",
]

SizeLike: TypeAlias = int | Sequence[int]
PaddingLike: TypeAlias = int | str | Sequence[int | Sequence[int]]


def integer(name: str, value: Any, minimum: int) -> int:
    """Return `value` as an int of at least `minimum`; floats and bools are refused, whatever their value."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, but got {value!r}.")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, but got {value!r} ({type(value).__name__}).") from None
    if number < minimum:
        raise ShapeError(f"{name} must be at least {minimum}, but got {number}.")
    return number


def finite(name: str, value: Any) -> float:
    """Return a number that is neither NaN nor infinite as a float; bools and text are refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, but got {value!r}.")
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite, but got {value}.")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is a bool (NumPy's included)."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} must be True or False, but got {value!r}.")


def per_axis(name: str, value: Any, axes: int, minimum: int = 1) -> tuple[int, ...]:
    """Return one integer per spatial axis from one for all, or from a sequence of `axes` of them."""
    if not is_sequence(value):
        return (integer(name, value, minimum),) * axes
    entries = tuple(value)
    if len(entries) != axes:
        raise ShapeError(
            f"{name} must be one integer or one per spatial axis ({axes}), but got {len(entries)}: {value!r}."
        )
    return tuple(integer(f"{name}[{i}]", entry, minimum) for i, entry in enumerate(entries))


def shape_tuple(name: str, value: Any, axes: int) -> tuple[int, ...]:
    """Return a shape of exactly `axes` non-negative entries."""
    if not is_sequence(value):
        raise TypeError(f"{name} must be a shape with {axes} entries, but got {value!r}.")
    if len(tuple(value)) != axes:
        raise ShapeError(f"{name} must be a shape with {axes} entries, but got {tuple(value)}.")
    return tuple(integer(f"{name}[{i}]", entry, 0) for i, entry in enumerate(value))


def paddings(
    value: Any,
    input_size: tuple[int, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    *,
    allow_same: bool = True,
) -> tuple[tuple[int, int], ...]:
    """Return (before, after) per spatial axis from an int, a sequence of ints or pairs, "valid" or "same"."""
    axes = len(kernel_size)
    if isinstance(value, str):
        if value == "valid":
            return ((0, 0),) * axes
        if value == "same" and allow_same:
            return tuple(
                same_padding(*window) for window in zip(input_size, kernel_size, stride, dilation, strict=True)
            )
        names = '"valid" or "same"' if allow_same else '"valid"'
        raise ShapeError(f"padding must be an integer, one entry per spatial axis, or {names}, but got {value!r}.")
    if not is_sequence(value):
        pad = integer("padding", value, 0)
        return ((pad, pad),) * axes
    entries = tuple(value)
    if len(entries) != axes:
        raise ShapeError(
            f"padding must have one entry per spatial axis ({axes}), each an integer or (before, after), "
            f"but got {len(entries)} entries: {value!r}."
        )
    return tuple(_pair(f"padding[{i}]", entry) for i, entry in enumerate(entries))


def _pair(name: str, value: Any) -> tuple[int, int]:
    if not is_sequence(value):
        pad = integer(name, value, 0)
        return pad, pad
    if len(tuple(value)) != 2:
        raise ShapeError(f"{name} must be an integer or a pair (before, after), but got {value!r}.")
    before, after = value
    return integer(f"{name}[0]", before, 0), integer(f"{name}[1]", after, 0)


def is_sequence(value: Any) -> bool:
    """Return whether `value` holds entries in an order; text, sets and arrays without axes do not."""
    if isinstance(value, (str, bytes, dict, set)):
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and getattr(value, "ndim", 1) > 0
