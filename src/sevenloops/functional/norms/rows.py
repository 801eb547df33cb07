"""Normalisation over the last axes, for arrays and Tensors."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array, ArrayLike, float_arrays
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import finite, integer, is_sequence
from sevenloops.norm import kernel

__all__ = ["LAYER_NORM", "RMS_NORM", "layer_norm", "normalized_shape_tuple", "rms_norm"]


class _Rows:
    """An array as rows, (M, D), whose memory lies as the array's does: axes change places within each half."""

    def __init__(self, x: Array, axes: int) -> None:
        def by_stride(numbers: range) -> list[int]:
            return sorted(numbers, key=lambda axis: -abs(x.strides[axis]))

        split = x.ndim - axes
        self.order = (*by_stride(range(split)), *by_stride(range(split, x.ndim)))
        self.row_order = tuple(axis - split for axis in self.order[split:])
        self.shape = (prod(x.shape[:split]), prod(x.shape[split:]))

    def view(self, array: Array) -> Array:
        """Return an array of x's shape as rows; a copy if its memory has another order."""
        return array.transpose(self.order).reshape(self.shape)

    def parameter(self, array: Array | None) -> Array | None:
        """Return an array of the normalized shape as one row."""
        return None if array is None else array.transpose(self.row_order).reshape(-1)

    def parameter_like(self, row: Array, parameter: Array) -> Array:
        """Return a row in the shape, order and dtype of a parameter."""
        shape = tuple(parameter.shape[axis] for axis in self.row_order)
        result = runtime.empty_like(parameter)
        with np.errstate(over="ignore"):
            np.copyto(result, row.reshape(shape).transpose(np.argsort(self.row_order)), casting="same_kind")
        return result

    def write(self, rows: Array, result: Array) -> None:
        """Copy rows into the array of x's shape that they were to be a view of, if they are not."""
        if not np.may_share_memory(rows, result):
            target = result.transpose(self.order)
            np.copyto(target, rows.reshape(target.shape))


def _forward(
    x: Array, weight: Array | None, bias: Array | None, *, axes: int, eps: float, centred: bool
) -> tuple[Array, Any]:
    rows = _Rows(x, axes)
    y = runtime.empty_like(x)
    written = rows.view(y)
    mean, rstd = kernel("row_norm", "forward")(
        rows.view(x), rows.parameter(weight), rows.parameter(bias), eps, centred, written
    )
    rows.write(written, y)
    return y, (x, weight, bias, mean, rstd)


def _vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, axes: int, eps: float, centred: bool
) -> tuple[Array | None, Array | None, Array | None]:
    x, weight, bias, mean, rstd = saved
    rows = _Rows(x, axes)
    dx = runtime.empty_like(x) if needs[0] else None
    written = None if dx is None else rows.view(dx)
    dweight, dbias = kernel("row_norm", "gradient")(
        rows.view(grad), rows.view(x), mean, rstd, rows.parameter(weight), centred, any(needs[1:]), written
    )
    if dx is not None and written is not None:
        rows.write(written, dx)
    return (
        dx,
        rows.parameter_like(dweight, weight) if needs[1] else None,
        rows.parameter_like(dbias, bias) if needs[2] else None,
    )


#: Attributes: axes (how many of the last ones are normalised together), eps, centred.
LAYER_NORM = Operation("layer_norm", _forward, _vjp)
RMS_NORM = Operation("rms_norm", _forward, _vjp)


def layer_norm(
    input: Tensor | ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: Tensor | ArrayLike | None = None,
    bias: Tensor | ArrayLike | None = None,
    eps: float = 1e-5,
) -> Any:
    """Normalise over the last axes, by their mean and (biased) variance.

    y = (x - mean) / √(var + eps) · weight + bias, with mean and var of each stretch of the last axes.

    Parameters
    ----------
    input : ndarray or Tensor, (*, *normalized_shape)
        float16, float32 or float64, like weight and bias.
    normalized_shape : int or sequence of int
        The last lengths of the input's shape; at least one.
    weight, bias : ndarray or Tensor, of the normalized shape, optional
    eps : float

    Returns
    -------
    ndarray or Tensor
        A Tensor if input, weight or bias is one; the shape and dtype of the input.

    Raises
    ------
    ShapeError
        If the input's shape does not end with the normalized one, or weight or bias do not have it.
    TypeError
        If dtypes differ or are not floats.
    ValueError
        If eps is not a finite number.

    References
    ----------
    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", arXiv 1607.06450.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), 2).round(4)
    array([[-1., 1.], [-1., 1.]])
    """
    return _row_norm(LAYER_NORM, input, normalized_shape, weight, bias, eps, centred=True)


def rms_norm(
    input: Tensor | ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: Tensor | ArrayLike | None = None,
    eps: float | None = None,
) -> Any:
    """Divide by the root mean square of the last axes.

    y = x / √(mean(x²) + eps) · weight, with the mean of each stretch of the last axes.

    Parameters
    ----------
    input : ndarray or Tensor, (*, *normalized_shape)
        float16, float32 or float64, like the weight.
    normalized_shape : int or sequence of int
        The last lengths of the input's shape; at least one.
    weight : ndarray or Tensor, of the normalized shape, optional
    eps : float, optional
        Otherwise the distance from 1 to the next number of the input's dtype.

    Returns
    -------
    ndarray or Tensor
        A Tensor if input or weight is one; the shape and dtype of the input.

    Raises
    ------
    ShapeError
        If the input's shape does not end with the normalized one, or the weight does not have it.
    TypeError
        If dtypes differ or are not floats.
    ValueError
        If eps is not a finite number.

    References
    ----------
    B. Zhang and R. Sennrich, "Root mean square layer normalization", arXiv 1910.07467.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.rms_norm(np.array([1.0, 7.0]), 2).round(4)
    array([0.2, 1.4])
    """
    return _row_norm(RMS_NORM, input, normalized_shape, weight, None, eps, centred=False)


def _row_norm(
    operation: Operation, input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: Any, centred: bool
) -> Any:
    given = {"input": input, "weight": weight, "bias": bias}
    arrays = float_arrays(**{n: v.data if isinstance(v, Tensor) else v for n, v in given.items()})
    if arrays[0] is None:
        raise TypeError("input must be an array, but got None.")
    x = arrays[0]
    shape = normalized_shape_tuple(normalized_shape)
    if x.shape[max(0, x.ndim - len(shape)) :] != shape:
        raise ShapeError(f"input must end with normalized_shape {shape}, but its shape is {x.shape}.")
    for name, array in zip(given, arrays):
        if name != "input" and array is not None and array.shape != shape:
            raise ShapeError(f"{name} must have normalized_shape {shape}, but its shape is {array.shape}.")
    small = float(np.finfo(x.dtype).eps) if eps is None and not centred else finite("eps", eps)
    values = [v if isinstance(v, Tensor) else array for v, array in zip(given.values(), arrays)]
    return apply(operation, *values, axes=len(shape), eps=small, centred=centred)


def normalized_shape_tuple(value: Any) -> tuple[int, ...]:
    """Return normalized_shape as a tuple of at least one length."""
    entries = tuple(value) if is_sequence(value) else (value,)
    if not entries:
        raise ShapeError("normalized_shape must name at least one axis, but got none.")
    return tuple(integer("normalized_shape", entry, 0) for entry in entries)
