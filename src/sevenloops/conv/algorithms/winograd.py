"""winograd: F(m × m, r × r), a few products per tile of outputs instead of one per output and tap.

With the matrices of `sevenloops.conv.winograd.transforms` (each axis has its own), for a tile d of the input, a
kernel g and a tile Y of the output, here in two dimensions:

    forward       V = Bᵀ d B,   U = G g Gᵀ,   M = V · U,   Y = Aᵀ M A
    input_grad    M̄ = A dY Aᵀ,   V̄ = M̄ · Uᵀ,   dX = the sum over overlapping tiles of B V̄ Bᵀ
    weight_grad   Ū = Σ_tiles Vᵀ · M̄,   dg = Gᵀ Ū G

The gradients are the exact adjoints. For each element of a transformed tile the dot is one matrix product of
(tiles, channels) and (channels, channels): F(4 × 4, 3 × 3) makes 36 of them, with a quarter of the multiplications.
The price is rounding: see `sevenloops.conv.tolerance`.
"""

from itertools import product
from math import prod
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.cost import Cost
from sevenloops.conv.pieces import overlap, split, spread
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.conv.winograd.choice import make_plan, predict
from sevenloops.conv.winograd.maps import analyse, fold, synthesise
from sevenloops.conv.winograd.plan import WinogradPlan
from sevenloops.conv.winograd.tiling import Box, Scratch

