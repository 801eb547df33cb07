"""The same elements in another shape: reshape, flatten, squeeze, and repeated along axes; of any dtype (labels)."""

from math import prod
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.elements.arithmetic import unbroadcast, widened
from sevenloops.functional.shapes.dims import Dims, one_dim, several_dims

__all__ = ["METHODS", "broadcast_to", "flatten", "reshape", "squeeze", "unflatten", "unpack", "unsqueeze"]


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


def _expand(x: Any, *, shape: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    x = np.asarray(x)
    try:
        return np.broadcast_to(x, shape), x.shape
    except ValueError:
        raise ShapeError(
            f"Only axes of length 1 can be repeated, and new ones come first, but {x.shape} cannot become {shape}."
        ) from None


def _expand_vjp(
    grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, shape: tuple[int, ...]
) -> tuple[Array]:
    return (unbroadcast(widened(grad), saved, grad.dtype),)


#: Attribute: shape.
RESHAPE = Operation("reshape", _reshape, _reshape_vjp)
#: Attribute: shape.
EXPAND = Operation("expand", _expand, _expand_vjp)


def reshape(input: Tensor | ArrayLike, shape: int | tuple[int, ...]) -> Any:
    """Return the elements, in their order, in another shape.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    shape : int or tuple of int
        One length may be -1: what remains.

    Returns
    -------
    ndarray or Tensor
        A view where the memory allows it, else a copy.

    Raises
    ------
    ShapeError
        If the number of elements is another.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.reshape([1, 2, 3, 4, 5, 6], (2, -1))
    array([[1, 2, 3],
           [4, 5, 6]])
    """
    return apply(RESHAPE, input, shape=unpack((shape,)))


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
    shape = _shape(input)
    start, end = (one_dim(n, d, max(len(shape), 1)) for n, d in (("start_dim", start_dim), ("end_dim", end_dim)))
    if start > end:
        raise ShapeError(f"start_dim must not come after end_dim, but they are {start_dim} and {end_dim} of {shape}.")
    return apply(RESHAPE, input, shape=(*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor | ArrayLike, dim: int, sizes: tuple[int, ...]) -> Any:
    """Make several axes of one.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    dim : int
        The axis.
    sizes : tuple of int
        The lengths of the new axes, whose product is its length; one may be -1: what remains.

    Returns
    -------
    ndarray or Tensor
        A view where the memory allows it.

    Raises
    ------
    ShapeError
        If there is no such axis, or the product is another.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.unflatten(np.zeros((8, 400)), 1, (16, 5, -1)).shape
    (8, 16, 5, 5)
    """
    shape = _shape(input)
    dim = one_dim("dim", dim, len(shape))
    sizes = tuple(sizes)
    known = prod(size for size in sizes if size != -1)
    if sizes.count(-1) > 1 or (shape[dim] % max(known, 1) if -1 in sizes else known != shape[dim]):
        raise ShapeError(f"The sizes of unflatten must multiply to the axis, but {sizes} do not make {shape[dim]}.")
    lengths = tuple(shape[dim] // max(known, 1) if size == -1 else size for size in sizes)
    return apply(RESHAPE, input, shape=(*shape[:dim], *lengths, *shape[dim + 1 :]))


def squeeze(input: Tensor | ArrayLike, dim: Dims = None) -> Any:
    """Remove axes of length 1.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    dim : int or tuple of int, optional
        The axes to be removed if their length is 1 (others stay, as in PyTorch). None means all.

    Returns
    -------
    ndarray or Tensor
        A view.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.squeeze(np.zeros((8, 1, 5, 1)), 1).shape
    (8, 5, 1)
    """
    shape = _shape(input)
    dims = several_dims("dim", dim, len(shape))
    kept = tuple(length for axis, length in enumerate(shape) if length != 1 or axis not in dims)
    return apply(RESHAPE, input, shape=kept)


def unsqueeze(input: Tensor | ArrayLike, dim: int) -> Any:
    """Insert an axis of length 1.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    dim : int
        Its place in the result; negative values count from the last.

    Returns
    -------
    ndarray or Tensor
        A view.

    Raises
    ------
    ShapeError
        If there is no such place.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.unsqueeze(np.zeros((8, 5)), 1).shape
    (8, 1, 5)
    """
    shape = _shape(input)
    place = one_dim("dim", dim, len(shape) + 1)
    return apply(RESHAPE, input, shape=(*shape[:place], 1, *shape[place:]))


def broadcast_to(input: Tensor | ArrayLike, shape: tuple[int, ...]) -> Any:
    """Repeat axes of length 1, and put new ones before the others.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    shape : tuple of int
        -1 leaves an axis as it is.

    Returns
    -------
    ndarray or Tensor
        A read-only view: nothing is copied.

    Raises
    ------
    ShapeError
        If an axis has another length than 1 and that of the shape.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.broadcast_to([1, 2], (3, -1))
    array([[1, 2],
           [1, 2],
           [1, 2]])
    """
    given, wanted = _shape(input), unpack((shape,))
    new = len(wanted) - len(given)
    lengths = tuple(given[i - new] if n == -1 and i >= new >= 0 else n for i, n in enumerate(wanted))
    return apply(EXPAND, input, shape=lengths)


def unpack(lengths: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the entries of ``f(2, 3)`` or of ``f((2, 3))``."""
    return tuple(lengths[0]) if len(lengths) == 1 and isinstance(lengths[0], (tuple, list)) else lengths


def _shape(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, Tensor) else np.shape(value)


def _reshape_method(self: Tensor, *shape: Any) -> Any:
    """Return the elements, in their order, in another shape; one length may be -1: what remains."""
    return apply(RESHAPE, self, shape=unpack(shape))


def _expand_method(self: Tensor, *sizes: Any) -> Any:
    """Return a view with axes of length 1 repeated, and new ones before the others; -1 leaves an axis as it is."""
    return broadcast_to(self, unpack(sizes))


def _expand_as_method(self: Tensor, other: Tensor) -> Any:
    """Return a view expanded to the shape of another Tensor."""
    return broadcast_to(self, other.shape)


#: What `sevenloops.functional.methods` attaches to Tensor. PyTorch's `view` refuses to copy; here it is `reshape`.
METHODS: dict[str, Any] = {
    "reshape": _reshape_method,
    "view": _reshape_method,
    "flatten": flatten,
    "unflatten": unflatten,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "expand": _expand_method,
    "expand_as": _expand_as_method,
    "broadcast_to": broadcast_to,
}
