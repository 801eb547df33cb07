"""loops: the seven loops, literally.

    y[n, o, i, j] = bias[o] + Σ_c Σ_u Σ_v  w[o, c, u, v] · x[n, c, i·s + u·d - p, j·s + v·d - p]

with x zero outside its borders. The gradients run the same seven loops and send the same products elsewhere.

A convolution over one axis is one over two, with rows of height one; a convolution over three axes is a sum of
convolutions over two, one for each pair of output depth and kernel depth. Elements are read through memoryviews,
which give Python floats (so products and window sums are in double precision) and allocate nothing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sevenloops.arrays import Array
from sevenloops.conv.cost import Cost, interpreted
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register
from sevenloops.geometry import ConvGeometry

__all__ = ["ALGORITHM"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Sum over the window of each output element."""
    out[...] = 0
    for plane in _planes(x, weight, out, problem.geometry):
        _forward(plane)
    epilogue.apply(out, 1)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Send each output gradient back to the inputs of its window."""
    out[...] = 0
    for plane in _planes(out, weight, grad_output, problem.geometry):
        _input_grad(plane)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Sum, for each weight, over the places where it was used."""
    out[...] = 0
    for plane in _planes(x, out, grad_output, problem.geometry):
        _weight_grad(plane)


class _Plane(NamedTuple):
    """A convolution over two axes: memoryviews x (N, C, H, W), weight (O, C/groups, kH, kW) and y (N, O, Ho, Wo)."""

    x: Any
    weight: Any
    y: Any
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    channels: tuple[range, ...]  # the input channels that output channel o sees


def _forward(plane: _Plane) -> None:
    x, weight, y, (s0, s1), (d0, d1), (p0, p1), channels = plane
    batch, out_channels, rows, columns = y.shape
    kernel_rows, kernel_columns = weight.shape[2:]
    height, width = x.shape[2:]
    for n in range(batch):
        for o in range(out_channels):
            for i in range(rows):
                for j in range(columns):
                    total = y[n, o, i, j]
                    for c, channel in enumerate(channels[o]):
                        for u in range(kernel_rows):
                            row = i * s0 + u * d0 - p0
                            if 0 <= row < height:
                                for v in range(kernel_columns):
                                    column = j * s1 + v * d1 - p1
                                    if 0 <= column < width:
                                        total += weight[o, c, u, v] * x[n, channel, row, column]
                    y[n, o, i, j] = total


def _input_grad(plane: _Plane) -> None:
    x, weight, y, (s0, s1), (d0, d1), (p0, p1), channels = plane
    batch, out_channels, rows, columns = y.shape
    kernel_rows, kernel_columns = weight.shape[2:]
    height, width = x.shape[2:]
    for n in range(batch):
        for o in range(out_channels):
            for i in range(rows):
                for j in range(columns):
                    gradient = y[n, o, i, j]
                    for c, channel in enumerate(channels[o]):
                        for u in range(kernel_rows):
                            row = i * s0 + u * d0 - p0
                            if 0 <= row < height:
                                for v in range(kernel_columns):
                                    column = j * s1 + v * d1 - p1
                                    if 0 <= column < width:
                                        x[n, channel, row, column] += weight[o, c, u, v] * gradient


def _weight_grad(plane: _Plane) -> None:
    x, weight, y, (s0, s1), (d0, d1), (p0, p1), channels = plane
    batch, out_channels, rows, columns = y.shape
    kernel_rows, kernel_columns = weight.shape[2:]
    height, width = x.shape[2:]
    for o in range(out_channels):
        for c, channel in enumerate(channels[o]):
            for u in range(kernel_rows):
                for v in range(kernel_columns):
                    total = weight[o, c, u, v]
                    for n in range(batch):
                        for i in range(rows):
                            row = i * s0 + u * d0 - p0
                            if 0 <= row < height:
                                for j in range(columns):
                                    column = j * s1 + v * d1 - p1
                                    if 0 <= column < width:
                                        total += y[n, o, i, j] * x[n, channel, row, column]
                    weight[o, c, u, v] = total


def _planes(x: Array, weight: Array, y: Array, geometry: ConvGeometry) -> Iterator[_Plane]:
    """Yield the convolutions over two axes whose sum is the whole; each adds to what it writes."""
    before = tuple(pad[0] for pad in geometry.padding)
    channels = tuple(
        range(o // geometry.group_out * geometry.group_in, (o // geometry.group_out + 1) * geometry.group_in)
        for o in range(geometry.out_channels)
    )
    if geometry.axes == 1:
        yield _Plane(
            *_views(x[:, :, None], weight[:, :, None], y[:, :, None]),
            (1, *geometry.stride),
            (1, *geometry.dilation),
            (0, *before),
            channels,
        )
        return
    if geometry.axes == 2:
        yield _Plane(*_views(x, weight, y), geometry.stride, geometry.dilation, before, channels)
        return
    (s, *stride), (d, *dilation), (p, *rest) = geometry.stride, geometry.dilation, before
    for i in range(geometry.output_size[0]):
        for u in range(geometry.kernel_size[0]):
            depth = i * s + u * d - p
            if 0 <= depth < geometry.input_size[0]:
                views = _views(x[:, :, depth], weight[:, :, u], y[:, :, i])
                yield _Plane(*views, tuple(stride), tuple(dilation), tuple(rest), channels)


def _views(x: Any, weight: Any, y: Any) -> tuple[Any, Any, Any]:
    return memoryview(x), memoryview(weight), memoryview(y)


def cost(problem: ConvProblem) -> Cost:
    """Every multiply-add is interpreted."""
    return interpreted(problem.geometry.flops)


ALGORITHM = register(
    ConvAlgorithm(
        name="loops",
        summary="the seven loops, literally",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
    )
)
