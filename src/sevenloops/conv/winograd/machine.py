"""Winograd's convolution in machine code: what it takes, and its three passes.

What it does not take it hands to the NumPy kernels: 1 and 3 axes, arrays whose channels are not adjacent in memory,
arrays of another byte order or not aligned.
"""

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv import registry
from sevenloops.conv.problem import ConvProblem, Epilogue, like
from sevenloops.conv.winograd.blocks import Layer, Side, prepare
from sevenloops.conv.winograd.prediction import cost, refusal
from sevenloops.jit import pool
from sevenloops.jit.ending import NOTHING, Ending
from sevenloops.jit.winograd.forward import ARGUMENTS

__all__ = ["cost", "forward", "input_grad", "refusal"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Convolve, as `sevenloops.conv.algorithms.winograd.forward` does."""
    g = problem.geometry
    if g.axes == 2 and _are_plain(x, out, weight):
        before = (g.padding[0][0], g.padding[1][0])
        scale, residual = epilogue.scale, epilogue.residual
        ending = Ending(scale is not None, residual is not None, epilogue.activation)
        layer = _layer(x[:, : g.group_in], weight[: g.group_out], out[:, : g.group_out], before, problem, ending)
        if _fits(layer, problem):
            bias = np.zeros(g.out_channels, problem.dtype) if epilogue.bias is None else epilogue.bias
            bias = np.ascontiguousarray(bias)
            factor = bias if scale is None else np.ascontiguousarray(scale)
            beside = out if residual is None else like(residual, out)
            for inputs, outputs in _groups(problem):
                parts = (bias[outputs], factor[outputs], beside[:, outputs])
                _run(layer, x[:, inputs], weight[outputs], out[:, outputs], *parts)
            return
    registry.kernel("winograd", "forward", "numpy")(x, weight, out, problem, epilogue)
    epilogue.finish(out)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Write the gradient of the input: a correlation of grad_output with flipped kernels, channels exchanged.

    What was padded by p positions is now padded by k - 1 - p, or if that is negative cut off.
    """
    g = problem.geometry
    if g.axes == 2 and _are_plain(grad_output, out, weight):
        before = (g.kernel_size[0] - 1 - g.padding[0][0], g.kernel_size[1] - 1 - g.padding[1][0])
        kernels = weight.swapaxes(0, 1)
        layer = _layer(
            grad_output[:, : g.group_out], kernels[:, : g.group_out], out[:, : g.group_in], before, problem
        )
        if _fits(layer, problem):
            bias = np.zeros(g.group_in, problem.dtype)
            for inputs, outputs in _groups(problem):
                _run(layer, grad_output[:, outputs], kernels[:, outputs], out[:, inputs], bias, bias, out)
            return
    registry.kernel("winograd", "input_grad", "numpy")(grad_output, weight, out, problem)


def _groups(problem: ConvProblem) -> Iterator[tuple[slice, slice]]:
    """Yield the input and the output channels of each group."""
    g = problem.geometry
    for group in range(g.groups):
        yield (
            slice(group * g.group_in, (group + 1) * g.group_in),
            slice(group * g.group_out, (group + 1) * g.group_out),
        )


def _layer(
    x: Array,
    weight: Array,
    out: Array,
    before: tuple[int, int],
    problem: ConvProblem,
    ending: Ending = NOTHING,
) -> Layer:
    """Describe the correlation of one group."""
    return Layer(
        images=x.shape[0],
        terms=x.shape[1],
        channels=out.shape[1],
        kernel=(weight.shape[2], weight.shape[3]),
        before=before,
        source=Side.of(x),
        target=Side.of(out),
        weights=_strides(weight),
        flipped=problem.direction == "input_grad",
        itemsize=problem.itemsize,
        threads=problem.threads,
        ending=ending,
    )


def _fits(layer: Layer, problem: ConvProblem) -> bool:
    bound = problem.max_workspace
    return bound is None or prepare(layer).floats * layer.itemsize <= bound


def _run(layer: Layer, x: Array, weight: Array, out: Array, bias: Array, scale: Array, residual: Array) -> None:
    blocks = prepare(layer)
    memory, start = _workspace(blocks.floats, x.dtype)
    shared = start + blocks.shared * layer.itemsize
    values = {
        **blocks.values,
        "x": _address(x),
        "w": _address(weight),
        "bias": _address(bias),
        "scale": _address(scale),
        "residual": _address(residual),
        "out": _address(out),
        "scratch": start,
        "u": shared,
        "v": shared,
    }
    args = ARGUMENTS.pack(values)
    for kernel, items, grain in blocks.steps:
        pool.run(kernel, ctypes.addressof(args), items, grain, layer.threads)
    del memory


def _are_plain(image: Array, other: Array, weight: Array) -> bool:
    """Return whether kernels can use these arrays: channels of the images adjacent, numbers aligned and native."""
    return all(
        array.dtype.isnative and array.flags.aligned and all(s % array.itemsize == 0 for s in array.strides)
        for array in (image, other, weight)
    ) and all(array.strides[1] == array.itemsize or array.shape[1] == 1 for array in (image, other))


def _strides(array: Array) -> tuple[int, ...]:
    return tuple(stride // array.itemsize for stride in array.strides)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _workspace(floats: int, dtype: np.dtype[Any]) -> tuple[Array, int]:
    """Allocate, and return what holds the memory and an address in it that is a multiple of 64."""
    memory = runtime.empty((floats + 64 // dtype.itemsize,), dtype)
    address = _address(memory)
    return memory, address + -address % 64
