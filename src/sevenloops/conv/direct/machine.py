"""direct on the backend "jit": the three passes on arrays, when they can be used, and what they cost.

No matrix is ever made of the windows: each register tile reads the inputs where they are, or from a strip of rows
that stays in the cache. Beyond the result there are the packed weights, a strip per thread, for the weight gradient
its sums, and a copy of grad_output where its channels are not adjacent.
"""

from math import prod

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.cost import Cost
from sevenloops.conv.direct.sources import input_grad_phases, layer_source
from sevenloops.conv.problem import ConvProblem, Epilogue, like
from sevenloops.jit import target
from sevenloops.jit.ending import Ending
from sevenloops.jit.planning import linear
from sevenloops.jit.planning.calls import CorrelateCall, MultiplyCall, address, in_floats
from sevenloops.jit.planning.depthwise import is_depthwise
from sevenloops.jit.repack import channels_last

__all__ = ["cost", "forward", "input_grad", "refusal", "weight_grad"]


def refusal(problem: ConvProblem) -> str | None:
    """Return why a problem cannot be computed, or None."""
    if problem.geometry.axes > 2:
        return f"it convolves over one or two axes, not {problem.geometry.axes}"
    return None


# Up to so many channels, inputs are read in whatever order they lie in: the taps of a row of the kernel make runs.
_FEW = 4

# --- the passes --------------------------------------------------------------------------------------------------


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Multiply by the packed weights, starting from the bias or ending with what else follows."""
    residual = epilogue.residual
    ending = Ending(epilogue.scale is not None, residual is not None, epilogue.activation)
    key = (x.strides, weight.strides, out.strides, ending)
    call = problem.prepared.get(key)
    if call is None:
        x, weight = _readable(x, problem), _addressable(weight)
        key = (x.strides, weight.strides, out.strides, ending)
        call = problem.prepared.get(key)
    if call is None:
        call = problem.prepared[key] = MultiplyCall(
            *layer_source(
                problem.geometry, in_floats(x), in_floats(weight), in_floats(out), problem.itemsize, problem.threads
            ),
            problem.dtype,
            ending,
        )
    if residual is None:
        call.run(address(x), weight, epilogue.bias, address(out), epilogue.scale)
        return
    residual = like(residual, out)
    call.run(address(x), weight, epilogue.bias, address(out), epilogue.scale, address(residual))


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Multiply grad_output by the weights turned around, phase by phase of the strides."""
    if problem.geometry.is_whole and weight.flags.c_contiguous:
        _single_window(grad_output, weight, out, problem)
        return
    key = (grad_output.strides, weight.strides, out.strides)
    calls = problem.prepared.get(key)
    if calls is None:
        grad_output, weight = _readable(grad_output, problem), _addressable(weight)
        key = (grad_output.strides, weight.strides, out.strides)
        calls = problem.prepared.get(key)
    if calls is None:
        strides = in_floats(out)
        phases = input_grad_phases(
            problem.geometry, in_floats(grad_output), in_floats(weight), strides, problem.itemsize, problem.threads
        )
        calls = problem.prepared[key] = [
            (
                None if source is None or places is None else MultiplyCall(source, places, problem.dtype),
                problem.itemsize * sum(f * s for f, s in zip(first, strides[2:])),
            )
            for source, places, first in phases
        ]
    if any(call is None for call, _ in calls):
        out[...] = 0
    x, start = address(grad_output), address(out)
    for call, first in calls:
        if call is not None:
            call.run(x, weight, None, start + first)


