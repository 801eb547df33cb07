"""The largest and smallest elements, and where they are."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.elements.arithmetic import widened
from sevenloops.functional.elements.comparison import plain, untracked
from sevenloops.functional.elements.selection import maximum, minimum
from sevenloops.functional.reductions.sums import reduced, restored
from sevenloops.functional.shapes.dims import Dims, one_dim, several_dims

__all__ = ["METHODS", "Extremes", "amax", "amin", "argmax", "argmin", "max", "min"]


class Extremes(NamedTuple):
    """The largest or smallest elements along an axis, and where each is first met."""

    values: Any
    indices: Any


def _amax(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, Any]:
    return _extreme(np.max, x, dims, keepdim)


def _amin(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, Any]:
    return _extreme(np.min, x, dims, keepdim)


def _extreme(function: Callable[..., Any], x: Any, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, Any]:
    x = float_array("input", x)
    result = np.asarray(function(x, axis=dims, keepdims=True))
    return (result if keepdim else result.squeeze(dims)), (x, result)


def _extreme_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    x, result = saved
    reached = x == result
    share = restored(grad, dims, keepdim) / np.maximum(reached.sum(dims, keepdims=True), 1).astype(
        widened(grad).dtype
    )
    return ((share * reached).astype(grad.dtype, copy=False),)


def _pick(x: Any, positions: Array, *, dim: int, keepdim: bool) -> tuple[Array, Any]:
    x = float_array("input", x)
    places = positions if keepdim else np.expand_dims(positions, dim)
    result = np.take_along_axis(x, places, dim)
    return (result if keepdim else result.squeeze(dim)), (x.shape, places)


def _pick_vjp(grad: Array, saved: Any, needs: tuple[bool, ...], *, dim: int, keepdim: bool) -> tuple[Array, None]:
    shape, places = saved
    dx = np.zeros(shape, grad.dtype)
    np.put_along_axis(dx, places, grad if keepdim else np.expand_dims(grad, dim), dim)
    return dx, None


#: Attributes: dims (numbers from 0), keepdim.
AMAX = Operation("amax", _amax, _extreme_vjp)
#: Attributes: dims (numbers from 0), keepdim.
AMIN = Operation("amin", _amin, _extreme_vjp)
#: The second input are the indices along the axis. Attributes: dim (a number from 0), keepdim.
PICK = Operation("pick", _pick, _pick_vjp)


def amax(input: Tensor | ArrayLike, dim: Dims = None, keepdim: bool = False) -> Any:
    """Return the largest elements over an axis, a tuple of axes, or all; NaN if there is one.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32, float64, integers or bools, and at least one element in each group.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype. Equal ones share the gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, one is named twice, or a group is empty.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.amax([[1.0, 3.0], [5.0, 2.0]], dim=1)
    array([3., 5.])
    """
    array, dims = reduced("amax", input, dim)
    _refuse_empty("amax", array, dims)
    if array.dtype.kind in "iub":
        return untracked(array.max(dims, keepdims=bool(keepdim)), input)
    return apply(AMAX, input, dims=dims, keepdim=bool(keepdim))


def amin(input: Tensor | ArrayLike, dim: Dims = None, keepdim: bool = False) -> Any:
    """Return the smallest elements over an axis, a tuple of axes, or all; NaN if there is one.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32, float64, integers or bools, and at least one element in each group.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor
        Of the input's dtype. Equal ones share the gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, one is named twice, or a group is empty.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.amin([[1.0, 3.0], [5.0, 2.0]], dim=1)
    array([1., 2.])
    """
    array, dims = reduced("amin", input, dim)
    _refuse_empty("amin", array, dims)
    if array.dtype.kind in "iub":
        return untracked(array.min(dims, keepdims=bool(keepdim)), input)
    return apply(AMIN, input, dims=dims, keepdim=bool(keepdim))


def argmax(input: Tensor | ArrayLike, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return where the largest element is: its index along an axis, or its number among all elements.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype, and at least one element in each group.
    dim : int, optional
        None means all elements, in their order.
    keepdim : bool, default False
        Leave the axis (or all of them) with length 1.

    Returns
    -------
    ndarray or Tensor of int64
        Of equal elements the first; NaN counts as largest. Without a gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, or a group is empty.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.argmax([[1.0, 3.0], [5.0, 2.0]], dim=1)
    array([1, 0])
    """
    return untracked(_places(np.argmax, input, dim, keepdim), input)


