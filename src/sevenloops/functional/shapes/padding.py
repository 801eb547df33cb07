"""More elements at the ends of axes: constant, reflected, repeated or from the other end."""

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.elements.arithmetic import number, widened
from sevenloops.geometry.arguments import integer

__all__ = ["pad"]

Pairs: TypeAlias = tuple[tuple[int, int], ...]  # of each axis: how much before it and after it


def _constant(x: Any, *, pairs: Pairs, value: float) -> tuple[Array, None]:
    x = float_array("input", x)
    y = np.empty_like(x, shape=[n + before + after for n, (before, after) in zip(x.shape, pairs)])  # x's memory order
    y[...] = value
    inside, kept = _overlap(x.shape, pairs)
    y[inside] = x[kept]
    return y, None


def _constant_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, pairs: Pairs, value: float) -> tuple[Array]:
    shape = [n - before - after for n, (before, after) in zip(grad.shape, pairs)]
    inside, kept = _overlap(shape, pairs)
    if all(before >= 0 and after >= 0 for before, after in pairs):
        return (grad[inside],)
    dx = np.zeros(shape, grad.dtype)
    dx[kept] = grad[inside]
    return (dx,)


def _overlap(shape: Sequence[int], pairs: Pairs) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where the input is in the result, and which part of it: negative padding cuts."""
    kept = tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(shape, pairs))
    inside = tuple(slice(k.start + before, k.stop + before) for k, (before, _) in zip(kept, pairs))
    return inside, kept


def _around(x: Any, *, pairs: Pairs, mode: str) -> tuple[Array, None]:
    x = y = float_array("input", x)
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            y = _extended(y, axis, before, after, mode)
    return (x.copy("K") if y is x else y), None


def _extended(x: Array, axis: int, before: int, after: int, mode: str) -> Array:
    shape = list(x.shape)
    shape[axis] += before + after
    y = np.empty_like(x, shape=shape)
    source, target = x.swapaxes(axis, 0), y.swapaxes(axis, 0)
    target[before : before + len(source)] = source
    for place, origin in _copies(len(source), before, after, mode):
        target[place] = source[origin]
    return y


def _around_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, pairs: Pairs, mode: str) -> tuple[Array]:
    g = widened(grad)
    for axis, (before, after) in reversed(list(enumerate(pairs))):
        if before or after:
            source = g.swapaxes(axis, 0)
            length = len(source) - before - after
            total = source[before : before + length].copy("K")
            for place, origin in _copies(length, before, after, mode):
                total[origin] += source[place]
            g = total.swapaxes(axis, 0)
    return (g.astype(grad.dtype, copy=False),)


def _copies(length: int, before: int, after: int, mode: str) -> list[tuple[int, int]]:
    """Return, for each place that padding adds to an axis, its position and that of the element it copies."""
    places = [*range(-before, 0), *range(length, length + after)]
    if mode == "reflect":
        origins = [-p if p < 0 else 2 * (length - 1) - p for p in places]
    elif mode == "replicate":
        origins = [0 if p < 0 else length - 1 for p in places]
    else:
        origins = [p % length for p in places]
    return [(place + before, origin) for place, origin in zip(places, origins)]


#: Attributes: pairs (before and after each axis; negative ones cut), value.
PAD = Operation("pad", _constant, _constant_vjp)
#: Attributes: pairs, mode ("reflect", "replicate" or "circular").
PAD_AROUND = Operation("pad", _around, _around_vjp)


def pad(input: Tensor | ArrayLike, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Add elements at the ends of axes.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    pad : sequence of int
        How many before and after the last axis, then before and after the last but one, and so on (PyTorch's order).
        Negative numbers cut elements away, before anything is added.
    mode : {"constant", "reflect", "replicate", "circular"}
        What the new elements are: `value`; the axis mirrored at its first and last element, which are not repeated;
        its first or last element; or the axis again from its other end.
    value : float, default 0
        For "constant".

    Returns
    -------
    ndarray or Tensor
        The dtype and memory order of the input.

    Raises
    ------
    ShapeError
        If there are more numbers than ends, or an axis is too short to be mirrored or continued so far.
    TypeError
        If the dtype is not one of the above, or a number is no integer.
    ValueError
        If the mode is unknown, or a value is given for another mode than "constant".

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.pad([1.0, 2.0, 3.0], (2, 1))
    array([0., 0., 1., 2., 3., 0.])
    >>> sl.pad([1.0, 2.0, 3.0], (2, 1), mode="reflect")
    array([3., 2., 1., 2., 3., 2.])
    """
    shape = input.shape if isinstance(input, Tensor) else np.shape(input)
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"mode must be 'constant', 'reflect', 'replicate' or 'circular', but got {mode!r}.")
    ends = [integer("pad", n, -sys.maxsize) for n in pad]
    if len(ends) % 2 or len(ends) > 2 * len(shape):
        raise ShapeError(
            f"pad needs two numbers for each axis, the last axis first, but got {tuple(ends)} for the shape {shape}."
        )
    pairs = tuple(zip(ends[::2], ends[1::2]))[::-1]
    pairs = ((0, 0),) * (len(shape) - len(pairs)) + pairs
    cuts = tuple((min(before, 0), min(after, 0)) for before, after in pairs)
    for n, cut in zip(shape, cuts):
        if n + sum(cut) < 0:
            raise ShapeError(f"pad must not cut more than there is, but got {cut} for an axis of {n}.")
    if mode == "constant":
        if value is not None and not number(value):
            raise TypeError(f"value must be a number, but got {value!r}.")
        return apply(PAD, input, pairs=pairs, value=0.0 if value is None else float(value))
    if value is not None:
        raise ValueError(f"value is for mode 'constant', but the mode is {mode!r}; leave it out.")
    if any(map(any, cuts)):
        input = apply(PAD, input, pairs=cuts, value=0.0)
        shape = tuple(n + sum(cut) for n, cut in zip(shape, cuts))
        pairs = tuple((max(before, 0), max(after, 0)) for before, after in pairs)
    for n, sides in zip(shape, pairs):
        limit = {"reflect": max(n - 1, 0), "circular": n, "replicate": max(sides) if n else 0}[mode]
        if max(sides) > limit:
            raise ShapeError(f"Padding by mode {mode!r} must not exceed {limit} for an axis of {n}, but got {sides}.")
    return apply(PAD_AROUND, input, pairs=pairs, mode=mode)
