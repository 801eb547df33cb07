"""loops-window: loops over image, filter and output position; NumPy multiplies and sums each window.

y[n, o, i, j] = Σ  w[o] · x[n, channels of o's group, window (i, j)]
"""

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np

from sevenloops.arrays import Array
from sevenloops.conv.column_product import padded_bytes
from sevenloops.conv.cost import Cost, calls, einsum, passes
from sevenloops.conv.indexing import Index, window_index
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry
from sevenloops.strides import crop, padded, window_view

__all__ = ["ALGORITHM"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Multiply each window by each filter and sum."""
    g = problem.geometry
    windows = window_view(padded(x, g, channels_last=False), g)
    for n, o, position in _places(g):
        window = windows[_index(n, _seen_by(o, g), position)]
        out[_index(n, o, position)] = np.sum(window * weight[o])
    epilogue.apply(out, 1)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Add each filter, times the output's gradient, to the window that it saw."""
    g = problem.geometry
    total = np.zeros((g.batch, g.in_channels, *g.span), problem.dtype)
    for n, o, position in _places(g):
        window = total[n, _seen_by(o, g)][window_index(position, g)]
        window += grad_output[_index(n, o, position)] * weight[o]
    crop(total, out, g)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Add each window, times the output's gradient, to the filter that saw it."""
    g = problem.geometry
    windows = window_view(padded(x, g, channels_last=False), g)
    out[...] = 0
    for n, o, position in _places(g):
        out[o] += grad_output[_index(n, o, position)] * windows[_index(n, _seen_by(o, g), position)]


def _places(g: ConvGeometry) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Yield every image, filter and output position."""
    return product(range(g.batch), range(g.out_channels), np.ndindex(g.output_size))


def _seen_by(o: int, g: ConvGeometry) -> slice:
    """Return the input channels of a filter's group."""
    first = o // g.group_out * g.group_in
    return slice(first, first + g.group_in)


def _index(image: int, channels: int | slice, position: tuple[int, ...]) -> Index:
    return (image, channels, *position)


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
