"""How a kernel meets a parameter: as flat arrays in the parameter's memory order, block by block."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array, compute_dtype
from sevenloops.optim.update import UpdateKernel

__all__ = ["Executor", "fits", "zeros"]

#: So many elements go through all passes of a kernel before the next ones do, which bounds the memory to work in.
_BLOCK = 1 << 16

_Order: TypeAlias = tuple[int, ...] | None  # the axes from the slowest to the fastest; None if that is how they are


class Executor:
    """Runs the kernels of one optimizer, and keeps the memory to work in from one step to the next."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, np.dtype[Any]], Array] = {}

    def run(
        self,
        kernel: UpdateKernel,
        data: Array,
        gradient: Array,
        buffers: Mapping[str, Array],
        rows: int,
        count: int,
        first: bool,
        options: Mapping[str, Any],
    ) -> None:
        """Change `data` and `buffers` by a kernel that needs `rows` arrays to work in.

        All arrays have one shape. `buffers` are as `zeros` makes them. `data` and `gradient` are copied where they
        have gaps, another dtype than that of the computation, or another order in memory than `data`.
        """
        dtype, order = compute_dtype(data.dtype), _memory_order(data)
        values = _flat(data, dtype, order)
        staged = values is None
        if values is None:
            values = self._copy("data", data, dtype, order)
        slopes = _flat(gradient, dtype, order)
        if slopes is None:
            slopes = self._copy("gradient", gradient, dtype, order)
        kept = {name: _ordered(buffer, order).reshape(-1) for name, buffer in buffers.items()}
        work = self._rows("work", rows, min(data.size, _BLOCK), dtype)
        if data.size <= _BLOCK:
            kernel(values, slopes, kept, work, count, first, **options)
        else:
            for start in range(0, data.size, _BLOCK):
                part = slice(start, start + _BLOCK)
                block, parts = values[part], {name: buffer[part] for name, buffer in kept.items()}
                kernel(block, slopes[part], parts, [row[: block.size] for row in work], count, first, **options)
        if staged:
            ordered = _ordered(data, order)
            np.copyto(ordered, values.reshape(ordered.shape), casting="same_kind")

    def _copy(self, role: str, array: Array, dtype: np.dtype[Any], order: _Order) -> Array:
        """Return a flat copy."""
        ordered = _ordered(array, order)
        flat = self._rows(role, 1, array.size, dtype)[0]
        np.copyto(flat.reshape(ordered.shape), ordered, casting="same_kind")
        return flat

    def _rows(self, role: str, rows: int, size: int, dtype: np.dtype[Any]) -> list[Array]:
        """Return so many arrays: views of memory that is as large as it has been needed so far."""
        memory = self._memory.get((role, dtype))
        if memory is None or memory.shape[1] < size:
            memory = self._memory[role, dtype] = runtime.empty((rows, size), dtype)
        return [row[:size] for row in memory]


def zeros(like: Array) -> Array:
    """Return zeros of an array's shape in its memory order, without gaps, of the dtype that it is computed in."""
    dtype, order = compute_dtype(like.dtype), _memory_order(like)
    if order is None:
        return np.zeros(like.shape, dtype)
    return np.zeros([like.shape[axis] for axis in order], dtype).transpose(np.argsort(order))


def fits(buffer: Array, data: Array) -> bool:
    """Return whether a buffer is laid out as `zeros` lays it out for this array."""
    return _flat(buffer, compute_dtype(data.dtype), _memory_order(data)) is not None


def _memory_order(array: Array) -> _Order:
    if array.flags.c_contiguous:
        return None
    return tuple(sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])))


def _ordered(array: Array, order: _Order) -> Array:
    return array if order is None else array.transpose(order)


def _flat(array: Array, dtype: np.dtype[Any], order: _Order) -> Array | None:
    """Return a view with one axis that goes through the memory in order, if there is one and it has this dtype."""
    ordered = _ordered(array, order)
    return ordered.reshape(-1) if ordered.flags.c_contiguous and array.dtype == dtype else None
