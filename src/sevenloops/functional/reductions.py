"""Sums and means of Tensors over axes."""

from math import prod
from typing import Any

import numpy as np

from sevenloops.arrays import Array, compute_dtype, float_array
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.functional.dims import several_dims

__all__ = ["MEAN", "METHODS", "SUM"]


def _sum(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, tuple[int, ...]]:
    x = float_array("input", x)
    result = x.sum(dims, dtype=compute_dtype(x.dtype), keepdims=keepdim)
    return result.astype(x.dtype, copy=False), x.shape


def _sum_vjp(
    grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    return (np.broadcast_to(grad if keepdim else np.expand_dims(grad, dims), saved),)


def _mean(x: Any, *, dims: tuple[int, ...], keepdim: bool) -> tuple[Array, tuple[int, ...]]:
    x = float_array("input", x)
    count = prod(x.shape[dim] for dim in dims)
    total = x.sum(dims, dtype=compute_dtype(x.dtype), keepdims=keepdim)
    mean = total / count if count else total * np.nan  # the mean of nothing is NaN, as in PyTorch, without a warning
    return mean.astype(x.dtype, copy=False), x.shape


def _mean_vjp(
    grad: Array, saved: tuple[int, ...], needs: tuple[bool, ...], *, dims: tuple[int, ...], keepdim: bool
) -> tuple[Array]:
    count = prod(saved[dim] for dim in dims)
    share = (grad.astype(compute_dtype(grad.dtype), copy=False) / max(count, 1)).astype(grad.dtype, copy=False)
    return (np.broadcast_to(share if keepdim else np.expand_dims(share, dims), saved),)


#: Attributes: dims (numbers from 0), keepdim.
SUM = Operation("sum", _sum, _sum_vjp)
#: Attributes: dims (numbers from 0), keepdim.
MEAN = Operation("mean", _mean, _mean_vjp)


def _reduce(operation: Operation, tensor: Tensor, dim: Any, keepdim: Any, axis: Any, keepdims: Any) -> Any:
    if axis is not None:
        if dim is not None:
            raise TypeError(f"{operation.name} takes dim or axis, which mean the same, but got {dim!r} and {axis!r}.")
        dim = axis
    keep = keepdim if keepdims is None else keepdims
    return apply(operation, tensor, dims=several_dims("dim", dim, tensor.ndim), keepdim=bool(keep))


def sum_of(self: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Any:
    """Return the sum over an axis, a tuple of axes, or all; keepdim leaves them with length 1.

    As in PyTorch, NumPy's names `axis` and `keepdims` are understood too.
    """
    return _reduce(SUM, self, dim, keepdim, axis, keepdims)


def mean_of(self: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Any:
    """Return the mean over an axis, a tuple of axes, or all; keepdim leaves them with length 1.

    As in PyTorch, NumPy's names `axis` and `keepdims` are understood too.
    """
    return _reduce(MEAN, self, dim, keepdim, axis, keepdims)


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {"sum": sum_of, "mean": mean_of}
