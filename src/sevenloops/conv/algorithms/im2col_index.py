"""im2col-index: im2col by index arrays, col2im by np.add.at.

Index arrays say, for each element of the matrix, where in the padded input it comes from; NumPy gathers through them
and, for the gradient, adds through them. np.add.at takes every element one by one, since indices may repeat: this is
how im2col is usually taught, and why it is usually slow.
"""

from math import prod

import numpy as np

from sevenloops.arrays import Array
from sevenloops.conv.column_product import padded_bytes
from sevenloops.conv.cost import Cost, add_at, calls, gather, gemm
from sevenloops.conv.indexing import Index
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry
from sevenloops.strides import crop, padded

__all__ = ["ALGORITHM"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Gather the columns and multiply."""
    g = problem.geometry
    y = _matrix(weight, g) @ _columns(x, g)  # (N, groups, O/groups, P)
    out[...] = y.reshape(out.shape)
    epilogue.apply(out, 1)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Multiply by the transposed weights and add the columns where they were gathered."""
    g = problem.geometry
    cols = _matrix(weight, g).transpose(0, 2, 1) @ _outputs(grad_output, g)
    flat = np.zeros((g.batch, g.in_channels, prod(g.span)), problem.dtype)
    everywhere: Index = (slice(None), slice(None), _indices(g))
    np.add.at(flat, everywhere, cols.reshape(g.batch, g.in_channels, g.taps, g.pixels))
    crop(flat.reshape(g.batch, g.in_channels, *g.span), out, g)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Multiply the gradients by the gathered columns and add up over the images."""
    g = problem.geometry
    per_image = _outputs(grad_output, g) @ _columns(x, g).transpose(0, 1, 3, 2)
    out[...] = per_image.sum(axis=0).reshape(g.weight_shape)


def _indices(g: ConvGeometry) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    """Return, for each tap and output position, the index into a flattened padded image: (taps, P)."""
    taps = np.zeros((1,), np.intp)
    positions = np.zeros((1,), np.intp)
    for k, d, n, s, length in zip(g.kernel_size, g.dilation, g.output_size, g.stride, g.span):
        # The next axis is the faster one: what was counted so far moves by its length. A step that is ever taken is
        # shorter than the axis; min() keeps one that never is from overflowing.
        taps = (taps[:, None] * length + np.arange(k) * min(d, length)).reshape(-1)
        positions = (positions[:, None] * length + np.arange(n) * min(s, length)).reshape(-1)
    return taps[:, None] + positions


def _columns(x: Array, g: ConvGeometry) -> Array:
    """Gather the columns (N, groups, K, P)."""
    flat = padded(x, g, channels_last=False).reshape(g.batch, g.in_channels, -1)
    # Subscripts would gather into memory in the order of the indices, and reshaping would copy it all again.
    return flat.take(_indices(g), axis=2).reshape(g.batch, g.groups, -1, g.pixels)


def _outputs(grad_output: Array, g: ConvGeometry) -> Array:
    return grad_output.reshape(g.batch, g.groups, g.group_out, g.pixels)


def _matrix(weight: Array, g: ConvGeometry) -> Array:
    return weight.reshape(g.groups, g.group_out, -1)


def cost(problem: ConvProblem) -> Cost:
    """Element-wise gathering, or adding, around a matrix product."""
    g, size = problem.geometry, problem.itemsize
    windows = g.batch * g.in_channels * g.taps * g.pixels
    outputs = g.batch * g.out_channels * g.pixels
    indices = g.taps * g.pixels * np.dtype(np.intp).itemsize
    weights = prod(g.weight_shape)
    work = gemm(g.group_out, g.pixels, g.group_in * g.taps, size, count=g.groups * g.batch) + calls(20)
    held = windows * size + 3 * indices + (weights + outputs) * size
    if problem.direction == "input_grad":
        work += add_at(windows, size)
        held += prod((g.batch, g.in_channels, *g.span)) * size
    else:
        work += gather(windows, size)
        held += padded_bytes(g, size) + prod((g.batch, g.in_channels, *g.span)) * size
    if problem.direction == "weight_grad":
        held += (g.batch + 1) * weights * size
    return work.within(held)


ALGORITHM = register(
    ConvAlgorithm(
        name="im2col-index",
        summary="im2col by index arrays, col2im by np.add.at",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
    )
)
