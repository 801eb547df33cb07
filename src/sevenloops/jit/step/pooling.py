"""Pooling in machine code: geometries made tables, memory made images."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from sevenloops import backends, runtime
from sevenloops.arrays import Array
from sevenloops.geometry import AdaptiveGeometry, PoolGeometry
from sevenloops.jit import pool
from sevenloops.jit.step.flat import address
from sevenloops.jit.step.planes import ARGUMENTS as PLANE_ARGUMENTS
from sevenloops.jit.step.planes import PlaneForm
from sevenloops.jit.step.windows import ARGUMENTS, SCATTER_ARGUMENTS, ScatterForm, Task, WindowForm

__all__ = ["avg_forward", "avg_input_grad", "max_forward", "max_input_grad"]

_ALONE = 1 << 14  # elements that are read up to which one thread is faster
_MOST = 1 << 30  # positions of a plane


def _channels_last(arrays: Sequence[Array]) -> bool | None:
    """Return whether all arrays (N, C, *spatial) have their channels adjacent, or first; None if neither."""
    likely = bool(arrays[0].shape[1] > 1)
    for last in (likely, not likely):
        if all(_is_dense(array, last) for array in arrays):
            return last
    return None


def _is_dense(array: Array, last: bool) -> bool:
    step = array.itemsize
    axes = (1, *range(array.ndim - 1, 1, -1), 0) if last else range(array.ndim - 1, -1, -1)
    for axis in axes:
        if array.shape[axis] > 1:
            if array.strides[axis] != step:
                return False
            step *= array.shape[axis]
    return True


@lru_cache(maxsize=256)
def _tables(geometry: PoolGeometry | AdaptiveGeometry, backward: bool) -> tuple[Array, ...]:
    """Return for each axis, of rows and columns, (first, how many) for each output.

    With `backward` inputs and outputs have changed places: which windows a position of the input belongs to, which
    lie side by side if windows have no gaps.
    """
    tables = [np.array([[0, 1]], np.int64)] * (2 - geometry.axes)
    for axis in range(geometry.axes):
        if isinstance(geometry, AdaptiveGeometry):
            chosen = geometry.reversed if backward else geometry
            bounds = np.array(chosen.bounds(axis), np.int64).reshape(-1, 2)
            tables.append(np.stack([bounds[:, 0], bounds[:, 1] - bounds[:, 0]], 1))
            continue
        k, s, d = geometry.kernel_size[axis], geometry.stride[axis], geometry.dilation[axis]
        before, length = geometry.padding[axis][0], geometry.input_size[axis]
        if backward:
            # r + before = i·s + u, 0 ≤ u < k
            place = np.arange(length) + before
            first = np.maximum(-(-(place - k + 1) // s), 0)
            last = np.minimum(place // s, geometry.output_size[axis] - 1)
            tables.append(np.stack([first, np.maximum(last + 1 - first, 0)], 1))
            continue
        start = np.arange(geometry.output_size[axis]) * s - before
        skipped = np.maximum(-(start // d), 0)  # taps before the input: ⌈-start / d⌉
        end = np.minimum(-(-(length - start) // d), k)  # those before its end
        tables.append(np.stack([start + skipped * d, np.maximum(end - skipped, 0)], 1))
    return tuple(np.ascontiguousarray(table, np.int64) for table in tables)


def _fits(arrays: Sequence[Array], geometry: PoolGeometry | AdaptiveGeometry) -> bool | None:
    """Return whether channels are last, or None if this is left to NumPy."""
    dtype = arrays[0].dtype
    if geometry.axes > 2 or dtype.char not in "fd" or not dtype.isnative or prod(geometry.input_size) > _MOST:
        return None
    if any(a.dtype != dtype for a in arrays if a.dtype.kind != "i"):
        return None
    return _channels_last(arrays)


def _is_global(geometry: PoolGeometry | AdaptiveGeometry) -> bool:
    """Return whether there is one window only: in a plane of adjacent positions NumPy adds it up well."""
    return set(geometry.output_size) == {1}


def _steps(geometry: PoolGeometry | AdaptiveGeometry) -> tuple[int, ...]:
    steps = (1,) * geometry.axes if isinstance(geometry, AdaptiveGeometry) else geometry.dilation
    return (1,) * (2 - geometry.axes) + steps


@lru_cache(maxsize=256)
def _plane(
    geometry: PoolGeometry | AdaptiveGeometry, backward: bool, itemsize: int
) -> tuple[Array, Array, Array, int, int]:
    """Return for each output of a plane its first input, rows and columns; and the most rows and columns."""
    rows, columns = _tables(geometry, backward)
    sizes = geometry.output_size if backward else geometry.input_size
    first = rows[:, :1] * (1, *sizes)[-1] + columns[:, 0]
    tables = (first, np.broadcast_to(rows[:, 1:], first.shape), np.broadcast_to(columns[:, 1], first.shape))
    kind = np.int32 if itemsize == 4 else np.int64
    flat: list[Array] = [np.ascontiguousarray(t, kind).reshape(-1) for t in tables]
    return (flat[0], flat[1], flat[2], int(rows[:, 1].max()), int(columns[:, 1].max()))


def _run(
    task: Task,
    x: Array,
    out: Array,
    last: bool,
    geometry: PoolGeometry | AdaptiveGeometry,
    backward: bool,
    indices: Array | None = None,
    divisor: Array | None = None,
) -> None:
    """Run a kernel, forward or (from windows to the positions that they have) backward."""
    row_step, column_step = (1, 1) if backward else _steps(geometry)
    values = {
        "x": address(x),
        "out": address(out),
        "indices": 0 if indices is None else address(indices),
        "divisor": 0 if divisor is None else address(divisor),
        "divisor_step": int(divisor is not None and divisor.size > 1),
    }
    index_size = 8 if indices is None else indices.itemsize
    threads = runtime.get_num_threads() if max(x.size, out.size) > _ALONE else 1
    images, channels = x.shape[:2]
    in_rows, in_columns = (1, *x.shape[2:])[-2:]
    if last:
        rows, columns = _tables(geometry, backward)
        values |= {
            "rows": address(rows),
            "columns": address(columns),
            "channels": channels,
            "in_rows": in_rows,
            "in_columns": in_columns,
            "out_rows": len(rows),
            "out_columns": len(columns),
            "row_step": row_step,
            "column_step": column_step,
        }
        items = images * len(rows)
        kernel, args = WindowForm(task, x.itemsize, index_size).load(), ARGUMENTS.pack(values)
    else:
        first, rows, columns, most_rows, most_columns = _plane(geometry, backward, x.itemsize)
        values |= {
            "first": address(first),
            "rows": address(rows),
            "columns": address(columns),
            "inputs": in_rows * in_columns,
            "outputs": len(first),
            "most_rows": most_rows,
            "most_columns": most_columns,
            "row_step": row_step * in_columns,
            "column_step": column_step,
        }
        items = images * channels
        kernel, args = PlaneForm(task, x.itemsize, index_size).load(), PLANE_ARGUMENTS.pack(values)
    pool.run(kernel, args, items, max(1, items // (8 * threads)), threads)


def _otherwise(operation: str, direction: str, geometry: Any, *arguments: Any) -> None:
    name = f"adaptive_{operation}" if isinstance(geometry, AdaptiveGeometry) else f"{operation}/slices"
    backends.kernel(name, direction, "numpy")(*arguments)


def max_forward(x: Array, geometry: PoolGeometry | AdaptiveGeometry, out: Array, indices: Array | None) -> None:
    """Write the maximum of each window, and its position in the plane to `indices` (integers of any size), if any."""
    last = _fits([x, out] if indices is None else [x, out, indices], geometry)
    if last is None:
        wide = None if indices is None else indices if indices.dtype == np.int64 else indices.astype(np.int64)
        _otherwise("max_pool", "forward", geometry, x, geometry, out, wide)
        if indices is not None and wide is not None and wide is not indices:
            indices[...] = wide
        return
    _run("max" if indices is None else "argmax", x, out, last, geometry, False, indices)


def max_input_grad(grad_output: Array, indices: Array, geometry: PoolGeometry | AdaptiveGeometry, out: Array) -> None:
    """Add each gradient to the position of its maximum."""
    last = _fits([grad_output, indices, out], geometry)
    if last is None:
        _otherwise("max_pool", "input_grad", geometry, grad_output, indices.astype(np.int64), geometry, out)
        return
    if _steps(geometry) == (1, 1):
        _run("sum of chosen", grad_output, out, last, geometry, True, indices)
        return
    indices = np.ascontiguousarray(indices, np.int64) if not last else indices.astype(np.int64, copy=False)
    images, channels = out.shape[:2]
    items, width = (images, channels) if last else (images * channels, 1)
    args = SCATTER_ARGUMENTS.pack(
        {
            "grad": address(grad_output),
            "indices": address(indices),
            "out": address(out),
            "channels": width,
            "in_positions": prod(out.shape[2:]),
            "out_positions": prod(grad_output.shape[2:]),
        }
    )
    threads = runtime.get_num_threads() if out.size > _ALONE else 1
    pool.run(ScatterForm(out.itemsize).load(), args, items, max(1, items // (8 * threads)), threads)


def avg_forward(x: Array, divisor: Array, geometry: PoolGeometry | AdaptiveGeometry, out: Array) -> None:
    """Write the sum of each window, divided."""
    last = _fits([x, out], geometry)
    if last is None or (not last and _is_global(geometry)):
        _otherwise("avg_pool", "forward", geometry, x, divisor, geometry, out)
        return
    _run("sum", x, out, last, geometry, False, divisor=np.ascontiguousarray(divisor))


def avg_input_grad(grad_output: Array, divisor: Array, geometry: PoolGeometry | AdaptiveGeometry, out: Array) -> None:
    """Write the sum of the shares that each element has in its windows."""
    last = _fits([grad_output, out], geometry)
    if last is None or _steps(geometry) != (1, 1) or (not last and _is_global(geometry)):
        _otherwise("avg_pool", "input_grad", geometry, grad_output, divisor, geometry, out)
        return
    # One divisor is divided by in the end, else each share by its own.
    task: Task = "sum" if divisor.size == 1 else "sum of shares"
    _run(task, grad_output, out, last, geometry, True, divisor=np.ascontiguousarray(divisor))
