"""winograd on the backend "jit": the three passes on arrays, when they can be used, and what they cost.

Each pass is fused: tiles are read, transformed, multiplied, transformed back and written a block at a time, and what
lies between stays in a core's cache. Beyond the result there are the transformed weights or, where they are fewer,
the transformed tiles, a block per thread, for the weight gradient its sums; and copies of arrays whose channels are
not adjacent in memory.
"""

import ctypes

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.problem import ConvProblem, Epilogue, like
from sevenloops.conv.winograd.blocks import LINE, Blocks
from sevenloops.conv.winograd.layers import plan
from sevenloops.conv.winograd.prediction import cost, refusal
from sevenloops.jit import pool
from sevenloops.jit.ending import NOTHING, Ending
from sevenloops.jit.planning.calls import address, in_floats
from sevenloops.jit.repack import channels_last

__all__ = ["cost", "forward", "input_grad", "refusal", "weight_grad"]


# --- the passes --------------------------------------------------------------------------------------------------


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Transform tiles, multiply, transform back, do what the epilogue says."""
    g = problem.geometry
    ending = Ending(epilogue.scale is not None, epilogue.residual is not None, epilogue.activation)
    bias = np.zeros(g.out_channels, problem.dtype) if epilogue.bias is None else np.ascontiguousarray(epilogue.bias)
    scale = bias if epilogue.scale is None else np.ascontiguousarray(epilogue.scale)
    x, weight, result = _readable(x), _addressable(weight), _writable(out)
    residual = result if epilogue.residual is None else like(epilogue.residual, result)
    call = _call(problem, x, weight, result, ending)
    for group in range(g.groups):
        channel = group * g.group_out
        call.run(
            x=_channel(x, group * g.group_in),
            w=address(weight) + channel * weight.strides[0],
            scale=_channel(scale[None], channel),
            bias=_channel(bias[None], channel),
            residual=_channel(residual, channel),
            out=_channel(result, channel),
        )
    if result is not out:
        out[...] = result


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Do as forward does with grad_output and the weights turned around."""
    g = problem.geometry
    bias = np.zeros(g.group_in, problem.dtype)
    grad_output, weight, result = _readable(grad_output), _addressable(weight), _writable(out)
    call = _call(problem, grad_output, weight, result)
    for group in range(g.groups):
        call.run(
            x=_channel(grad_output, group * g.group_out),
            w=address(weight) + group * g.group_out * weight.strides[0],
            bias=address(bias),
            out=_channel(result, group * g.group_in),
        )
    if result is not out:
        out[...] = result


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Transform tiles of x and of grad_output, add up their products, transform the sums back."""
    g = problem.geometry
    grad_output, x = _readable(grad_output), _readable(x)
    result = out if _is_addressable(out) else runtime.empty(out.shape, out.dtype)
    call = _call(problem, x, result, grad_output)
    for group in range(g.groups):
        call.run(
            x=_channel(x, group * g.group_in),
            w=address(result) + group * g.group_out * result.strides[0],
            out=_channel(grad_output, group * g.group_out),
        )
    if result is not out:
        out[...] = result


class _Call:
    """The kernels of a pass, and their arguments but for the addresses of arrays."""

    def __init__(self, way: Blocks, problem: ConvProblem) -> None:
        self._steps, self._threads = way.steps, problem.threads
        self._places = way.layout.place
        self._arguments = way.layout.pack({**dict.fromkeys(way.layout.pointers, 0), **way.values})
        self._type = type(self._arguments)
        self._bytes, self._shared = way.floats * problem.itemsize, way.shared * problem.itemsize

    def run(self, **addresses: int) -> None:
        memory = runtime.empty(((self._bytes + LINE) // 8,), np.float64)
        start = address(memory)
        start += -start % LINE
        arguments = self._type.from_buffer_copy(self._arguments)
        addresses |= {"scratch": start, "shared": start + self._shared}
        for name, value in addresses.items():
            arguments[self._places[name]] = value
        for kernel, items, grain in self._steps:
            pool.run(kernel, ctypes.addressof(arguments), items, grain, self._threads)
        del memory


def _call(problem: ConvProblem, source: Array, weight: Array, target: Array, ending: Ending = NOTHING) -> _Call:
    """Return the call for arrays of these strides; `weight` is the result of the weight gradient."""
    key = ("winograd", source.strides, weight.strides, target.strides, ending)
    call: _Call | None = problem.prepared.get(key)
    if call is None:
        way = plan(problem, in_floats(source), in_floats(weight), in_floats(target), ending)
        call = problem.prepared[key] = _Call(way, problem)
    return call


# --- arrays ------------------------------------------------------------------------------------------------------


def _is_addressable(array: Array) -> bool:
    return array.flags.aligned and not any(stride % array.itemsize for stride in array.strides)


def _addressable(array: Array) -> Array:
    """Return an array whose elements are whole numbers of elements apart: itself, or a copy."""
    return array if _is_addressable(array) else array.copy(order="K")


def _has_channels_adjacent(array: Array) -> bool:
    return _is_addressable(array) and (array.strides[1] == array.itemsize or array.shape[1] == 1)


def _readable(array: Array) -> Array:
    """Return an (N, C, H, W) array whose channels are adjacent in memory: itself, or a copy."""
    return array if _has_channels_adjacent(array) else channels_last(_addressable(array))


def _writable(out: Array) -> Array:
    """Return an array for a result with its channels adjacent in memory: itself, or a new one."""
    if _has_channels_adjacent(out):
        return out
    n, c, h, w = out.shape
    return runtime.empty((n, h, w, c), out.dtype).transpose(0, 3, 1, 2)


def _channel(array: Array, channel: int) -> int:
    """Return the address of a channel; the channels are adjacent."""
    return address(array) + channel * array.itemsize
