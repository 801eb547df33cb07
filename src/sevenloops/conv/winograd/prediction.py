"""What Winograd's machine code takes and costs."""

from math import prod

from sevenloops.conv import registry
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import ConvProblem
from sevenloops.conv.winograd.blocks import LINE
from sevenloops.conv.winograd.layers import plan
from sevenloops.jit import target as jit_target

__all__ = ["cost", "refusal"]

# Of one thread, float32, in vectors of 64 bytes; fitted to the layers of ResNet-50 and VGG-16.
_FLOPS = 105e9  # products
_NUMBER_SECONDS = 2.8e-10  # transforming tiles: each number of a transformed one
_KERNEL_SECONDS = 2.8e-10  # the same of transformed kernels
_BANDWIDTH = 40e9
_CALL_SECONDS = 3e-5


def refusal(problem: ConvProblem) -> str | None:
    """Return why a problem is not for these kernels, or None."""
    reason = registry.get("winograd").refusal(problem)
    if reason is None and problem.geometry.axes != 2:
        reason = f"its machine code convolves over two axes, not {problem.geometry.axes}"
    return reason


def cost(problem: ConvProblem) -> Cost:
    """Return what a pass needs, with arrays that lie in memory as the problem says."""
    g, size, threads = problem.geometry, problem.itemsize, problem.threads
    gradient = problem.direction == "weight_grad"
    shapes = (g.out_shape, g.x_shape) if problem.direction == "input_grad" else (g.x_shape, g.out_shape)
    source, target = (_nominal((0, 2, 3, 1), shape) for shape in shapes)
    way = plan(problem, source, _nominal((0, 1, 2, 3), g.weight_shape), target)
    copied = 0 if problem.channels_last else prod(shapes[0]) + (prod(shapes[1]) if gradient else 0)
    # Each group by itself; channels are in whole vectors, and those of the result in panels of two.
    lanes = jit_target.current().vector_bytes // size
    tiles, terms, channels = (way.values[name] for name in ("tiles", "terms", "channels"))
    terms, channels = (-(-terms // lanes) + 1) * lanes, -(-channels // (2 * lanes)) * 2 * lanes
    flops = 2.0 * way.products * tiles * terms * channels * g.groups
    numbers = way.products * tiles * (way.read_terms * terms + way.read_channels * channels) * g.groups
    kernels = way.products * terms * channels * g.groups
    wide = jit_target.current().vector_bytes / 64 * 4 / size
    seconds = (flops / _FLOPS + numbers * _NUMBER_SECONDS + kernels * _KERNEL_SECONDS) / wide
    moved = float(size * (prod(g.x_shape) + prod(g.out_shape) + prod(g.weight_shape) + 2 * copied))
    # A plan for a gradient may have been made before there was a grad_output: its order is not known for sure.
    most_copied = 0 if problem.direction == "forward" else prod(g.out_shape)
    if not problem.channels_last and problem.direction != "input_grad":
        most_copied += prod(g.x_shape)
    space = way.floats * size + LINE + most_copied * size
    return Cost((seconds + moved / _BANDWIDTH) / threads + _CALL_SECONDS * g.groups, flops, moved, space)


def _nominal(order: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in elements, of an array of that shape whose axes lie in memory in that order."""
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)
