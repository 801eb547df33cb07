"""offset-matmul: a sum of matrix products, one for each offset of the kernel, with shifted inputs.

    y += W[:, :, u, v] · x shifted by (u, v)          for every tap (u, v)

No matrix of windows exists: beyond the padded input only one shifted copy and one product. Where a group has a single
input channel the product is an outer product, and elementwise multiplication does it; this makes depthwise
convolution fast.
"""

from dataclasses import replace
from itertools import product
from math import ceil, prod
from typing import NamedTuple

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.column_product import padded_bytes
from sevenloops.conv.cost import Cost, calls, copy, gemm, passes
from sevenloops.conv.indexing import at_last, tap_index, taps
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry
from sevenloops.strides import crop, padded

__all__ = ["ALGORITHM"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Add up the products of all taps, a block of images and groups at a time."""
    matrices = _tap_matrices(weight, problem.geometry)

    def compute(block: _Block) -> None:
        part = block.geometry
        source = _grouped(padded(x[block.images, block.inputs], part, problem.channels_last), part)
        target = out[block.images, block.outputs]
        for number, tap in enumerate(taps(part)):
            term = _multiply(matrices[number, block.groups], source[tap_index(tap, part)])
            if number == 0:
                _grouped(target, part)[...] = term
            else:
                _grouped(target, part)[...] += term
            del term  # one product at a time
        epilogue.apply(target, 1, block.outputs)

    runtime.parallel(compute, _blocks(problem), problem.threads)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Add each tap's product, with the transposed weights, to the shifted input gradient."""
    matrices = _tap_matrices(weight, problem.geometry).transpose(0, 1, 3, 2)

    def compute(block: _Block) -> None:
        part = block.geometry
        total = _zeros((part.batch, part.in_channels, *part.span), problem)
        target = _grouped(total, part)
        grads = _grouped(grad_output[block.images, block.outputs], part)
        for number, tap in enumerate(taps(part)):
            target[tap_index(tap, part)] += _multiply(matrices[number, block.groups], grads)
        crop(total, out[block.images, block.inputs], part)

    runtime.parallel(compute, _blocks(problem), problem.threads)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Multiply the output gradients by the shifted inputs: each tap has a gradient of its own."""
    g = problem.geometry
    source = _grouped(padded(x, g, problem.channels_last), g)
    grads = _flat(_grouped(grad_output, g))
    target = out.reshape(g.groups, g.group_out, g.group_in, *g.kernel_size)

    def compute(tap: tuple[int, ...]) -> None:
        shifted = _flat(source[tap_index(tap, g)])
        target[at_last(tap)] = (grads @ shifted.transpose(0, 1, 3, 2)).sum(axis=0)

    runtime.parallel(compute, taps(g), problem.threads)


class _Block(NamedTuple):
    """Some images, and of these the channels of some groups."""

    geometry: ConvGeometry
    images: slice
    groups: slice
    inputs: slice
    outputs: slice


def _blocks(problem: ConvProblem) -> list[_Block]:
    """Cut the problem into blocks whose product stays in cache."""
    g = problem.geometry
    images, groups = _block_size(problem)
    blocks = []
    for n, k in product(range(0, g.batch, images), range(0, g.groups, groups)):
        image_part, group_part = slice(n, min(n + images, g.batch)), slice(k, min(k + groups, g.groups))
        inputs = slice(group_part.start * g.group_in, group_part.stop * g.group_in)
        outputs = slice(group_part.start * g.group_out, group_part.stop * g.group_out)
        part = replace(
            g,
            batch=image_part.stop - n,
            groups=group_part.stop - k,
            in_channels=inputs.stop - inputs.start,
            out_channels=outputs.stop - outputs.start,
        )
        blocks.append(_Block(part, image_part, group_part, inputs, outputs))
    return blocks


def _block_size(problem: ConvProblem) -> tuple[int, int]:
    """Return how many images and groups a block has."""
    g = problem.geometry
    fit = runtime.CACHE_BYTES // (max(g.group_in, g.group_out) * g.pixels * problem.itemsize)
    if fit < g.groups:
        return 1, max(1, fit)
    return max(1, min(fit // g.groups, ceil(g.batch / problem.threads))), g.groups


def _multiply(matrix: Array, operand: Array) -> Array:
    """Return (groups, A, B) times (N, groups, B, *positions)."""
    if matrix.shape[-1] == 1:
        return matrix.reshape(*matrix.shape[:2], *(1,) * (operand.ndim - 3)) * operand
    result = matrix @ _flat(operand)
    return result.reshape(*result.shape[:3], *operand.shape[3:])


def _flat(array: Array) -> Array:
    """Return (N, groups, channels, positions)."""
    return array.reshape(*array.shape[:3], -1)


def _grouped(array: Array, g: ConvGeometry) -> Array:
    """View (N, channels, …) as (N, groups, channels/groups, …)."""
    return array.reshape(array.shape[0], g.groups, -1, *array.shape[2:])


def _tap_matrices(weight: Array, g: ConvGeometry) -> Array:
    """Return the weight as (taps, groups, O/groups, C/groups): one matrix per tap and group."""
    return np.ascontiguousarray(weight.reshape(g.groups, g.group_out, g.group_in, g.taps).transpose(3, 0, 1, 2))


def _zeros(shape: tuple[int, ...], problem: ConvProblem) -> Array:
    if not problem.channels_last:
        return np.zeros(shape, problem.dtype)
    return np.zeros((shape[0], *shape[2:], shape[1]), problem.dtype).transpose(
        0, len(shape) - 1, *range(1, len(shape) - 1)
    )


def cost(problem: ConvProblem) -> Cost:
    """Per tap: a shifted copy, a product, and adding it up; one thread per block, or per tap for the weight."""
    g, size = problem.geometry, problem.itemsize
    images, groups = _block_size(problem)
    inputs, outputs = g.batch * g.in_channels * g.pixels, g.batch * g.out_channels * g.pixels
    run = g.output_size[-1] * (g.in_channels if problem.channels_last and g.stride[-1] == 1 else 1)
    weights = prod(g.weight_shape)
    if problem.direction == "weight_grad":
        tap = gemm(g.group_out, g.group_in, g.pixels, size, count=g.batch * g.groups) + copy(inputs, run, size)
        total = (tap + calls(8)).times(g.taps).over(min(problem.threads, g.taps))
        held = min(problem.threads, g.taps) * (inputs + (g.batch + 1) * weights // g.taps) + outputs
        return total.within(held * size + padded_bytes(g, size))
    blocks = ceil(g.batch / images) * ceil(g.groups / groups)
    threads = min(problem.threads, blocks)
    if problem.direction == "forward":
        multiplied, summed, elementwise = inputs, outputs, g.group_in == 1
        sides = (g.group_out, g.pixels, g.group_in)
    else:
        multiplied, summed, elementwise = outputs, inputs, g.group_out == 1
        sides = (g.group_in, g.pixels, g.group_out)
    if elementwise:
        tap = passes(summed, 2, size)
    else:
        tap = gemm(*sides, size, count=g.batch * g.groups) + copy(multiplied, run, size)
    tap += passes(summed, 2, size)
    total = (tap + calls(6 * blocks)).times(g.taps).over(threads)
    share = threads * images * groups / (g.batch * g.groups)
    spans = g.batch * g.in_channels * prod(g.span)
    resident = share * (multiplied + summed + spans) + 2 * weights
    return (total + passes(spans, 2, size)).within(ceil(resident * size))


ALGORITHM = register(
    ConvAlgorithm(
        name="offset-matmul",
        summary="a sum of kH·kW matrix products of shifted inputs",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
    )
)
