"""What Winograd's machine code takes and costs."""

from math import prod

from sevenloops.conv import registry
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import ConvProblem
from sevenloops.jit import target

__all__ = ["cost", "refusal"]

# Rates of one thread, and what it takes to begin.
_FLOPS = 95e9  # products, float32, vectors of 64 bytes
_BANDWIDTH = 40e9  # transforms
_CALL_SECONDS = 3e-5


def refusal(problem: ConvProblem) -> str | None:
    """Return why a problem is not for these kernels, or None."""
    reason = registry.get("winograd").refusal(problem)
    if reason is None and problem.geometry.axes != 2:
        reason = f"its machine code convolves over two axes, not {problem.geometry.axes}"
    if reason is None and problem.direction == "weight_grad":
        reason = "its machine code has no weight gradient"
    return reason


def cost(problem: ConvProblem) -> Cost:
    """Return what a pass needs."""
    g, size, threads = problem.geometry, problem.itemsize, problem.threads
    covered = g.input_size if problem.direction == "input_grad" else g.output_size
    m = [1 if r == 1 else 4 for r in g.kernel_size]
    tiles = g.batch * prod(-(-n // m_) for n, m_ in zip(covered, m))
    products = prod(m_ + r - 1 for m_, r in zip(m, g.kernel_size))
    # Each group by itself; channels are in whole vectors, and panels of two.
    lanes = target.current().vector_bytes // size
    inputs = (-(-g.group_in // lanes) + 1) * lanes
    outputs = -(-g.group_out // (2 * lanes)) * 2 * lanes
    weights = products * g.group_in * outputs * g.groups
    moved = float(size * (3 * tiles * products * (inputs + outputs) * g.groups + 3 * weights))
    flops = 2.0 * tiles * weights
    rate = _FLOPS * target.current().vector_bytes / 64 * 4 / size
    seconds = (flops / rate + moved / _BANDWIDTH) / threads + _CALL_SECONDS * g.groups
    # Transformed weights of whole panels, and of each thread tiles, their products and a panel.
    panel = -(-g.out_channels // 32) * 32
    space = products * (g.group_in + 16) * panel + threads * products * 64 * (g.group_in + 96)
    return Cost(seconds, flops, moved, space * size)
