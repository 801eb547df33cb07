"""im2col-lazy: im2col in strips that fit the cache, on all threads; the whole matrix never exists.

A strip, some images or some output rows of one image, is a convolution itself (`ConvGeometry.strip`), so im2col does
the work. Each strip of the output is written by one thread. In the input gradient strips of one image overlap, so a
thread owns whole images (or, with few images, channels of them); in the weight gradient each thread has a sum of its
own. How the work is divided depends on the problem only, and sums are taken in a fixed order: equal calls give equal
bits.
"""

from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import ceil, prod
from typing import NamedTuple

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.column_cost import matrix_bytes, strip_cost
from sevenloops.conv.column_product import form_of
from sevenloops.conv.cost import Cost, calls
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry

__all__ = ["ALGORITHM"]

#: Bytes of the columns of a strip, unless the weights are larger: then reading them for each strip costs more.
STRIP_BYTES = 1024 * 1024

#: Predicted seconds from which a second thread gains more than waking it costs.
WORTH_A_THREAD = 4e-4


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Compute strip by strip, each finished while it is in cache."""
    form, g, blocks = form_of(problem), problem.geometry, blocks_of(problem)
    matrix = form.matrix(weight, g)

    def compute(strip: tuple[slice, slice]) -> None:
        images, rows = strip
        part, inputs = g.strip(images, rows)
        block = out[images, :, rows]
        form.forward(x[images, :, inputs], matrix, block, part)
        epilogue.apply(block, 1)

    runtime.parallel(compute, _strips(problem, blocks), blocks.at_once)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Send the gradients of each strip back; a thread owns what it adds to."""
    form, g, blocks = form_of(problem), problem.geometry, blocks_of(problem)
    shares = _channel_shares(g, ceil(blocks.at_once / ceil(g.batch / blocks.images)))
    matrices = [form.matrix(weight[share.outputs, share.group_inputs], share.geometry) for share in shares]

    def compute(owned: tuple[slice, int]) -> None:
        images, number = owned
        share = shares[number]
        target = out[images, share.inputs]
        target[...] = 0
        for rows in _pieces(g.output_size[0], blocks.rows):
            part, inputs = share.geometry.strip(images, rows)
            form.input_grad(grad_output[images, share.outputs, rows], matrices[number], target[:, :, inputs], part)

    owners = product(_pieces(g.batch, blocks.images), range(len(shares)))
    runtime.parallel(compute, owners, blocks.at_once)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Sum over the strips: each thread its share, then the shares."""
    form, g, blocks = form_of(problem), problem.geometry, blocks_of(problem)
    strips = _strips(problem, blocks)
    shares = [strips[piece] for piece in _pieces(len(strips), ceil(len(strips) / blocks.at_once))]
    sums: list[Array] = [out] * len(shares)

    def compute(number: int) -> None:
        total = None
        for images, rows in shares[number]:
            part, inputs = g.strip(images, rows)
            term = form.weight_grad(grad_output[images, :, rows], x[images, :, inputs], part)
            total = term if total is None else np.add(total, term, out=total)
        if total is not None:
            sums[number] = total

    runtime.parallel(compute, range(len(shares)), blocks.at_once)
    out[...] = sums[0]
    for total in sums[1:]:
        out += total


class Blocks(NamedTuple):
    """How a problem is cut: images and first-axis output positions of a strip, and strips computed at once."""

    images: int
    rows: int
    at_once: int


@lru_cache(maxsize=4096)
def blocks_of(problem: ConvProblem) -> Blocks:
    """Cut a problem into strips for the cache and the threads, smaller ones if the workspace is bounded."""
    g = problem.geometry
    threads = problem.threads if strip_cost(problem).seconds > WORTH_A_THREAD else 1
    row_bytes = g.in_channels * g.taps * (g.pixels // g.output_size[0]) * problem.itemsize
    weight_bytes = prod(g.weight_shape) * problem.itemsize
    fit = max(1, max(STRIP_BYTES, min(weight_bytes, 4 * STRIP_BYTES)) // row_bytes)
    images = _even(g.batch, max(1, min(fit // g.output_size[0], ceil(g.batch / threads))))
    rows = _even(g.output_size[0], min(fit, g.output_size[0]))
    if g.batch < threads and problem.direction != "input_grad":
        rows = _even(g.output_size[0], min(rows, ceil(g.output_size[0] * g.batch / threads)))
    blocks = Blocks(images, rows, threads)
    bound = problem.max_workspace
    while bound is not None and workspace(problem, blocks) > bound and blocks != (1, 1, 1):
        if blocks.images > 1:
            blocks = blocks._replace(images=_even(g.batch, blocks.images - 1))
        elif blocks.rows > 1:
            blocks = blocks._replace(rows=_even(g.output_size[0], blocks.rows - 1))
        else:
            blocks = blocks._replace(at_once=blocks.at_once - 1)
    return blocks


def workspace(problem: ConvProblem, blocks: Blocks) -> int:
    """Return the bytes that a way of cutting allocates beyond the result."""
    at_once = min(blocks.at_once, _strip_count(problem, blocks))
    total = at_once * strip_cost(_first_strip(problem, blocks)).workspace + matrix_bytes(problem)
    if problem.direction == "weight_grad":
        total += at_once * prod(problem.geometry.weight_shape) * problem.itemsize
    return total


def cost(problem: ConvProblem) -> Cost:
    """The first strip's, as often as there are strips, on the threads; and cutting the work up."""
    blocks = blocks_of(problem)
    count = _strip_count(problem, blocks)
    jobs = max(count, blocks.at_once) if problem.direction == "input_grad" else count  # there channels are shared too
    threads = min(blocks.at_once, jobs) if runtime.blas_is_held() else 1
    total = strip_cost(_first_strip(problem, blocks)).times(count).over(threads) + calls(10)
    return total.within(workspace(problem, blocks))


