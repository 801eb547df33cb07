"""Axes in another order or direction: permute, transpose, flip, roll; of any dtype (labels)."""

from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.shapes.dims import Dims, one_dim, several_dims
from sevenloops.functional.shapes.shaping import unpack

__all__ = ["METHODS", "flip", "movedim", "permute", "roll", "swapaxes", "transpose"]


def _permute(x: Any, *, dims: tuple[int, ...]) -> tuple[Array, None]:
    return np.asarray(x).transpose(dims), None


def _permute_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, dims: tuple[int, ...]) -> tuple[Array]:
    return (grad.transpose(np.argsort(dims)),)


def _flip(x: Any, *, dims: tuple[int, ...]) -> tuple[Array, None]:
    return np.flip(np.asarray(x), dims), None


def _flip_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, dims: tuple[int, ...]) -> tuple[Array]:
    return (np.flip(grad, dims),)


def _roll(x: Any, *, shifts: tuple[int, ...], dims: tuple[int, ...] | None) -> tuple[Array, None]:
    return np.roll(np.asarray(x), shifts, dims), None


def _roll_vjp(
    grad: Array, saved: None, needs: tuple[bool, ...], *, shifts: tuple[int, ...], dims: tuple[int, ...] | None
) -> tuple[Array]:
    return (np.roll(grad, tuple(-shift for shift in shifts), dims),)


#: Attribute: dims (each axis of the result, as a number of the input's from 0).
PERMUTE = Operation("permute", _permute, _permute_vjp)
#: Attribute: dims.
FLIP = Operation("flip", _flip, _flip_vjp)
#: Attributes: shifts, dims (one each; None with one shift means the elements in their order).
ROLL = Operation("roll", _roll, _roll_vjp)


def permute(input: Tensor | ArrayLike, dims: tuple[int, ...]) -> Any:
    """Return a view whose axes are those of the input in another order.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    dims : tuple of int
        Each axis once.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ShapeError
        If an axis is missing, named twice, or does not exist.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.permute(np.zeros((8, 3, 32, 24)), (0, 2, 3, 1)).shape
    (8, 32, 24, 3)
    """
    shape = _shape(input)
    order = several_dims("dims", tuple(dims), len(shape))
    if len(order) != len(shape):
        raise ShapeError(f"permute needs each axis once, but got {tuple(dims)} for the shape {shape}.")
    return apply(PERMUTE, input, dims=order)


def transpose(input: Tensor | ArrayLike, dim0: int, dim1: int) -> Any:
    """Return a view in which two axes have changed places (PyTorch's meaning; NumPy's is `permute`).

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    dim0, dim1 : int
        The axes.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.transpose(np.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    axes = len(_shape(input))
    first, second = (one_dim(name, dim, max(axes, 1)) for name, dim in (("dim0", dim0), ("dim1", dim1)))
    order = list(range(axes))
    if axes:
        order[first], order[second] = second, first
    return apply(PERMUTE, input, dims=tuple(order))


#: NumPy's name of `transpose`, which PyTorch has too.
swapaxes = transpose


def movedim(input: Tensor | ArrayLike, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Any:
    """Return a view in which some axes stand elsewhere; the others keep their order.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    source, destination : int or tuple of int
        Where the axes are, and where they go; as many of each.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ShapeError
        If there is no such axis, one is named twice, or their numbers differ.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.movedim(np.zeros((8, 3, 32, 24)), 1, -1).shape
    (8, 32, 24, 3)
    """
    axes = len(_shape(input))
    origins, places = several_dims("source", source, axes), several_dims("destination", destination, axes)
    if len(origins) != len(places):
        raise ShapeError(f"movedim needs as many destinations as sources, but got {source} and {destination}.")
    order = [axis for axis in range(axes) if axis not in origins]
    for place, origin in sorted(zip(places, origins)):
        order.insert(place, origin)
    return apply(PERMUTE, input, dims=tuple(order))


def flip(input: Tensor | ArrayLike, dims: int | tuple[int, ...]) -> Any:
    """Return a view with some axes in reverse.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    dims : int or tuple of int
        The axes.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.flip([[1, 2], [3, 4]], (1,))
    array([[2, 1],
           [4, 3]])
    """
    if dims is None:
        raise TypeError("dims must be an axis or a tuple of axes, but got None.")
    return apply(FLIP, input, dims=several_dims("dims", dims, len(_shape(input))))


def roll(input: Tensor | ArrayLike, shifts: int | tuple[int, ...], dims: Dims = None) -> Any:
    """Move the elements along axes; what leaves at one end comes in at the other.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    shifts : int or tuple of int
        By how many places, for each axis.
    dims : int or tuple of int, optional
        The axes. None means all elements in their order, and then the shape is restored.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ShapeError
        If there is no such axis, or not one shift for each.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.roll([1, 2, 3, 4], 1)
    array([4, 1, 2, 3])
    """
    steps = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    axes = None if dims is None else tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    if len(steps) != (1 if axes is None else len(axes)):
        raise ShapeError(f"roll needs one shift for each of dims, but got shifts {shifts} and dims {dims}.")
    numbers = None if axes is None else tuple(one_dim("dims", axis, len(_shape(input))) for axis in axes)
    return apply(ROLL, input, shifts=steps, dims=numbers)


def _shape(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, Tensor) else np.shape(value)


def _permute_method(self: Tensor, *dims: Any) -> Any:
    """Return a view whose axes are those of this Tensor in another order."""
    return permute(self, unpack(dims))


def _flip_method(self: Tensor, *dims: Any) -> Any:
    """Return a view with some axes in reverse."""
    return flip(self, unpack(dims))


def _reversed_axes(self: Tensor) -> Any:
    """Return a view with the axes in reverse order; of a matrix, its transpose."""
    return apply(PERMUTE, self, dims=tuple(reversed(range(self.ndim))))


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "permute": _permute_method,
    "transpose": transpose,
    "swapaxes": transpose,
    "movedim": movedim,
    "flip": _flip_method,
    "roll": roll,
    "T": property(_reversed_axes),
}
