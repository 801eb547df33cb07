"""Running a convolution: the problem, the plan, the result's memory, the kernel.

Arrays here are canonical: channels first in shape, any strides, one float dtype, checked by their geometry.
"""

from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array, compute_dtype
from sevenloops.conv import registry
from sevenloops.conv.problem import ConvProblem, Direction, Epilogue
from sevenloops.conv.select import ConvPlan, select
from sevenloops.geometry import ConvGeometry

__all__ = ["bias_grad", "forward", "has_channels_last", "input_grad", "plan", "weight_grad"]


def has_channels_last(array: Array, otherwise: bool) -> bool:
    """Return whether the channels of an (N, C, *spatial) array are adjacent in memory, by its strides.

    Axes of length one say nothing; where the strides leave it open, as with one channel, the answer is `otherwise`.
    """
    steps = [abs(stride) for size, stride in zip(array.shape[2:], array.strides[2:]) if size > 1]
    step = abs(array.strides[1])
    if array.shape[1] == 1 or not steps or step == min(steps):
        return otherwise
    return step < min(steps)


def allocate(shape: tuple[int, ...], dtype: np.dtype[Any], channels_last: bool) -> Array:
    """Allocate an (N, C, *spatial) result whose memory has the channels last or first."""
    if not channels_last:
        return runtime.empty(shape, dtype)
    last = runtime.empty((shape[0], *shape[2:], shape[1]), dtype)
    return last.transpose(0, last.ndim - 1, *range(1, last.ndim - 1))


def plan(
    geometry: ConvGeometry,
    direction: Direction,
    dtype: np.dtype[Any],
    channels_last: bool,
    algorithm: str,
    max_workspace: int | None,
) -> ConvPlan:
    """Choose the algorithm of one pass for arrays of `dtype`."""
    problem = ConvProblem(
        geometry, direction, compute_dtype(dtype), channels_last, runtime.get_num_threads(), max_workspace
    )
    return select(problem, algorithm)


def forward(x: Array, weight: Array, bias: Array | None, chosen: ConvPlan) -> Array:
    """Convolve (N, C, *spatial) with (O, C/groups, *kernel) and add the bias (O,)."""
    problem = chosen.problem
    out = allocate(problem.geometry.out_shape, problem.dtype, problem.channels_last)
    if out.size:
        if bias is not None:
            bias = _computable(bias, problem)
        kernel = registry.kernel(chosen.algorithm, "forward")
        kernel(_computable(x, problem), _computable(weight, problem), out, problem, Epilogue(bias))
    return out.astype(x.dtype, copy=False)


def input_grad(grad_output: Array, weight: Array, chosen: ConvPlan) -> Array:
    """Return the gradient (N, C, *spatial) of the input."""
    problem = chosen.problem
    out = allocate(problem.geometry.x_shape, problem.dtype, problem.channels_last)
    if out.size:
        kernel = registry.kernel(chosen.algorithm, "input_grad")
        kernel(_computable(grad_output, problem), _computable(weight, problem), out, problem)
    return out.astype(grad_output.dtype, copy=False)


def weight_grad(grad_output: Array, x: Array, chosen: ConvPlan, out: Array) -> Array:
    """Write the gradient of the weight to `out`, of shape (O, C/groups, *kernel) and any strides; return it."""
    problem = chosen.problem
    if x.size == 0:
        out[...] = 0
        return out
    result = out if out.dtype == problem.dtype else np.empty_like(out, problem.dtype)
    kernel = registry.kernel(chosen.algorithm, "weight_grad")
    kernel(_computable(grad_output, problem), _computable(x, problem), result, problem)
    if result is not out:
        out[...] = result
    return out


def _computable(array: Array, problem: ConvProblem) -> Array:
    return array if array.dtype == problem.dtype else array.astype(problem.dtype)


def bias_grad(grad_output: Array) -> Array:
    """Return the gradient (O,) of the bias: the sum over images and positions."""
    wide = compute_dtype(grad_output.dtype)
    positions = tuple(range(2, grad_output.ndim))
    total: Array = grad_output.sum(axis=positions, dtype=wide).sum(axis=0)
    return total.astype(grad_output.dtype, copy=False)