class _Share(NamedTuple):
    """The input channels that one thread owns, and what they depend on."""

    geometry: ConvGeometry
    inputs: slice
    group_inputs: slice
    outputs: slice


def _channel_shares(g: ConvGeometry, count: int) -> list[_Share]:
    """Split the input channels: by whole groups, or within the only one."""
    if g.groups == 1:
        return [
            _Share(replace(g, in_channels=piece.stop - piece.start), piece, piece, slice(0, g.out_channels))
            for piece in _pieces(g.in_channels, ceil(g.in_channels / count))
        ]
    shares = []
    for piece in _pieces(g.groups, ceil(g.groups / count)):
        inputs = slice(piece.start * g.group_in, piece.stop * g.group_in)
        outputs = slice(piece.start * g.group_out, piece.stop * g.group_out)
        part = replace(
            g,
            groups=piece.stop - piece.start,
            in_channels=inputs.stop - inputs.start,
            out_channels=outputs.stop - outputs.start,
        )
        shares.append(_Share(part, inputs, slice(0, g.group_in), outputs))
    return shares


def _pieces(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _strips(problem: ConvProblem, blocks: Blocks) -> list[tuple[slice, slice]]:
    g = problem.geometry
    return list(product(_pieces(g.batch, blocks.images), _pieces(g.output_size[0], blocks.rows)))


def _strip_count(problem: ConvProblem, blocks: Blocks) -> int:
    g = problem.geometry
    return ceil(g.batch / blocks.images) * ceil(g.output_size[0] / blocks.rows)


def _first_strip(problem: ConvProblem, blocks: Blocks) -> ConvProblem:
    part, _ = problem.geometry.strip(slice(0, blocks.images), slice(0, blocks.rows))
    return replace(problem, geometry=part)


def _even(length: int, at_most: int) -> int:
    """Return the size of the fewest, about equal pieces of at most that size."""
    return ceil(length / ceil(length / at_most))


ALGORITHM = register(
    ConvAlgorithm(
        name="im2col-lazy",
        summary="im2col in strips that fit the cache, on all threads; never the whole matrix",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
    )
)
