"""From the geometry of a layer and the strides of its arrays to the sources of its three passes."""

from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

from sevenloops.geometry import ConvGeometry
from sevenloops.jit.planning.packing import WeightPlaces
from sevenloops.jit.planning.view import Axis, Source, worth_threads

__all__ = ["Phase", "input_grad_phases", "layer_source"]

_ONE = Axis(1, 1, 1, (0,), 0, 0)


@lru_cache(maxsize=1024)
def layer_source(
    g: ConvGeometry, x: tuple[int, ...], weight: tuple[int, ...], out: tuple[int, ...], itemsize: int, threads: int
) -> tuple[Source, WeightPlaces]:
    """Return the source of a layer's forward pass and weight gradient; x, weight and out are strides in floats."""
    axes = [
        Axis(outputs, inputs, stride, tuple(t * dilation - before for t in range(kernel)), xs, outs)
        for outputs, inputs, stride, dilation, (before, _), kernel, xs, outs in zip(
            g.output_size, g.input_size, g.stride, g.dilation, g.padding, g.kernel_size, x[2:], out[2:]
        )
    ]
    rows, columns = (_ONE, *axes)[-2:]
    threads = worth_threads(g.flops // 2, threads)
    taps = [
        range(0, kernel * stride, stride) if stride else [0] * kernel
        for kernel, stride in zip(g.kernel_size, weight[2:])
    ]
    source = Source(
        g.batch, g.in_channels, g.out_channels, g.groups, rows, columns, x[0], x[1], out[0], itemsize, threads
    )
    return source, WeightPlaces(weight[0], weight[1], weight[0] * g.group_out, tuple(map(sum, product(*taps))))


class Phase(NamedTuple):
    """Those positions of an input gradient that see the same taps: their source, and where the first of them is.

    A source of None stands for positions that see none, where the gradient is zero.
    """

    source: Source | None
    weight: WeightPlaces | None
    first: tuple[int, ...]


@lru_cache(maxsize=1024)
def input_grad_phases(
    g: ConvGeometry, grad: tuple[int, ...], weight: tuple[int, ...], out: tuple[int, ...], itemsize: int, threads: int
) -> tuple[Phase, ...]:
    """Return the phases of a layer's input gradient; grad, weight and out are strides in floats.

    Input position i = f + s·q gets weight[t] · grad_output[j] for the taps t with i + p - t·d = s·j. So the positions
    of one phase f form a convolution of grad_output of stride 1 with every s-th tap or so, at j = q + (f + p -
    t·d)/s.
    """
    threads = worth_threads(g.flops // 2 // prod(g.stride), threads)
    along = []
    for inputs, outputs, s, d, (before, _), kernel, gs, ws, outs in zip(
        g.input_size, g.output_size, g.stride, g.dilation, g.padding, g.kernel_size, grad[2:], weight[2:], out[2:]
    ):
        phases = []
        for f in range(min(s, inputs)):
            taps = [t for t in reversed(range(kernel)) if (f + before - t * d) % s == 0]
            offsets = tuple((f + before - t * d) // s for t in taps)
            axis = Axis((inputs - f - 1) // s + 1, outputs, 1, offsets, gs, s * outs) if taps else None
            phases.append((f, axis, [t * ws for t in taps]))
        along.append(phases)
    result = []
    for parts in product(*along):
        first = tuple(f for f, _, _ in parts)
        axes = [axis for _, axis, _ in parts if axis is not None]
        if len(axes) < len(parts):
            result.append(Phase(None, None, first))
            continue
        rows, columns = (_ONE, *axes)[-2:]
        source = Source(
            g.batch,
            g.out_channels,
            g.in_channels,
            g.groups,
            rows,
            columns,
            grad[0],
            grad[1],
            out[0],
            itemsize,
            threads,
        )
        places = tuple(map(sum, product(*(along_axis for _, _, along_axis in parts))))
        result.append(Phase(source, WeightPlaces(weight[1], weight[0], weight[0] * g.group_out, places), first))
    return tuple(result)
