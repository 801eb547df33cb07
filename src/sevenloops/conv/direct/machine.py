"""direct on the backend "jit": the three passes on arrays, and when they can be used.

No matrix is ever made of the windows: each register tile reads the inputs where they are, or from a strip of rows that
stays in the cache. Beyond the result there are the packed weights, a strip per thread, for the weight gradient its
sums, and a copy of grad_output where its channels are not adjacent.
"""

import numpy as np

from sevenloops.arrays import Array
from sevenloops.conv.cost import Cost
from sevenloops.conv.direct import correlation, multiplication
from sevenloops.conv.direct.memory import Workspace, address, channels_adjacent, in_floats
from sevenloops.conv.direct.packing import Packing, WeightPlaces, packing, unpacking
from sevenloops.conv.direct.sources import input_grad_phases, layer_source
from sevenloops.conv.direct.view import Source
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.jit import correlate, multiply, pool, weights

__all__ = ["cost", "forward", "input_grad", "refusal", "weight_grad"]


def refusal(problem: ConvProblem) -> str | None:
    """Return why a problem cannot be computed, or None."""
    if problem.geometry.axes > 2:
        return f"it convolves over one or two axes, not {problem.geometry.axes}"
    return None


def cost(problem: ConvProblem) -> Cost:
    """Return what a pass needs."""
    g, size = problem.geometry, problem.itemsize
    elements = g.batch * (g.in_channels * np.prod(g.input_size) + g.out_channels * g.pixels)
    rate = 100e9 * 4 / size * problem.threads
    moved = float(elements * size)
    return Cost(seconds=g.flops / rate + moved / 20e9 + 2e-5, flops=g.flops, bytes=moved, workspace=0)


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Multiply by the packed weights, starting from the bias."""
    source, places = layer_source(
        problem.geometry, in_floats(x), in_floats(weight), in_floats(out), problem.itemsize, problem.threads
    )
    _multiply(source, places, x, address(x), weight, epilogue.bias, address(out))


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Multiply grad_output by the weights turned around, phase by phase of the strides."""
    g, strides = problem.geometry, in_floats(out)
    phases = input_grad_phases(
        g, in_floats(grad_output), in_floats(weight), strides, problem.itemsize, problem.threads
    )
    if any(phase.source is None for phase in phases):
        out[...] = 0
    for source, places, first in phases:
        if source is not None and places is not None:
            start = address(out) + problem.itemsize * sum(f * s for f, s in zip(first, strides[2:]))
            _multiply(source, places, grad_output, address(grad_output), weight, None, start)


def _multiply(
    source: Source, places: WeightPlaces, x: Array, x_address: int, weight: Array, bias: Array | None, out: int
) -> None:
    prepared = multiplication.prepare(source)
    start = np.zeros(source.out_channels, x.dtype) if bias is None else np.ascontiguousarray(bias)
    way = packing(source, prepared.order, prepared.tiling, places)
    packed, scratch = Workspace(way.floats, x.dtype), Workspace(prepared.scratch, x.dtype)
    _pack(way, weights.ARGUMENTS, packed.address, source=address(weight))
    arguments = multiply.ARGUMENTS.pack(
        {
            **prepared.values,
            "x": x_address + prepared.x_offset * source.itemsize,
            "w": packed.address,
            "start": address(start),
            "out": out,
            "residual": out,
            "scratch": scratch.address,
            "segments": address(prepared.segments),
            "terms": address(prepared.terms),
        }
    )
    pool.run(prepared.kernel, arguments, prepared.items, 1, source.threads)


def _pack(way: Packing, layout: weights.Layout, packed: int, **more: int) -> None:
    tables = {"packed": packed, "offsets": address(way.offsets), "places": address(way.places)}
    grain = max(1, -(-way.items // (4 * way.threads)))
    pool.run(way.kernel, layout.pack({**way.values, **tables, **more}), way.items, grain, way.threads)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Add up the products of inputs and gradients, in slices of the pixels or parts of the channels."""
    grad_output = channels_adjacent(grad_output)
    source, places = layer_source(
        problem.geometry, in_floats(x), in_floats(out), in_floats(grad_output), problem.itemsize, problem.threads
    )
    prepared = correlation.prepare(source)
    sums, scratch = Workspace(prepared.sums, x.dtype), Workspace(prepared.scratch, x.dtype)
    arguments = correlate.ARGUMENTS.pack(
        {
            **prepared.values,
            "x": address(x) + prepared.x_offset * source.itemsize,
            "grad": address(grad_output),
            "sums": sums.address,
            "scratch": scratch.address,
            "segments": address(prepared.segments),
        }
    )
    pool.run(prepared.kernel, arguments, prepared.items, 1, source.threads)
    way = unpacking(source, prepared.order, prepared.tiling, places)
    slices = {"slices": prepared.slices, "slice": prepared.values["sum_slice"]}
    _pack(way, weights.UNPACK, sums.address, target=address(out), **slices)