def _single_window(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Write the input gradient of a layer whose kernel is as large as its input: a product of two matrices.

    Every input is seen by one output position, so as a convolution of grad_output it would be mostly padding.
    """
    images = len(out)
    result = runtime.empty((images, out[0].size), problem.dtype)
    linear.input_grad(grad_output.reshape(images, -1), weight.reshape(len(weight), -1), result, problem.threads)
    out[...] = result.reshape(out.shape)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Add up the products of inputs and gradients, in slices of the pixels or parts of the channels."""
    key = (grad_output.strides, x.strides, out.strides)
    call = problem.prepared.get(key)
    if call is None:
        grad_output, x = channels_last(_addressable(grad_output)), _readable(x, problem)
        key = (grad_output.strides, x.strides, out.strides)
        call = problem.prepared.get(key)
    if call is None:
        call = problem.prepared[key] = CorrelateCall(
            *layer_source(
                problem.geometry,
                in_floats(x),
                in_floats(out),
                in_floats(grad_output),
                problem.itemsize,
                problem.threads,
            )
        )
    call.run(address(x), address(grad_output), address(out))


def _addressable(array: Array) -> Array:
    """Return an array whose elements are whole numbers of elements apart: itself, or a copy.

    Where they are aligned, which is so for arguments of the public functions, and there are several, they are.
    """
    if not any(size > 1 and stride % array.itemsize for size, stride in zip(array.shape, array.strides)):
        return array
    return array.copy(order="K")


def _readable(array: Array, problem: ConvProblem) -> Array:
    """Return the main input as kernels read it well: as it is, or where many channels come first a copy."""
    array = _addressable(array)
    return channels_last(array) if _is_turned(array.shape[1], problem) else array


def _is_turned(channels: int, problem: ConvProblem) -> bool:
    return channels > _FEW and not problem.channels_last


# --- the cost ----------------------------------------------------------------------------------------------------

_FLOPS = 100e9  # of one thread, float32, in vectors of 64 bytes
_BANDWIDTH = 40e9
_CALL_SECONDS = 1e-5


def cost(problem: ConvProblem) -> Cost:
    """Return what a pass needs, with arrays that lie in memory as the problem says."""
    g, size, threads = problem.geometry, problem.itemsize, problem.threads
    turned = _is_turned(g.out_channels if problem.direction == "input_grad" else g.in_channels, problem)
    x, out = (_nominal(shape, problem.channels_last or turned) for shape in (g.x_shape, g.out_shape))
    x_last, out_last = (_nominal(shape, True) for shape in (g.x_shape, g.out_shape))
    weight = _nominal(g.weight_shape, False)
    copied = prod(g.out_shape if problem.direction == "input_grad" else g.x_shape) * size if turned else 0
    if problem.direction == "forward":
        sources = [layer_source(g, x, weight, out_last, size, threads)[0]]
        space = max(map(MultiplyCall.workspace, sources))
    elif problem.direction == "input_grad":
        phases = input_grad_phases(g, out, weight, x_last, size, threads)
        sources = [phase.source for phase in phases if phase.source is not None]
        space = max(map(MultiplyCall.workspace, sources), default=0)
        if g.is_whole:
            product = linear.input_grad_workspace(g.batch, g.out_channels, prod(g.weight_shape[1:]), size, threads)
            space = max(space, prod(g.x_shape) * size + product)
            sources = [layer_source(g, x, weight, out_last, size, threads)[0]]  # which takes as long
    else:
        sources = [layer_source(g, x, weight, out_last, size, threads)[0]]
        space = max(map(CorrelateCall.workspace, sources))
    lanes = target.current().vector_bytes // size
    seconds = 0.0
    for s in sources:
        vector = 1 if is_depthwise(s) else lanes // 2  # half vectors at least, of a group's channels
        channels = -(-s.out_group // vector) * vector
        flops = 2 * s.images * s.rows.outputs * s.columns.outputs * s.terms * channels * s.groups
        seconds += flops / (_FLOPS * s.threads * lanes * size / 64) + _CALL_SECONDS
    moved = float(size * (prod(g.x_shape) + prod(g.out_shape)) + 2 * copied + 2 * space)
    if problem.direction == "forward":
        space += copied + g.out_channels * size  # a bias whose channels are not adjacent is copied
    elif problem.direction == "weight_grad":
        space += copied + (prod(g.out_shape) * size if g.out_channels > 1 else 0)
    elif g.out_channels > _FEW:
        # A plan for a gradient may have been made before there was a grad_output: its order is not known for sure.
        space += prod(g.out_shape) * size
    return Cost(seconds + moved / _BANDWIDTH, float(g.flops), moved, space)


def _nominal(shape: tuple[int, ...], last: bool) -> tuple[int, ...]:
    """Return the strides, in elements, of an array of that shape with its channels last or not."""
    order = [0, *range(2, len(shape)), 1] if last else range(len(shape))
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)
