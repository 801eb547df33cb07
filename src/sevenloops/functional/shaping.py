"""The same elements in another shape: reshape, flatten, permute, transpose, indexing; of any dtype (labels)."""

from math import prod
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.dims import one_dim, several_dims

__all__ = ["GETITEM", "METHODS", "PERMUTE", "RESHAPE", "flatten"]


def _reshape(x: Any, *, shape: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    x = np.asarray(x)
    try:
        return x.reshape(shape), x.shape
    except ValueError:
        raise ShapeError(
            f"reshape must keep the number of elements, but {x.shape} has {x.size} and {shape} "
            f"{'cannot be filled with them' if -1 in shape else f'has {prod(shape)}'}."
        ) from None


def _reshape_vjp(
    grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, shape: tuple[int, ...]
) -> tuple[Array]:
    return (grad.reshape(saved),)


def _permute(x: Any, *, dims: tuple[int, ...]) -> tuple[Array, None]:
    return np.asarray(x).transpose(dims), None


def _permute_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, dims: tuple[int, ...]) -> tuple[Array]:
    return (grad.transpose(np.argsort(dims)),)


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


#: Attribute: shape.
RESHAPE = Operation("reshape", _reshape, _reshape_vjp)
#: Attribute: dims (each axis of the result, as a number of the input's from 0).
PERMUTE = Operation("permute", _permute, _permute_vjp)
#: Attribute: index (anything that NumPy takes).
GETITEM = Operation("getitem", _getitem, _getitem_vjp)


def flatten(input: Tensor | ArrayLike, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Make one axis of several neighbouring ones.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    start_dim, end_dim : int
        The first and the last of the axes, both included; negative values count from the last.

    Returns
    -------
    ndarray or Tensor
        The elements in their order; a view where the memory allows it. An input without axes gets one.

    Raises
    ------
    ShapeError
        If there is no such axis, or the first comes after the last.
    TypeError
        If a parameter is not an integer.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.flatten(np.zeros((8, 16, 5, 5)), 1).shape
    (8, 400)
    """
    shape = input.shape if isinstance(input, Tensor) else np.shape(input)
    start, end = (one_dim(n, d, max(len(shape), 1)) for n, d in (("start_dim", start_dim), ("end_dim", end_dim)))
    if start > end:
        raise ShapeError(f"start_dim must not come after end_dim, but they are {start_dim} and {end_dim} of {shape}.")
    return apply(RESHAPE, input, shape=(*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


def reshape(self: Tensor, *shape: Any) -> Any:
    """Return the elements, in their order, in another shape; one length may be -1: what remains."""
    return apply(RESHAPE, self, shape=_unpack(shape))


def permute(self: Tensor, *dims: Any) -> Any:
    """Return a view whose axes are those of this Tensor in another order."""
    order = several_dims("dims", _unpack(dims), self.ndim)
    if len(order) != self.ndim:
        raise ShapeError(f"permute needs each axis once, but got {_unpack(dims)} for the shape {self.shape}.")
    return apply(PERMUTE, self, dims=order)


def transpose(self: Tensor, dim0: int, dim1: int) -> Any:
    """Return a view in which two axes have changed places (PyTorch's meaning; NumPy's is `permute`)."""
    first, second = one_dim("dim0", dim0, self.ndim), one_dim("dim1", dim1, self.ndim)
    order = list(range(self.ndim))
    order[first], order[second] = second, first
    return apply(PERMUTE, self, dims=tuple(order))


def reverse_axes(self: Tensor) -> Any:
    """Return a view with the axes in reverse order; of a matrix, its transpose."""
    return apply(PERMUTE, self, dims=tuple(reversed(range(self.ndim))))


def getitem(self: Tensor, index: Any) -> Any:
    """Return the elements that a NumPy index selects; Tensors of integers or bools may be part of it."""
    entries = index if isinstance(index, tuple) else (index,)
    plain = tuple(entry.data if isinstance(entry, Tensor) else entry for entry in entries)
    return apply(GETITEM, self, index=plain)


def _unpack(lengths: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the entries of ``f(2, 3)`` or of ``f((2, 3))``."""
    return tuple(lengths[0]) if len(lengths) == 1 and isinstance(lengths[0], (tuple, list)) else lengths


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "__getitem__": getitem,
    "reshape": reshape,
    "flatten": flatten,
    "permute": permute,
    "transpose": transpose,
    "T": property(reverse_axes),
}
