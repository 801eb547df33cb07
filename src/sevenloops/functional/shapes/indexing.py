"""Parts of a Tensor: by NumPy's indices, slices along an axis, and pieces of an axis; of any dtype (labels)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply, is_grad_enabled
from sevenloops.errors import ShapeError
from sevenloops.functional.shapes.dims import one_dim
from sevenloops.geometry.arguments import integer

__all__ = ["METHODS", "chunk", "split", "unbind"]


def _getitem(x: Any, *, index: Any) -> tuple[Array, tuple[int, ...]]:
    x = np.asarray(x)
    return x[index], x.shape


def _getitem_vjp(grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, index: Any) -> tuple[Array]:
    dx = np.zeros(saved, grad.dtype)
    if _may_repeat(index):
        np.add.at(dx, index, grad)
    else:
        dx[index] = grad
    return (dx,)


def _may_repeat(index: Any) -> bool:
    """Whether an index can name an element twice: whether it has an array of integers."""
    entries = index if isinstance(index, tuple) else (index,)
    return any(isinstance(e, (list, tuple, np.ndarray)) and np.asarray(e).dtype.kind in "iu" for e in entries)


#: Attribute: index (anything that NumPy takes).
GETITEM = Operation("getitem", _getitem, _getitem_vjp)


def getitem(self: Tensor, index: Any) -> Any:
    """Return the elements that a NumPy index selects; Tensors of integers or bools may be part of it."""
    entries = index if isinstance(index, tuple) else (index,)
    plain = tuple(entry.data if isinstance(entry, Tensor) else entry for entry in entries)
    if self.requires_grad and is_grad_enabled():  # backward() reads the index again, and it is the caller's to change
        plain = tuple(entry.copy() if isinstance(entry, (np.ndarray, list)) else entry for entry in plain)
    return apply(GETITEM, self, index=plain)


def unbind(input: Tensor | ArrayLike, dim: int = 0) -> tuple[Any, ...]:
    """Return the slices along an axis, without that axis.

    Parameters
    ----------
    input : ndarray or Tensor
        At least one axis; any dtype.
    dim : int, default 0

    Returns
    -------
    tuple of ndarray or Tensor
        Views.

    Raises
    ------
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.unbind([[1, 2], [3, 4]], dim=1)
    (array([1, 3]), array([2, 4]))
    """
    dim, length = _axis(input, dim)
    return tuple(_slice(input, dim, index) for index in range(length))


def split(tensor: Tensor | ArrayLike, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Cut an axis into pieces of one size, or of the sizes that are given.

    Parameters
    ----------
    tensor : ndarray or Tensor
        At least one axis; any dtype.
    split_size_or_sections : int or sequence of int
        The size of each piece (the last may be smaller), or the sizes of all, which add up to the axis.
    dim : int, default 0

    Returns
    -------
    tuple of ndarray or Tensor
        Views.

    Raises
    ------
    ShapeError
        If there is no such axis, or the sizes do not add up to it.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.split([1, 2, 3, 4, 5], 2)
    (array([1, 2]), array([3, 4]), array([5]))
    >>> sl.split([1, 2, 3, 4, 5], [1, 4])
    (array([1]), array([2, 3, 4, 5]))
    """
    dim, length = _axis(tensor, dim)
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = [integer("split_size_or_sections", size, 0) for size in split_size_or_sections]
        if sum(sizes) != length:
            raise ShapeError(f"The sizes of split must add up to the axis, but {sizes} do not add up to {length}.")
    else:
        size = integer("split_size_or_sections", split_size_or_sections, 1)
        sizes = [min(size, length - start) for start in range(0, length, size)] or [0]
    ends = np.cumsum(sizes)
    return tuple(_slice(tensor, dim, slice(int(end) - size, int(end))) for size, end in zip(sizes, ends))


def chunk(input: Tensor | ArrayLike, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Cut an axis into a number of equal pieces; the last may be smaller, and fewer pieces may be enough.

    Parameters
    ----------
    input : ndarray or Tensor
        At least one axis; any dtype.
    chunks : int
        Each piece has the axis' length divided by this, rounded up.
    dim : int, default 0

    Returns
    -------
    tuple of ndarray or Tensor
        Views.

    Raises
    ------
    ShapeError
        If there is no such axis, or chunks is below 1.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.chunk([1, 2, 3, 4, 5], 2)
    (array([1, 2, 3]), array([4, 5]))
    """
    chunks = integer("chunks", chunks, 1)
    axis, length = _axis(input, dim)
    return split(input, -(-length // chunks), axis) if length else split(input, [0] * chunks, axis)


def _axis(value: Any, dim: int) -> tuple[int, int]:
    """Return the number of an axis, from 0, and its length."""
    shape = value.shape if isinstance(value, Tensor) else np.shape(value)
    number = one_dim("dim", dim, len(shape))
    return number, shape[number]


def _slice(value: Any, dim: int, index: int | slice) -> Any:
    return apply(GETITEM, value, index=(*(slice(None),) * dim, index, ...))  # with ..., a view even of one element


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {"__getitem__": getitem, "unbind": unbind, "split": split, "chunk": chunk}
