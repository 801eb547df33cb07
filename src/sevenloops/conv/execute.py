"""Running a convolution: the problem, the plan, the result's memory, the kernel.

Arrays here are canonical: channels first in shape, any strides, one float dtype, checked by their geometry.
"""

from math import prod
from typing import Any

import numpy as np

import sevenloops.conv.bias  # noqa: F401  (registers its kernels)
from sevenloops import backends, runtime, settings
from sevenloops.arrays import Array, compute_dtype
from sevenloops.conv.problem import ConvProblem, Direction, Epilogue
from sevenloops.conv.running import ends_channels_last, run
from sevenloops.conv.select import ConvPlan, select
from sevenloops.conv.tuning import tuned
from sevenloops.errors import UnsupportedGeometryError
from sevenloops.geometry import ConvGeometry
from sevenloops.memory import allocate

__all__ = ["bias_grad", "forward", "input_grad", "plan", "weight_grad"]


def plan(
    geometry: ConvGeometry,
    direction: Direction,
    dtype: np.dtype[Any],
    channels_last: bool,
    algorithm: str,
    max_workspace: int | None,
) -> ConvPlan:
    """Choose the algorithm of one pass for arrays of `dtype`.

    Raises
    ------
    UnsupportedGeometryError
        As `select`, and if no workspace is left beside the copies in another dtype.
    """
    wide = compute_dtype(dtype)
    if max_workspace is not None and wide != dtype:
        sizes = (geometry.x_shape, geometry.weight_shape, geometry.out_shape, (geometry.out_channels,))
        copies = sum(map(prod, sizes)) * wide.itemsize
        if copies > max_workspace:
            raise UnsupportedGeometryError(
                f"{dtype.name} is computed in {wide.name}, but the copies in {wide.name} take {copies:,} bytes and "
                f"max_workspace is {max_workspace:,} bytes; allow more, or use {wide.name} arrays."
            )
        max_workspace -= copies
    threads = runtime.get_num_threads()
    problem = ConvProblem(
        geometry, direction, wide, channels_last, threads, max_workspace, backends.usable(), settings.is_exact()
    )
    chosen = select(problem, algorithm)
    return tuned(chosen) if algorithm == "auto" and settings.is_autotuning() else chosen


def forward(x: Array, weight: Array, epilogue: Epilogue, chosen: ConvPlan) -> Array:
    """Convolve (N, C, *spatial) with (O, C/groups, *kernel), and do what the epilogue says."""
    problem = chosen.problem
    out = allocate(problem.geometry.out_shape, problem.dtype, ends_channels_last(chosen))
    if out.size:
        epilogue = _widened(epilogue, problem)
        run(chosen, "forward", _computable(x, problem), _computable(weight, problem), out, problem, epilogue)
        if chosen.backend == "numpy":
            epilogue.finish(out)
    return out.astype(x.dtype, copy=False)


def input_grad(grad_output: Array, weight: Array, chosen: ConvPlan, bias: Array | None = None) -> Array:
    """Return the gradient (N, C, *spatial) of the input; a transposed convolution adds its bias (C,) to that."""
    problem = chosen.problem
    out = allocate(problem.geometry.x_shape, problem.dtype, ends_channels_last(chosen))
    if out.size:
        run(chosen, "input_grad", _computable(grad_output, problem), _computable(weight, problem), out, problem)
        if bias is not None:
            Epilogue(_computable(bias, problem)).apply(out, 1)
    return out.astype(grad_output.dtype, copy=False)


def weight_grad(grad_output: Array, x: Array, chosen: ConvPlan, out: Array) -> Array:
    """Write the gradient of the weight to `out`, of shape (O, C/groups, *kernel) and any strides; return it."""
    problem = chosen.problem
    if x.size == 0:
        out[...] = 0
        return out
    result = out if out.dtype == problem.dtype else runtime.empty(out.shape, problem.dtype)
    run(chosen, "weight_grad", _computable(grad_output, problem), _computable(x, problem), result, problem)
    if result is not out:
        out[...] = result
    return out


def _widened(epilogue: Epilogue, problem: ConvProblem) -> Epilogue:
    parts = (epilogue.bias, epilogue.scale, epilogue.residual)
    if all(part is None or part.dtype == problem.dtype for part in parts):
        return epilogue
    bias, scale, residual = (None if part is None else _computable(part, problem) for part in parts)
    return Epilogue(bias, scale, residual, epilogue.activation)


def _computable(array: Array, problem: ConvProblem) -> Array:
    return array if array.dtype == problem.dtype else array.astype(problem.dtype)


def bias_grad(grad_output: Array) -> Array:
    """Return the gradient (O,) of the bias: the sum over images and positions."""
    gradient: Array = backends.find("conv/bias", "gradient")(grad_output)
    return gradient
