"""loops-window: loops over image, filter and output position; NumPy multiplies and sums each window.

y[n, o, i, j] = Σ  w[o] · x[n, channels of o's group, window (i, j)]
"""

from collections.abc import Iterator
from math import prod

import numpy as np

from sevenloops.arrays import Array
from sevenloops.conv.column_product import padded_bytes
from sevenloops.conv.cost import Cost, calls, einsum, passes
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry
from sevenloops.strides import crop, padded, window_view

__all__ = ["ALGORITHM"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Multiply each window by each filter and sum."""
    g = problem.geometry
    windows = window_view(padded(x, g, channels_last=False), g)
    for n, o, channels, position in _places(g):
        out[(n, o, *position)] = np.sum(windows[(n, channels, *position)] * weight[o])
    epilogue.apply(out, 1)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Add each filter, times the output's gradient, to the window that it saw."""
    g = problem.geometry
    total = np.zeros((g.batch, g.in_channels, *g.span), problem.dtype)
    for n, o, channels, position in _places(g):
        window = (n, channels, *(slice(i * s, i * s + e, d) for i, s, e, d in _extents(position, g)))
        total[window] += grad_output[(n, o, *position)] * weight[o]
    crop(total, out, g)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Add each window, times the output's gradient, to the filter that saw it."""
    g = problem.geometry
    windows = window_view(padded(x, g, channels_last=False), g)
    out[...] = 0
    for n, o, channels, position in _places(g):
        out[o] += grad_output[(n, o, *position)] * windows[(n, channels, *position)]


def _places(g: ConvGeometry) -> Iterator[tuple[int, int, slice, tuple[int, ...]]]:
    """Yield image, filter, the input channels that the filter sees, and output position."""
    for n in range(g.batch):
        for o in range(g.out_channels):
            first = o // g.group_out * g.group_in
            for position in np.ndindex(g.output_size):
                yield n, o, slice(first, first + g.group_in), position


def _extents(position: tuple[int, ...], g: ConvGeometry) -> Iterator[tuple[int, int, int, int]]:
    return zip(position, g.stride, g.effective_kernel, g.dilation, strict=True)


def cost(problem: ConvProblem) -> Cost:
    """Five NumPy calls per output element, each on a window."""
    g, size = problem.geometry, problem.itemsize
    outputs = g.batch * g.out_channels * g.pixels
    block = prod((g.batch, g.in_channels, *g.span)) if problem.direction == "input_grad" else 0
    window = 2 * g.group_in * g.taps * size
    total = calls(5 * outputs) + einsum(g.flops, size) + passes(block, 2, size)
    return total.within(max(block * size, padded_bytes(g, size)) + window)


ALGORITHM = register(
    ConvAlgorithm(
        name="loops-window",
        summary="loops over image, filter, row and column; each window multiplied and summed by NumPy",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
    )
)
