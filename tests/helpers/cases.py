"""Convolutions to test, generated from the definition: the windows are chosen first, the input's size follows.

Along each axis `out` windows, the stride, the kernel, the dilation, the padding and a remainder are chosen
independently. The last window ends at position ``(out - 1)·stride + (kernel - 1)·dilation`` of the padded axis, then
come fewer than `stride` positions that no window reaches: that is the axis, and its padding is part of it.

One generator serves Hypothesis (`conv_cases`) and seeded loops (`seeded_cases`): it asks for nothing but integers.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

__all__ = ["MEMORIES", "Case", "arranged", "conv_cases", "make_case", "seeded_cases", "snapshot"]

Integer = Callable[[int, int], int]  # (low, high) -> an integer from low to high, both included

#: How an array can lie in memory; `arranged` makes each.
MEMORIES = (
    "contiguous",
    "channels-last",
    "fortran",
    "sliced",
    "reversed",
    "inside",
    "read-only",
    "broadcast",
    "unaligned",
    "other byte order",
)


@dataclass(frozen=True)
class Case:
    """One convolution: sizes and parameters (one entry per spatial axis), and how its arrays lie in memory."""

    batch: int
    groups: int
    group_in: int
    group_out: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    out: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    has_bias: bool
    channels_last: bool  # the layout of the call, as the shapes say it
    memory: tuple[str, str, str]  # of x, the weight and the output's gradient
    seed: int

    @property
    def axes(self):
        return len(self.size)

    @property
    def layout(self):
        spatial = "DHW"[3 - self.axes :]
        return f"N{spatial}C" if self.channels_last else f"NC{spatial}"

    @property
    def x_shape(self):
        return (self.batch, self.groups * self.group_in, *self.size)

    @property
    def weight_shape(self):
        return (self.groups * self.group_out, self.group_in, *self.kernel)

    @property
    def out_shape(self):
        return (self.batch, self.groups * self.group_out, *self.out)

    @property
    def parameters(self):
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    def arrays(self, dtype):
        """Return x, weight, bias (or None) and the output's gradient, channels first in shape."""
        rng = np.random.default_rng(self.seed)
        shapes = (self.x_shape, self.weight_shape, self.out_shape)
        x, weight, grad = (
            arranged(rng.standard_normal(shape).astype(dtype), memory)
            for shape, memory in zip(shapes, self.memory, strict=True)
        )
        bias = rng.standard_normal(self.groups * self.group_out).astype(dtype) if self.has_bias else None
        return x, weight, bias, grad

    def contiguous(self):
        """The same convolution without peculiarities of memory and layout."""
        return replace(self, channels_last=False, memory=("contiguous",) * 3)


def make_case(integer: Integer, dense: bool = False) -> Case:
    """Generate a case from integers; smaller ones make simpler cases, so Hypothesis shrinks towards those.

    Dense ones are what Winograd and FFT are for: stride 1, no dilation, larger maps.
    """
    axes = (2, 1, 3)[integer(0, 2)]
    rows = [_axis(integer, axes, dense) for _ in range(axes)]
    size, kernel, out, stride, dilation, padding = (tuple(column) for column in zip(*rows, strict=True))
    batch = (1, 2, 1, 3, 2, 1, 3, 2, 0)[integer(0, 8)]
    grouping = integer(0, 4)
    if grouping == 4:  # depthwise, with a multiplier
        groups, group_in, group_out = integer(1, 5), 1, integer(1, 2)
    elif grouping == 3:
        groups, group_in, group_out = 2, integer(1, 3), integer(1, 3)
    else:
        groups, group_in, group_out = 1, integer(1, 4), integer(1, 4)
    return Case(
        batch=batch,
        groups=groups,
        group_in=group_in,
        group_out=group_out,
        size=size,
        kernel=kernel,
        out=out,
        stride=stride,
        dilation=dilation,
        padding=padding,
        has_bias=bool(integer(0, 1)),
        channels_last=bool(integer(0, 1)),
        memory=(_memory(integer), _memory(integer), _memory(integer)),
        seed=integer(0, 2**16),
    )


def _axis(integer, axes, dense):
    """Choose one axis: (size, kernel, out, stride, dilation, padding)."""
    if dense:
        kernel, stride, dilation = (3, 2, 1, 4, 5, 7)[integer(0, 5 if axes < 3 else 2)], 1, 1
        before, after = integer(0, kernel), integer(0, kernel)
        more = integer(0, 9 if axes < 3 else 3)
    else:
        kernel, stride, dilation = integer(1, 4 if axes < 3 else 3), integer(1, 4), integer(1, 3)
        reach = (kernel - 1) * dilation + 1
        limit = (0, kernel, reach + 2)[integer(0, 2)]  # none, some, more than the kernel covers
        before, after = integer(0, limit), integer(0, limit)
        more = integer(0, 3 if axes < 3 else 2)
    remainder = integer(0, stride - 1)
    out = 1 + more
    while True:  # more windows until the axis is longer than its padding
        size = (out - 1) * stride + (kernel - 1) * dilation + 1 + remainder - before - after
        if size >= 1:
            return size, kernel, out, stride, dilation, (before, after)
        out += 1


def _memory(integer):
    return MEMORIES[integer(0, len(MEMORIES) - 1)] if integer(0, 1) else MEMORIES[0]


@st.composite
def conv_cases(draw, dense=False):
    """Cases for Hypothesis."""
    return make_case(lambda low, high: draw(st.integers(low, high)), dense)


def seeded_cases(count: int, seed: int, dense: bool | None = None) -> Iterator[Case]:
    """Yield the same `count` cases on every machine; every fourth is dense unless `dense` says otherwise."""
    chooser = random.Random(seed)
    for number in range(count):
        yield make_case(chooser.randint, number % 4 == 3 if dense is None else dense)


def arranged(array, memory):
    """Return the numbers of `array` in other memory, with NaN in every element between and around them.

    "broadcast" repeats the first entry of the first axis, so there the numbers change.
    """
    if memory == "contiguous":
        return np.ascontiguousarray(array)
    if memory == "fortran":
        return np.asfortranarray(array)
    if memory == "channels-last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if memory == "read-only":
        array = np.ascontiguousarray(array)
        array.flags.writeable = False
        return array
    if memory == "broadcast":
        return np.broadcast_to(array[:1], array.shape) if len(array) else array
    if memory == "unaligned":
        raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        raw[...] = array
        return raw
    if memory == "other byte order":
        return array.astype(array.dtype.newbyteorder())
    steps = {"sliced": 2, "reversed": -1, "inside": 1}[memory]
    wide = np.full(tuple(abs(steps) * n + 4 for n in array.shape), np.nan, array.dtype)
    view = wide[tuple(slice(2, 2 + abs(steps) * n, abs(steps)) for n in array.shape)]
    if steps < 0:
        view = view[(slice(None, None, -1),) * array.ndim]
    view[...] = array
    return view


def snapshot(*arrays):
    """Return every byte of the memory that the arrays are part of, to compare before and after a call."""
    whole = []
    for array in arrays:
        if array is not None:
            while isinstance(array.base, np.ndarray):
                array = array.base
            whole.append(array.tobytes())
    return whole
