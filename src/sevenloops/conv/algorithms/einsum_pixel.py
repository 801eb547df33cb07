"""einsum-pixel: one einsum per output position, over the whole minibatch.

    y[:, :, i, j] = einsum("ncuv,ocuv->no", window at (i, j) of every image, w)

With ``optimize`` einsum may hand the contraction to BLAS; the path is found once, not at each position.
"""

from functools import partial
from math import prod
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.conv.column_product import padded_bytes
from sevenloops.conv.contraction import Subscripts, split_channels, split_weight
from sevenloops.conv.cost import Cost, calls, copy, einsum, gemm
from sevenloops.conv.indexing import at_last, at_window, window_index
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry
from sevenloops.strides import crop, padded, window_view

__all__ = ["ALGORITHM", "forward", "input_grad", "weight_grad"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue, *, optimize: bool) -> None:
    """Contract the windows at each position with the weight."""
    g = problem.geometry
    letters = Subscripts.of(g, positions=False).forward
    windows, w = _windows(x, g), split_weight(weight, g)
    target = split_channels(out, g)
    path = _path(letters, windows[at_window((0,) * g.axes, g)], w, optimize)
    for position in np.ndindex(g.output_size):
        window = windows[at_window(position, g)]
        target[at_last(position)] = np.einsum(letters, window, w, optimize=path)
    epilogue.apply(out, 1)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem, *, optimize: bool) -> None:
    """Contract the gradients at each position with the weight, and add the result to the windows there."""
    g = problem.geometry
    letters = Subscripts.of(g, positions=False).input_grad
    grads, w = split_channels(grad_output, g), split_weight(weight, g)
    total = np.zeros((g.batch, g.in_channels, *g.span), problem.dtype)
    target = split_channels(total, g)
    path = _path(letters, grads[at_last((0,) * g.axes)], w, optimize)
    for position in np.ndindex(g.output_size):
        target[window_index(position, g)] += np.einsum(letters, grads[at_last(position)], w, optimize=path)
    crop(total, out, g)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem, *, optimize: bool) -> None:
    """Contract the gradients at each position with the windows there, and add up over the positions."""
    g = problem.geometry
    letters = Subscripts.of(g, positions=False).weight_grad
    grads, windows = split_channels(grad_output, g), _windows(x, g)
    path = _path(letters, grads[at_last((0,) * g.axes)], windows[at_window((0,) * g.axes, g)], optimize)
    out[...] = 0
    target = split_weight(out, g)
    for position in np.ndindex(g.output_size):
        window = windows[at_window(position, g)]
        target += np.einsum(letters, grads[at_last(position)], window, optimize=path)


def _windows(x: Array, g: ConvGeometry) -> Array:
    """View (N, [groups,] C/groups, *output_size, *kernel_size)."""
    return window_view(split_channels(padded(x, g, channels_last=False), g), g)


def _path(letters: str, first: Array, second: Array, optimize: bool) -> Any:
    return np.einsum_path(letters, first, second, optimize="greedy")[0] if optimize else False


def cost(problem: ConvProblem) -> Cost:
    """One contraction per position: BLAS where there is one group, einsum's own loops where there are more."""
    g, size = problem.geometry, problem.itemsize
    depth = g.group_in * g.taps
    windows = g.batch * g.in_channels * g.taps
    if g.groups == 1:
        one = gemm(g.batch, g.out_channels, depth, size) + copy(windows, g.kernel_size[-1], size) + calls(25)
    else:
        one = einsum(g.flops / g.pixels, size) + calls(8)
    block = prod((g.batch, g.in_channels, *g.span)) * size if problem.direction == "input_grad" else 0
    results = g.batch * g.out_channels + 3 * windows + 2 * prod(g.weight_shape)
    return one.times(g.pixels).within(max(block, padded_bytes(g, size)) + results * size)


ALGORITHM = register(
    ConvAlgorithm(
        name="einsum-pixel",
        summary="one einsum per output position over the whole minibatch",
        forward=partial(forward, optimize=True),
        input_grad=partial(input_grad, optimize=True),
        weight_grad=partial(weight_grad, optimize=True),
        cost=cost,
    )
)
