"""einsum-windows: a strided view of all windows, six axes for an image, and one einsum.

    y = einsum("ncijuv,ocuv->noij", windows, w)

The view costs nothing. With ``optimize`` einsum lays it out for BLAS, which is im2col by another name; without, it
runs loops of its own and copies nothing.
"""

from functools import partial
from math import prod

import numpy as np

from sevenloops.arrays import Array
from sevenloops.conv.column_product import padded_bytes
from sevenloops.conv.contraction import Subscripts, split_channels, split_weight
from sevenloops.conv.cost import Cost, calls, copy, einsum, gemm, passes
from sevenloops.conv.indexing import at_last, tap_index, taps
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry
from sevenloops.strides import crop, padded, window_view

__all__ = ["ALGORITHM", "forward", "input_grad", "weight_grad"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue, *, optimize: bool) -> None:
    """Contract all windows with the weight."""
    g = problem.geometry
    letters = Subscripts.of(g, positions=True).forward
    np.einsum(letters, _windows(x, g), split_weight(weight, g), out=split_channels(out, g), optimize=optimize)
    epilogue.apply(out, 1)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem, *, optimize: bool) -> None:
    """Contract the gradients with the weight to one gradient per window element, and add those up.

    Windows overlap, so they cannot be written through the view that reads them; tap by tap they do not.
    """
    g = problem.geometry
    letters = Subscripts.of(g, positions=True).input_grad
    windows = np.einsum(letters, split_channels(grad_output, g), split_weight(weight, g), optimize=optimize)
    total = np.zeros((g.batch, g.in_channels, *g.span), problem.dtype)
    target = split_channels(total, g)
    for tap in taps(g):
        target[tap_index(tap, g)] += windows[at_last(tap)]
    crop(total, out, g)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem, *, optimize: bool) -> None:
    """Contract the gradients with all windows."""
    g = problem.geometry
    letters = Subscripts.of(g, positions=True).weight_grad
    np.einsum(letters, split_channels(grad_output, g), _windows(x, g), out=split_weight(out, g), optimize=optimize)


def _windows(x: Array, g: ConvGeometry) -> Array:
    """View (N, [groups,] C/groups, *output_size, *kernel_size)."""
    return window_view(split_channels(padded(x, g, channels_last=False), g), g)


def cost(problem: ConvProblem) -> Cost:
    """With one group a copy of the windows and a product, with more einsum's own loops."""
    g, size = problem.geometry, problem.itemsize
    windows = g.batch * g.in_channels * g.taps * g.pixels
    outputs = g.batch * g.out_channels * g.pixels
    rows, depth = g.batch * g.pixels, g.group_in * g.taps
    block = prod((g.batch, g.in_channels, *g.span)) if problem.direction == "input_grad" else 0
    if g.groups == 1:
        sides = (depth, rows) if problem.direction == "weight_grad" else (rows, depth)
        work = gemm(g.out_channels, *sides, size) + copy(windows, g.kernel_size[-1], size) + copy(outputs, 1, size)
    else:
        work = einsum(g.flops, size)
    # Some versions of NumPy lay out the operands for BLAS where there are groups too.
    held = 2 * windows + 2 * outputs + 2 * prod(g.weight_shape)
    total = work + passes(block * 2 + (windows if block else 0), 2, size) + calls(40)
    return total.within(block * size + padded_bytes(g, size) + held * size)


ALGORITHM = register(
    ConvAlgorithm(
        name="einsum-windows",
        summary="a strided view of all windows and one einsum",
        forward=partial(forward, optimize=True),
        input_grad=partial(input_grad, optimize=True),
        weight_grad=partial(weight_grad, optimize=True),
        cost=cost,
    )
)