def argmin(input: Tensor | ArrayLike, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return where the smallest element is: its index along an axis, or its number among all elements.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype, and at least one element in each group.
    dim : int, optional
        None means all elements, in their order.
    keepdim : bool, default False
        Leave the axis (or all of them) with length 1.

    Returns
    -------
    ndarray or Tensor of int64
        Of equal elements the first; NaN counts as smallest. Without a gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, or a group is empty.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.argmin([[1.0, 3.0], [5.0, 2.0]], dim=1)
    array([0, 1])
    """
    return untracked(_places(np.argmin, input, dim, keepdim), input)


def max(input: Tensor | ArrayLike, dim: int | Tensor | Array | None = None, keepdim: bool = False) -> Any:
    """Return the largest element of all, or the largest ones along an axis and where they are.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32, float64, integers or bools, and at least one element in each group.
    dim : int, optional
        An axis. (An array or Tensor means ``maximum(input, dim)``.)
    keepdim : bool, default False
        Leave the axis with length 1.

    Returns
    -------
    ndarray or Tensor, or Extremes
        Without `dim` one element, whose gradient is shared by all that equal it; with it ``(values, indices)``, where
        the gradient goes to the elements at the indices.

    Raises
    ------
    ShapeError
        If there is no such axis, or a group is empty.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.max([[1.0, 3.0], [5.0, 2.0]])
    array(5.)
    >>> sl.max([[1.0, 3.0], [5.0, 2.0]], dim=1)
    Extremes(values=array([3., 5.]), indices=array([1, 0]))
    """
    if dim is None:
        return amax(input)
    if isinstance(dim, (Tensor, np.ndarray)):
        return maximum(input, dim)
    places = _places(np.argmax, input, dim, keepdim)
    array = plain(input)
    if not array.ndim:
        values = amax(input)
    elif array.dtype.kind in "iub":
        values = untracked(array.max(one_dim("dim", dim, array.ndim), keepdims=bool(keepdim)), input)
    else:
        values = apply(PICK, input, places, dim=one_dim("dim", dim, array.ndim), keepdim=bool(keepdim))
    return Extremes(values, untracked(places, input))


def min(input: Tensor | ArrayLike, dim: int | Tensor | Array | None = None, keepdim: bool = False) -> Any:
    """Return the smallest element of all, or the smallest ones along an axis and where they are.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32, float64, integers or bools, and at least one element in each group.
    dim : int, optional
        An axis. (An array or Tensor means ``minimum(input, dim)``.)
    keepdim : bool, default False
        Leave the axis with length 1.

    Returns
    -------
    ndarray or Tensor, or Extremes
        Without `dim` one element, whose gradient is shared by all that equal it; with it ``(values, indices)``, where
        the gradient goes to the elements at the indices.

    Raises
    ------
    ShapeError
        If there is no such axis, or a group is empty.
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.min([[1.0, 3.0], [5.0, 2.0]])
    array(1.)
    >>> sl.min([[1.0, 3.0], [5.0, 2.0]], dim=1)
    Extremes(values=array([1., 2.]), indices=array([0, 1]))
    """
    if dim is None:
        return amin(input)
    if isinstance(dim, (Tensor, np.ndarray)):
        return minimum(input, dim)
    places = _places(np.argmin, input, dim, keepdim)
    array = plain(input)
    if not array.ndim:
        values = amin(input)
    elif array.dtype.kind in "iub":
        values = untracked(array.min(one_dim("dim", dim, array.ndim), keepdims=bool(keepdim)), input)
    else:
        values = apply(PICK, input, places, dim=one_dim("dim", dim, array.ndim), keepdim=bool(keepdim))
    return Extremes(values, untracked(places, input))


def _places(function: Callable[..., Any], input: Any, dim: int | None, keepdim: bool) -> Array:
    array = plain(input)
    axis = one_dim("dim", dim, array.ndim) if dim is not None and several_dims("dim", dim, array.ndim) else None
    _refuse_empty(function.__name__, array, tuple(range(array.ndim)) if axis is None else (axis,))
    return np.asarray(function(array, axis=axis, keepdims=bool(keepdim)), np.int64)


def _refuse_empty(name: str, array: Array, dims: tuple[int, ...]) -> None:
    if 0 in (array.shape[dim] for dim in dims):
        raise ShapeError(f"{name} needs at least one element, but the shape is {array.shape}.")


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "amax": amax,
    "amin": amin,
    "argmax": argmax,
    "argmin": argmin,
    "max": max,
    "min": min,
}