__all__ = ["ALGORITHM"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Transform a box of tiles, multiply, transform back, add the bias."""
    plan = make_plan(problem)
    g, m = plan.geometry, plan.tiling.m
    workers = _scratches(plan)
    weights = _transformed_weights(weight, plan, workers)
    to_v, to_y = plan.matrices("input"), plan.matrices("output")

    def work(unit: tuple[Box, slice], scratch: Scratch) -> None:
        box, channels = unit
        images, tiles = box.counts[0], box.counts[1:]
        arrays = scratch.arrays(plan.shapes(box.counts, channels.stop - channels.start))
        pieces, inputs, outputs = _parts(arrays, plan.input_stages, g.axes)
        _read(x[box.images], pieces, _starts(box, m, g.padding))
        analyse(to_v, m, tiles, inputs)
        _multiply(inputs[-1], weights[..., channels], outputs[0], g.groups)
        y = synthesise(to_y, images, tiles, outputs, problem.channels_last)
        inside, place = overlap(_starts(box, m), y.shape[2:], g.output_size)
        block = out[box.images, channels][place]
        block[...] = y[inside]
        epilogue.apply(block, 1, channels)

    spread(work, plan.units, workers)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Run the adjoint box by box; boxes next to each other add to the same inputs, so they take turns."""
    plan = make_plan(problem)
    g, m = plan.geometry, plan.tiling.m
    workers = _scratches(plan)
    weights = _transformed_weights(weight, plan, workers)
    to_m, to_x = plan.matrices("output", transposed=True), plan.matrices("input", transposed=True)
    out[...] = 0

    def work(unit: tuple[Box, slice], scratch: Scratch) -> None:
        box, channels = unit
        images, tiles = box.counts[0], box.counts[1:]
        arrays = scratch.arrays(plan.shapes(box.counts, channels.stop - channels.start))
        pieces, inputs, sums = _parts(arrays, plan.grad_stages, g.axes)
        _read(grad_output[box.images], pieces, _starts(box, m))
        analyse(to_m, m, tiles, inputs)
        _multiply(inputs[-1], weights[..., channels], sums[0], g.groups)
        dx = fold(to_x, m, images, tiles, sums)
        inside, place = overlap(_starts(box, m, g.padding), dx.shape[2:], g.input_size)
        block = out[box.images, channels][place]
        block += dx[inside]

    for parity in product((0, 1), repeat=g.axes):
        spread(work, [unit for unit in plan.units if unit[0].parity == parity], workers)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Transform x and grad_output, sum the products over all tiles, and transform the sums back."""
    plan = make_plan(problem)
    g, m, dtype = plan.geometry, plan.tiling.m, problem.dtype
    workers = _scratches(plan)
    to_v, to_m = plan.matrices("input"), plan.matrices("output", transposed=True)
    products, count = plan.tiling.products, plan.round_tiles
    all_v = runtime.empty((products, count, g.in_channels), dtype)
    all_m = runtime.empty((products, count, g.out_channels), dtype)
    sums = runtime.empty((products, g.groups, g.group_out, g.group_in), dtype)
    step = plan.products_at_once
    addends = [runtime.empty((step, *sums.shape[1:]), dtype) for _ in workers] if len(plan.rounds) > 1 else workers

    def transform(unit: tuple[Box, slice], scratch: Scratch) -> None:
        box, place = unit
        tiles = box.counts[1:]
        arrays = scratch.arrays(plan.input_shapes(box.counts)[:-1])
        pieces, inputs, _ = _parts([*arrays, all_v[:, place]], plan.input_stages, g.axes)
        _read(x[box.images], pieces, _starts(box, m, g.padding))
        analyse(to_v, m, tiles, inputs)
        arrays = scratch.arrays(plan.grad_shapes(box.counts)[:-1])
        pieces, inputs, _ = _parts([*arrays, all_m[:, place]], plan.grad_stages, g.axes)
        _read(grad_output[box.images], pieces, _starts(box, m))
        analyse(to_m, m, tiles, inputs)

    def multiply(unit: tuple[slice, int, bool], addend: Any) -> None:
        some, used, first = unit
        target = sums[some] if first else addend[: some.stop - some.start]
        _multiply_transposed(all_m[some, :used], all_v[some, :used], target)
        if not first:
            sums[some] += target

    for boxes in plan.rounds:
        spread(transform, boxes, workers)
        used = boxes[-1][1].stop
        parts = split(products, -(-products // step))
        spread(multiply, [(part, used, boxes is plan.rounds[0]) for part in parts], addends)

    to_dw = plan.matrices("kernel", transposed=True)
    result = out.reshape(g.groups, g.group_out, g.group_in, *g.kernel_size)

    def finish(place: tuple[slice, slice], scratch: Scratch) -> None:
        some = sums[:, *place]
        chain = scratch.arrays(plan.weight_shapes(some[0].size))
        chain[0].reshape(some.shape)[...] = some
        dw = synthesise(to_dw, 1, (1,) * g.axes, chain, channels_last=True)
        result[place] = dw.reshape(*some.shape[1:], *g.kernel_size)

    spread(finish, plan.weight_ranges, workers)


# --- parts ----------------------------------------------------------------------------------------------------------


def _scratches(plan: WinogradPlan) -> list[Scratch]:
    return [Scratch(plan.scratch, plan.problem.dtype) for _ in range(plan.workers)]


def _transformed_weights(weight: Array, plan: WinogradPlan, workers: list[Scratch]) -> Array:
    """Return U as (products, groups, channels summed over, channels of the result)."""
    g = plan.geometry
    rows, columns = plan.weight_channels
    weights = runtime.empty((plan.tiling.products, g.groups, rows, columns), weight.dtype)
    to_u = plan.matrices("kernel")
    one = (1,) * g.axes
    taps = range(3, 3 + g.axes)
    channels = (2, 1) if plan.problem.direction == "forward" else (1, 2)
    # (*kernel, groups, rows, columns)
    kernels = weight.reshape(g.groups, g.group_out, g.group_in, *g.kernel_size).transpose(*taps, 0, *channels)

    def transform(place: tuple[slice, slice], scratch: Scratch) -> None:
        some = kernels[(..., *place, slice(None))]
        chain = scratch.arrays(plan.weight_shapes(some.size // g.taps))
        chain[0].reshape(some.shape)[...] = some
        analyse(to_u, one, one, [*chain, weights[:, *place]])

    spread(transform, plan.weight_ranges, workers)
    return weights


def _multiply(left: Array, weights: Array, out: Array, groups: int) -> None:
    """Write the products of transformed tiles and (products, groups, rows, columns) weights."""
    products, _, rows, columns = weights.shape
    left = left.reshape(products, -1, groups, rows)
    out = out.reshape(products, -1, groups, columns)
    if rows == 1:  # matmul would not call BLAS
        np.multiply(left, weights[:, None, :, 0], out=out)
    else:
        np.matmul(left.transpose(0, 2, 1, 3), weights, out=out.transpose(0, 2, 1, 3))


def _multiply_transposed(grads: Array, v: Array, out: Array) -> None:
    """Write the sums over tiles of the products of (products, tiles, channels) arrays."""
    products, groups, rows, columns = out.shape
    grads = grads.reshape(products, -1, groups, rows)
    v = v.reshape(products, -1, groups, columns)
    if rows == columns == 1:
        np.einsum("ptgc,ptgc->pg", grads, v, out=out[..., 0, 0])
    else:
        np.matmul(grads.transpose(0, 2, 3, 1), v.transpose(0, 2, 1, 3), out=out)


def _parts(arrays: list[Array], stages: int, axes: int) -> tuple[list[Array], list[Array], list[Array]]:
    """Cut a chain: what is read into, what is analysed (the last piece on), what comes of the product."""
    end = stages + axes + 1
    return arrays[: stages + 1], arrays[stages:end], arrays[end:]


def _read(array: Array, pieces: list[Array], starts: list[int]) -> None:
    """Copy a piece of (images, C, *size), with zeros around the array.

    The last piece is (images, *positions, C); another before it, (images, C, positions or more), is copied through.
    """
    *stages, piece = pieces
    channels_first = piece.transpose(0, -1, *range(1, piece.ndim - 1))
    target = channels_first
    if stages:
        target = stages[0][..., : prod(channels_first.shape[2:])].reshape(channels_first.shape)
    inside, place = overlap(starts, target.shape[2:], array.shape[2:])
    filled = target[inside]
    if filled.shape != target.shape:
        target[...] = 0
    filled[...] = array[place]
    if stages:
        channels_first[...] = target


def _starts(box: Box, m: tuple[int, ...], padding: Any = None) -> list[int]:
    """Return where a box begins in the output, or with padding in the input."""
    starts = [tiles.start * step for tiles, step in zip(box.tiles, m)]
    return [start - before for start, (before, _) in zip(starts, padding)] if padding else starts


# --- registration ---------------------------------------------------------------------------------------------------

_LARGEST_KERNEL = 5


def refusal(problem: ConvProblem) -> str | None:
    """Windows must be next to each other, and small: the rounding error grows with the size of the tile."""
    g = problem.geometry
    # A stride with one window and a dilation with one tap have no effect.
    if any(s > 1 and out > 1 for s, out in zip(g.stride, g.output_size)):
        return f"its tiles need stride 1, but the stride is {g.stride}"
    if any(d > 1 and k > 1 for d, k in zip(g.dilation, g.kernel_size)):
        return f"its tiles need dilation 1, but the dilation is {g.dilation}"
    if max(g.kernel_size) > _LARGEST_KERNEL or max(g.kernel_size) == 1:
        return f"it is for kernels of 2 to {_LARGEST_KERNEL} taps along an axis, but kernel_size is {g.kernel_size}"
    return None


def cost(problem: ConvProblem) -> Cost:
    """The cost of the tiles and boxes that are predicted to be fastest."""
    return predict(make_plan(problem))


ALGORITHM = register(
    ConvAlgorithm(
        name="winograd",
        summary="tiles transformed so that few products remain",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
        refusal=refusal,
        rounds_more=True,
        machine="sevenloops.conv.winograd.machine",
    )
)
