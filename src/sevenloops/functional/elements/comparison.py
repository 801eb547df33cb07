"""Questions about elements: comparisons, NaN and infinity, all and any; of any dtype, and without gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.functional.elements.arithmetic import number
from sevenloops.functional.shapes.dims import Dims, several_dims

__all__ = [
    "METHODS",
    "all",
    "any",
    "eq",
    "ge",
    "gt",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "lt",
    "ne",
    "plain",
    "untracked",
]


def plain(value: Any) -> Array:
    """Return the array of a Tensor, or an array_like as an array."""
    return value.data if isinstance(value, Tensor) else np.asarray(value)


def untracked(result: Any, *inputs: Any) -> Any:
    """Return an array, or a Tensor without history if an input is a Tensor."""
    array = np.asarray(result)
    return Tensor(array) if _tensors_among(inputs) else array


def _tensors_among(inputs: tuple[Any, ...]) -> bool:
    return True in (isinstance(value, Tensor) for value in inputs)


def _compared(ufunc: Callable[..., Any], left: Any, right: Any) -> Any:
    a, b = (value if number(value) else plain(value) for value in (left, right))
    try:
        return untracked(ufunc(a, b), left, right)
    except ValueError:
        raise ShapeError(
            f"The operands of {ufunc.__name__} must have shapes that broadcast against each other, "
            f"but they have {np.shape(a)} and {np.shape(b)}."
        ) from None


def eq(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return where input == other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Any dtypes; shapes that broadcast against each other.

    Returns
    -------
    ndarray or Tensor of bools
        The shape of both operands broadcast; without a gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.eq([1.0, 2.0, 3.0], 2.0)
    array([False,  True, False])
    """
    return _compared(np.equal, input, other)


def ne(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return where input != other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Any dtypes; shapes that broadcast against each other.

    Returns
    -------
    ndarray or Tensor of bools
        The shape of both operands broadcast; without a gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.ne([1.0, 2.0, 3.0], 2.0)
    array([ True, False,  True])
    """
    return _compared(np.not_equal, input, other)


def lt(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return where input < other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Any dtypes; shapes that broadcast against each other.

    Returns
    -------
    ndarray or Tensor of bools
        The shape of both operands broadcast; without a gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.lt([1.0, 2.0, 3.0], 2.0)
    array([ True, False, False])
    """
    return _compared(np.less, input, other)


def le(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return where input <= other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Any dtypes; shapes that broadcast against each other.

    Returns
    -------
    ndarray or Tensor of bools
        The shape of both operands broadcast; without a gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.le([1.0, 2.0, 3.0], 2.0)
    array([ True,  True, False])
    """
    return _compared(np.less_equal, input, other)


def gt(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return where input > other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Any dtypes; shapes that broadcast against each other.

    Returns
    -------
    ndarray or Tensor of bools
        The shape of both operands broadcast; without a gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.gt([1.0, 2.0, 3.0], 2.0)
    array([False, False,  True])
    """
    return _compared(np.greater, input, other)


def ge(input: Tensor | ArrayLike, other: Tensor | ArrayLike) -> Any:
    """Return where input >= other, element by element.

    Parameters
    ----------
    input, other : ndarray, Tensor or number
        Any dtypes; shapes that broadcast against each other.

    Returns
    -------
    ndarray or Tensor of bools
        The shape of both operands broadcast; without a gradient.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.ge([1.0, 2.0, 3.0], 2.0)
    array([False,  True,  True])
    """
    return _compared(np.greater_equal, input, other)


def isnan(input: Tensor | ArrayLike) -> Any:
    """Return where the elements are NaN, as bools without a gradient.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.isnan([1.0, np.inf, np.nan])
    array([False, False,  True])
    """
    return untracked(np.isnan(plain(input)), input)


def isinf(input: Tensor | ArrayLike) -> Any:
    """Return where the elements are infinite, as bools without a gradient.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.isinf([1.0, np.inf, np.nan])
    array([False,  True, False])
    """
    return untracked(np.isinf(plain(input)), input)


def isfinite(input: Tensor | ArrayLike) -> Any:
    """Return where the elements are neither infinite nor NaN, as bools without a gradient.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.isfinite([1.0, np.inf, np.nan])
    array([ True, False, False])
    """
    return untracked(np.isfinite(plain(input)), input)


def all(input: Tensor | ArrayLike, dim: Dims = None, keepdim: bool = False) -> Any:
    """Return whether all elements are true along an axis, a tuple of axes, or all of them.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype; what is not 0 counts as true.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor of bools
        Without a gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.all([[True, False], [True, True]], dim=1)
    array([False,  True])
    """
    array = plain(input)
    return untracked(array.all(several_dims("dim", dim, array.ndim), keepdims=bool(keepdim)), input)


def any(input: Tensor | ArrayLike, dim: Dims = None, keepdim: bool = False) -> Any:
    """Return whether one of the elements is true along an axis, a tuple of axes, or all of them.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype; what is not 0 counts as true.
    dim : int or tuple of int, optional
        None means all axes.
    keepdim : bool, default False
        Leave these axes with length 1.

    Returns
    -------
    ndarray or Tensor of bools
        Without a gradient.

    Raises
    ------
    ShapeError
        If there is no such axis, or one is named twice.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.any([[True, False], [True, True]], dim=1)
    array([ True,  True])
    """
    array = plain(input)
    return untracked(array.any(several_dims("dim", dim, array.ndim), keepdims=bool(keepdim)), input)


def _operator(ufunc: Callable[..., Any]) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if not (number(other) or isinstance(other, (Tensor, np.ndarray))):
            return NotImplemented
        return _compared(ufunc, self, other)

    return method


def _inverted(self: Tensor) -> Any:
    """Return where this Tensor of bools is false (or the bits of integers, turned over)."""
    return untracked(np.invert(self.data), self)


#: What `sevenloops.functional.methods` attaches to Tensor, whose hash remains that of the object.
METHODS: dict[str, Any] = {
    "__eq__": _operator(np.equal),
    "__ne__": _operator(np.not_equal),
    "__lt__": _operator(np.less),
    "__le__": _operator(np.less_equal),
    "__gt__": _operator(np.greater),
    "__ge__": _operator(np.greater_equal),
    "__and__": _operator(np.bitwise_and),
    "__or__": _operator(np.bitwise_or),
    "__xor__": _operator(np.bitwise_xor),
    "__invert__": _inverted,
    "eq": eq,
    "ne": ne,
    "lt": lt,
    "le": le,
    "gt": gt,
    "ge": ge,
    "isnan": isnan,
    "isinf": isinf,
    "isfinite": isfinite,
    "all": all,
    "any": any,
}
