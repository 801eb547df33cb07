"""Running a pooling: the result's memory, the dtype of the computation, the kernel.

Arrays here are canonical: channels first in shape, any strides, checked by their geometry. The geometry says which
operation it is; `algorithm` is a rung of the ladder, and adaptive pooling has none to choose from.
"""

from math import prod
from typing import TypeAlias

import numpy as np

from sevenloops import backends
from sevenloops.arrays import Array, compute_dtype
from sevenloops.geometry import AdaptiveGeometry, PoolGeometry
from sevenloops.memory import allocate
from sevenloops.pooling import adaptive, algorithms, registry
from sevenloops.pooling.average import adaptive_divisor, divisor

__all__ = ["Geometry", "avg_forward", "avg_input_grad", "max_forward", "max_input_grad"]

Geometry: TypeAlias = PoolGeometry | AdaptiveGeometry

KERNELS = (algorithms, adaptive)  # importing them fills the tables


def max_forward(
    x: Array, geometry: Geometry, algorithm: str, with_indices: bool, channels_last: bool, small: bool = False
) -> tuple[Array, Array | None]:
    """Return the maxima of (N, C, *spatial), and their positions if they are wanted.

    If they may be `small` they are integers of as few bytes as will do, where the kernel can write such.
    """
    out = allocate(geometry.out_shape, compute_dtype(x.dtype), channels_last)
    kind = np.dtype(np.int64)
    if small and _in_machine_code(geometry, algorithm):
        kind = np.min_scalar_type(-prod(geometry.input_size))
    indices = allocate(geometry.out_shape, kind, channels_last) if with_indices else None
    if out.size:
        kernel = _kernel("max_pool", "forward", geometry, algorithm)
        kernel(x.astype(out.dtype, copy=False), geometry, out, indices)
    return out.astype(x.dtype, copy=False), indices


def max_input_grad(
    grad_output: Array, indices: Array, geometry: Geometry, algorithm: str, channels_last: bool
) -> Array:
    """Return the gradient (N, C, *spatial) of the input, from the positions of the maxima, integers of any size."""
    out = allocate(geometry.x_shape, compute_dtype(grad_output.dtype), channels_last)
    if grad_output.size:
        kernel = _kernel("max_pool", "input_grad", geometry, algorithm)
        if not _in_machine_code(geometry, algorithm):
            indices = indices.astype(np.int64, copy=False)
        kernel(grad_output.astype(out.dtype, copy=False), indices, geometry, out)
    else:
        out.fill(0)
    return out.astype(grad_output.dtype, copy=False)


def avg_forward(
    x: Array,
    geometry: Geometry,
    algorithm: str,
    count_include_pad: bool,
    divisor_override: int | None,
    channels_last: bool,
) -> Array:
    """Return the averages of (N, C, *spatial)."""
    out = allocate(geometry.out_shape, compute_dtype(x.dtype), channels_last)
    if out.size:
        by = _divisor(geometry, count_include_pad, divisor_override, out.dtype)
        kernel = _kernel("avg_pool", "forward", geometry, algorithm)
        kernel(x.astype(out.dtype, copy=False), by, geometry, out)
    return out.astype(x.dtype, copy=False)


def avg_input_grad(
    grad_output: Array,
    geometry: Geometry,
    algorithm: str,
    count_include_pad: bool,
    divisor_override: int | None,
    channels_last: bool,
) -> Array:
    """Return the gradient (N, C, *spatial) of the input."""
    out = allocate(geometry.x_shape, compute_dtype(grad_output.dtype), channels_last)
    if grad_output.size:
        by = _divisor(geometry, count_include_pad, divisor_override, out.dtype)
        kernel = _kernel("avg_pool", "input_grad", geometry, algorithm)
        kernel(grad_output.astype(out.dtype, copy=False), by, geometry, out)
    else:
        out.fill(0)
    return out.astype(grad_output.dtype, copy=False)


def _kernel(
    operation: registry.Operation, direction: registry.Direction, geometry: Geometry, algorithm: str
) -> registry.PoolKernel:
    if isinstance(geometry, AdaptiveGeometry):
        return backends.find(f"adaptive_{operation}", direction)
    return registry.kernel(operation, direction, algorithm)


def _in_machine_code(geometry: Geometry, algorithm: str) -> bool:
    """Return whether the kernels are those of machine code, which take indices of any size."""
    there = isinstance(geometry, AdaptiveGeometry) or algorithm == registry.MACHINE_CODE
    return there and backends.usable()[0] == "jit"


def _divisor(
    geometry: Geometry, count_include_pad: bool, divisor_override: int | None, dtype: np.dtype[np.floating]
) -> Array:
    if isinstance(geometry, AdaptiveGeometry):
        return adaptive_divisor(geometry, dtype)
    return divisor(geometry, count_include_pad, divisor_override, dtype)
