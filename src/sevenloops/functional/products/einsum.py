"""Sums of products by a formula: Einstein's summation convention."""

import re
from typing import Any, TypeAlias

import numpy as np

from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError

__all__ = ["einsum"]

# Each operand has labels, one for each axis: letters as given, and the numbers -1, -2, … for the axes behind an
# ellipsis, counted from the last. The result R of operands A, B, … is linear in each: the gradient by A is the same
# kind of sum of dR, B, … with the labels of A as its result. Three things are undone around it. A label that an
# operand has twice stands for its diagonal. A label that only A has was summed alone, so the gradient is the same all
# along it. An axis of length 1 that met a longer one was repeated, so the gradient is summed along it.

Labels: TypeAlias = tuple[Any, ...]


def _diagonal(array: Array, labels: Labels) -> tuple[Array, Labels]:
    """View the elements whose positions agree along axes with the same label, with one axis for each label."""
    unique = tuple(dict.fromkeys(labels))
    if len(unique) == len(labels):
        return array, labels
    strides = [sum(s for s, label in zip(array.strides, labels) if label == wanted) for wanted in unique]
    shape = [array.shape[labels.index(wanted)] for wanted in unique]
    return np.lib.stride_tricks.as_strided(array, shape, strides), unique


def _contract(arrays: list[Array], labels: list[Labels], result: Labels) -> Array:
    numbers = {label: i for i, label in enumerate(dict.fromkeys(label for each in labels for label in each))}
    arguments: list[Any] = []
    for array, each in zip(arrays, labels):
        arguments += [array, [numbers[label] for label in each]]
    return np.asarray(np.einsum(*arguments, [numbers[label] for label in result], optimize=len(arrays) > 1))


def _lengths(shapes: list[tuple[int, ...]], labels: list[Labels]) -> dict[Any, int]:
    """Return the length of each label; axes of length 1 are repeated to that of others."""
    lengths: dict[Any, int] = {}
    for shape, each in zip(shapes, labels):
        for label, n in zip(each, shape):
            if lengths.setdefault(label, n) == 1:
                lengths[label] = n
    return lengths


def _forward(*operands: Any, labels: list[Labels], result: Labels) -> tuple[Array, list[Array]]:
    arrays = [float_array("operands", operand) for operand in operands]
    wide = compute_dtype(arrays[0].dtype)
    views = [_diagonal(array.astype(wide, copy=False), each) for array, each in zip(arrays, labels)]
    value = _contract([view for view, _ in views], [each for _, each in views], result)
    if np.may_share_memory(value, arrays[0]) or not value.flags.writeable:  # a view, where nothing is summed
        value = value.copy()
    return value.astype(arrays[0].dtype, copy=False), arrays


def _vjp(
    grad: Array, saved: list[Array], needs: tuple[bool, ...], *, labels: list[Labels], result: Labels
) -> list[Array | None]:
    return [_gradient(grad, saved, i, labels, result) if needed else None for i, needed in enumerate(needs)]


def _gradient(grad: Array, arrays: list[Array], index: int, labels: list[Labels], result: Labels) -> Array:
    wide = compute_dtype(grad.dtype)
    views = [_diagonal(array.astype(wide, copy=False), each) for array, each in zip(arrays, labels)]
    view, own = views[index]
    others = [each for i, each in enumerate(views) if i != index]
    lengths = _lengths([array.shape for array in arrays], labels)
    known = {label for _, each in others for label in each} | set(result)
    kept = tuple(label for label, n in zip(own, view.shape) if label in known and n == lengths[label])
    dx = _contract(
        [grad.astype(wide, copy=False), *(other for other, _ in others)],
        [result, *(each for _, each in others)],
        kept,
    )
    dx = np.expand_dims(dx, tuple(i for i, label in enumerate(own) if label not in kept))
    whole = np.zeros(arrays[index].shape, grad.dtype)
    _diagonal(whole, labels[index])[0][...] = dx
    return whole


#: Attributes: labels (of the axes of each operand), result (the labels of its axes).
EINSUM = Operation("einsum", _forward, _vjp)


def einsum(equation: str, *operands: Tensor | ArrayLike) -> Any:
    """Return sums of products of elements, as a formula says which axes run together.

    Parameters
    ----------
    equation : str
        A letter for each axis, a comma between operands, and after an arrow those of the result: ``"ij,jk->ik"`` is
        the matrix product. Letters that the result does not have are summed; a letter twice in one operand means
        its diagonal. ``...`` stands for any axes, which broadcast. Without an arrow the result has those of ``...``
        and then the letters that occur once, in alphabetical order.
    *operands : ndarray or Tensor
        One for each part of the formula, of one dtype: float16, float32 or float64; or one list of them.

    Returns
    -------
    ndarray or Tensor
        A Tensor if an operand is one.

    Raises
    ------
    ShapeError
        If the formula does not fit the number of operands, or their axes and lengths.
    TypeError
        If the dtypes differ or are not floats.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    array([21., 43.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)) and "," in equation:
        operands = tuple(operands[0])
    values = [v if isinstance(v, Tensor) else float_array("operands", v) for v in operands]
    dtypes = [value.dtype for value in values]
    if len(set(dtypes)) > 1:
        raise TypeError(
            f"einsum needs operands of one dtype, but they are {', '.join(map(str, dtypes))}; convert some."
        )
    labels, result = _parse(equation, [value.shape for value in values])
    return apply(EINSUM, *values, labels=labels, result=result)


def _parse(equation: str, shapes: list[tuple[int, ...]]) -> tuple[list[Labels], Labels]:
    formula = equation.replace(" ", "")
    left, arrow, right = formula.partition("->")
    parts = left.split(",")
    if not all(re.fullmatch(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*", part) for part in (*parts, right)):
        raise ShapeError(
            f"The equation of einsum must be letters, commas, one '...' for each operand and one '->', "
            f"but got {equation!r}."
        )
    if len(parts) != len(shapes):
        raise ShapeError(f"{equation!r} has {len(parts)} operands, but einsum got {len(shapes)}.")
    labels = [_labels(part, shape, equation) for part, shape in zip(parts, shapes)]
    lengths = _lengths(shapes, labels)
    for each, shape in zip(labels, shapes):
        for label, n in zip(each, shape):
            if n not in (1, lengths[label]) or (each.count(label) > 1 and n != shape[each.index(label)]):
                name = "..." if isinstance(label, int) else label
                listing = ", ".join(map(str, shapes))
                raise ShapeError(f"All axes called {name!r} in {equation!r} must have one length, but got {listing}.")
    dots = tuple(sorted(label for label in lengths if isinstance(label, int)))
    if arrow:
        before, ellipsis, after = right.partition("...")
        result: Labels = (*before, *(dots if ellipsis else ()), *after)
    else:
        letters = left.replace(",", "").replace("...", "")
        result = (*dots, *sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    unknown = [label for label in result if label not in lengths]
    if unknown or len(set(result)) < len(result):
        raise ShapeError(
            f"The result of {equation!r} must have letters of the operands, each once, but it is {right!r}."
        )
    return labels, result


def _labels(part: str, shape: tuple[int, ...], equation: str) -> Labels:
    before, ellipsis, after = part.partition("...")
    rest = len(shape) - len(before) - len(after)
    if rest < 0 or (rest and not ellipsis):
        raise ShapeError(f"{part!r} in {equation!r} must name every axis of its operand, but its shape is {shape}.")
    return (*before, *range(-rest, 0), *after)
