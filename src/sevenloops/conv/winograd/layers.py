"""A pass as what Winograd's machine code does: a correlation of stride 1, or the gradient of its weights."""

from sevenloops.conv.problem import ConvProblem
from sevenloops.conv.winograd import blocks
from sevenloops.conv.winograd.blocks import Blocks, Layer, Side
from sevenloops.jit.ending import NOTHING, Ending

__all__ = ["plan"]


def plan(
    problem: ConvProblem,
    source: tuple[int, ...],
    weight: tuple[int, ...],
    target: tuple[int, ...],
    ending: Ending = NOTHING,
) -> Blocks:
    """Cut a group of a pass into blocks.

    Parameters
    ----------
    problem : ConvProblem
    source, weight, target : tuple of int
        Strides in floats: of x or, for the input gradient, grad_output; of the weight or its gradient; of the result
        or, for the weight gradient, grad_output.
    ending : Ending
    """
    g = problem.geometry
    terms, channels, before = g.group_in, g.group_out, tuple(low for low, _ in g.padding)
    sizes = (g.input_size, g.output_size)
    flipped = problem.direction == "input_grad"
    if flipped:
        # A correlation of grad_output with flipped kernels, whose channels are exchanged. What was padded by p
        # positions is now padded by k - 1 - p, or if that is negative cut off.
        terms, channels, sizes = channels, terms, sizes[::-1]
        weight = (weight[1], weight[0], *weight[2:])
        before = tuple(k - 1 - low for k, low in zip(g.kernel_size, before))
    layer = Layer(
        images=g.batch,
        terms=terms,
        channels=channels,
        kernel=(g.kernel_size[0], g.kernel_size[1]),
        before=(before[0], before[1]),
        source=Side.of(sizes[0], source),
        target=Side.of(sizes[1], target),
        weights=weight,
        flipped=flipped,
        itemsize=problem.itemsize,
        threads=problem.threads,
        ending=ending,
    )
    return blocks.prepare_gradient(layer) if problem.direction == "weight_grad" else blocks.prepare(layer)
