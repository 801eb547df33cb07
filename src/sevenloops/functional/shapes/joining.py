"""Several arrays in one, and one several times: cat, stack, tile; of any dtype (labels)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.elements.arithmetic import widened
from sevenloops.functional.shapes.dims import one_dim
from sevenloops.functional.shapes.shaping import unpack
from sevenloops.geometry.arguments import integer

__all__ = ["METHODS", "cat", "concatenate", "stack", "tile"]


def _cat(*arrays: Any, dim: int) -> tuple[Array, list[int]]:
    return np.concatenate(arrays, dim), [array.shape[dim] for array in arrays]


def _cat_vjp(grad: Array, saved: list[int], needs: tuple[bool, ...], *, dim: int) -> list[Array | None]:
    return [piece if n else None for piece, n in zip(np.split(grad, np.cumsum(saved)[:-1], dim), needs)]


def _stack(*arrays: Any, dim: int) -> tuple[Array, None]:
    return np.stack(arrays, dim), None


def _stack_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, dim: int) -> list[Array | None]:
    return [slice_ if n else None for slice_, n in zip(np.moveaxis(grad, dim, 0), needs)]


def _tile(x: Any, *, repeats: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    x = np.asarray(x)
    return np.tile(x, repeats), x.shape


def _tile_vjp(
    grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, repeats: tuple[int, ...]
) -> tuple[Array]:
    lengths = (1,) * (len(repeats) - len(saved)) + saved
    pairs = [n for pair in zip(repeats, lengths) for n in pair]
    total = widened(grad).reshape(pairs).sum(tuple(range(0, len(pairs), 2)))
    return (total.reshape(saved).astype(grad.dtype, copy=False),)


#: Attribute: dim (a number from 0).
CAT = Operation("cat", _cat, _cat_vjp)
#: Attribute: dim (a number from 0, of the result).
STACK = Operation("stack", _stack, _stack_vjp)
#: Attribute: repeats (one for each axis of the result).
TILE = Operation("tile", _tile, _tile_vjp)


def cat(tensors: Sequence[Tensor | ArrayLike], dim: int = 0) -> Any:
    """Join arrays along an axis that they have.

    Parameters
    ----------
    tensors : sequence of ndarray or Tensor
        At least one, of one dtype, and of one shape but for the axis.
    dim : int, default 0
        The axis.

    Returns
    -------
    ndarray or Tensor
        A Tensor if an entry is one.

    Raises
    ------
    ShapeError
        If the shapes differ elsewhere, there is no such axis, or nothing to join.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.cat([[[1, 2]], [[3, 4], [5, 6]]])
    array([[1, 2],
           [3, 4],
           [5, 6]])
    """
    values, shapes = _of_one_dtype("cat", tensors)
    axis = one_dim("dim", dim, len(shapes[0]))
    rests = [(len(shape), shape[:axis], shape[axis + 1 :]) for shape in shapes]
    if rests.count(rests[0]) < len(rests):
        raise ShapeError(
            f"The shapes of cat must differ along dim {dim} only, but they are {', '.join(map(str, shapes))}."
        )
    return apply(CAT, *values, dim=axis)


#: NumPy's name of `cat`, which PyTorch has too.
concatenate = cat


def stack(tensors: Sequence[Tensor | ArrayLike], dim: int = 0) -> Any:
    """Join arrays of one shape along a new axis.

    Parameters
    ----------
    tensors : sequence of ndarray or Tensor
        At least one, of one dtype and shape.
    dim : int, default 0
        The place of the new axis in the result.

    Returns
    -------
    ndarray or Tensor
        A Tensor if an entry is one.

    Raises
    ------
    ShapeError
        If the shapes differ, there is no such place, or nothing to join.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.stack([[1, 2], [3, 4]], dim=1)
    array([[1, 3],
           [2, 4]])
    """
    values, shapes = _of_one_dtype("stack", tensors)
    if shapes.count(shapes[0]) < len(shapes):
        raise ShapeError(f"stack needs arrays of one shape, but they are {', '.join(map(str, shapes))}.")
    return apply(STACK, *values, dim=one_dim("dim", dim, len(shapes[0]) + 1))


def tile(input: Tensor | ArrayLike, dims: int | tuple[int, ...]) -> Any:
    """Put copies of an array next to each other (PyTorch's method `repeat`).

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape and dtype.
    dims : int or tuple of int
        How often along each axis, for the last axes where there are fewer; more make new axes before the others.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        If a number is below 0.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.tile([1, 2], (2, 2))
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    repeats = tuple(integer("dims", n, 0) for n in unpack((dims,)))
    axes = input.ndim if isinstance(input, Tensor) else np.ndim(input)
    return apply(TILE, input, repeats=(1,) * (axes - len(repeats)) + repeats)


def _of_one_dtype(name: str, tensors: Any) -> tuple[list[Any], list[tuple[int, ...]]]:
    """Return what is to be joined, as Tensors or arrays, and the shapes."""
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name} needs a list or tuple of Tensors, but got one Tensor; write {name}([a, b]).")
    values = [value if isinstance(value, Tensor) else np.asarray(value) for value in tensors]
    if not values:
        raise ShapeError(f"{name} needs at least one Tensor, but got none.")
    dtypes = [value.dtype for value in values]
    if dtypes.count(dtypes[0]) < len(dtypes):
        raise TypeError(
            f"{name} needs arrays of one dtype, but they are {', '.join(map(str, dtypes))}; convert some."
        )
    return values, [value.shape for value in values]


def _tile_method(self: Tensor, *dims: Any) -> Any:
    """Return copies of this Tensor next to each other."""
    return tile(self, unpack(dims))


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {"tile": _tile_method, "repeat": _tile_method}
