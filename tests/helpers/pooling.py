"""Poolings to test, generated from the definition, and the oracle: loops over windows that are lists of positions.

A case chooses along each axis the windows first: how many, their kernel, stride, dilation and padding; the size
of the input follows. With `ceil_mode` the last window may lack up to ``stride - 1`` positions, else as many are left
over.
"""

import math
import random
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import strategies as st

from tests.helpers.cases import MEMORIES, arranged

__all__ = [
    "AdaptiveCase",
    "PoolCase",
    "adaptive_cases",
    "average",
    "average_grad",
    "maximum",
    "maximum_grad",
    "pool_cases",
    "seeded_adaptive_cases",
    "seeded_pool_cases",
]


@dataclass(frozen=True)
class Window:
    """One window along one axis."""

    inside: tuple[int, ...]  # its positions in the input
    counted: int  # how many of its positions are in the input or in the padding


@dataclass(frozen=True)
class _Case:
    batch: int
    channels: int
    size: tuple[int, ...]
    channels_last: bool  # the layout of the call
    memory: tuple[str, str]  # of x and of the output's gradient
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
        return (self.batch, self.channels, *self.size)

    @property
    def out_shape(self):
        return (self.batch, self.channels, *map(len, self.windows))

    def x(self, dtype=np.float64):
        """Numbers that hardly repeat, all of them negative, in the case's memory."""
        values = -1 - np.random.default_rng(self.seed).random(self.x_shape)
        return arranged(values.astype(dtype), self.memory[0])

    def awkward_x(self):
        """Few different numbers, -inf, NaN and both zeros among them."""
        few = np.array([-math.inf, -2.0, -1.0, -0.0, 0.0, 1.0, math.inf, math.nan])
        weights = np.array([4, 4, 4, 1, 1, 4, 1, 1]) / 20
        return arranged(np.random.default_rng(self.seed).choice(few, self.x_shape, p=weights), self.memory[0])

    def grad(self, dtype=np.float64):
        values = np.random.default_rng(self.seed + 1).standard_normal(self.out_shape)
        return arranged(values.astype(dtype), self.memory[1])


@dataclass(frozen=True)
class PoolCase(_Case):
    """One pooling with windows of one size; one entry per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    ceil_mode: bool

    @property
    def windows(self):
        return tuple(
            _windows(*axis, self.ceil_mode)
            for axis in zip(self.size, self.kernel, self.stride, self.dilation, self.padding, strict=True)
        )

    @property
    def parameters(self):
        return {"stride": self.stride, "padding": self.padding, "ceil_mode": self.ceil_mode}


@dataclass(frozen=True)
class AdaptiveCase(_Case):
    """One adaptive pooling."""

    output_size: tuple[int, ...]

    @property
    def windows(self):
        result = []
        for length, out in zip(self.size, self.output_size, strict=True):
            share = Fraction(length, out)
            intervals = [range(math.floor(i * share), math.ceil((i + 1) * share)) for i in range(out)]
            result.append(tuple(Window(tuple(interval), len(interval)) for interval in intervals))
        return tuple(result)


def _windows(length, kernel, stride, dilation, padding, ceil_mode):
    """List the windows of an axis, by the definition of which exist."""
    before, after = padding
    windows = []
    for i in range(length + before + after):
        taps = [i * stride - before + u * dilation for u in range(kernel)]
        fits = taps[-1] < length + after
        # With ceil_mode also one that hangs over, if something is left for it and it starts before the end.
        hangs = ceil_mode and taps[-1] - stride < length + after - 1 and taps[0] < length
        if not (fits or hangs):
            break
        inside = tuple(position for position in taps if 0 <= position < length)
        windows.append(Window(inside, sum(position < length + after for position in taps)))
    return tuple(windows)


# --- the oracle -----------------------------------------------------------------------------------------------------


def maximum(x, windows):
    """Return the maxima, and the flat positions in the plane: the first of equals, the last NaN, -1 for nothing."""
    shape = (*x.shape[:2], *map(len, windows))
    values, indices = np.full(shape, -math.inf), np.full(shape, -1)
    for n, c in product(*map(range, shape[:2])):
        for place, positions in _each_window(windows):
            for position in positions:
                element, flat = x[(n, c, *position)], 0
                for p, length in zip(position, x.shape[2:], strict=True):
                    flat = flat * length + p
                best = values[(n, c, *place)]
                if indices[(n, c, *place)] < 0 or element > best or math.isnan(element):
                    values[(n, c, *place)], indices[(n, c, *place)] = element, flat
    return values, indices


def maximum_grad(grad, indices, x_shape):
    """Return the gradient of x: each output's goes to the position of its maximum."""
    dx = np.zeros((*x_shape[:2], math.prod(x_shape[2:])))
    for where in np.ndindex(*grad.shape):
        if indices[where] >= 0:
            dx[where[0], where[1], indices[where]] += grad[where]
    return dx.reshape(x_shape)


def average(x, windows, count_include_pad=True, divisor_override=None):
    """Return the averages."""
    values = np.zeros((*x.shape[:2], *map(len, windows)))
    for n, c in product(*map(range, x.shape[:2])):
        for place, positions in _each_window(windows):
            total = math.fsum(x[(n, c, *position)] for position in positions)
            values[(n, c, *place)] = total / _divisor(windows, place, count_include_pad, divisor_override)
    return values


def average_grad(grad, windows, x_shape, count_include_pad=True, divisor_override=None):
    """Return the gradient of x: each output's is shared out over its window."""
    dx = np.zeros(x_shape)
    for n, c in product(*map(range, x_shape[:2])):
        for place, positions in _each_window(windows):
            for position in positions:
                share = grad[(n, c, *place)] / _divisor(windows, place, count_include_pad, divisor_override)
                dx[(n, c, *position)] += share
    return dx


def _each_window(windows):
    """Yield the place of each output, and the positions of its window inside the input in row-major order."""
    for place in product(*(range(len(axis)) for axis in windows)):
        chosen = [axis[i].inside for axis, i in zip(windows, place, strict=True)]
        yield place, list(product(*chosen))


def _divisor(windows, place, count_include_pad, divisor_override):
    if divisor_override is not None:
        return divisor_override
    chosen = [axis[i] for axis, i in zip(windows, place, strict=True)]
    return math.prod(w.counted if count_include_pad else len(w.inside) for w in chosen)


# --- generating cases -----------------------------------------------------------------------------------------------


def _common(integer, memories):
    return {
        "batch": (1, 2, 1, 3, 0)[integer(0, 4)],
        "channels": integer(1, 3),
        "channels_last": bool(integer(0, 1)),
        "memory": (memories[integer(0, len(memories) - 1)], memories[integer(0, len(memories) - 1)]),
        "seed": integer(0, 2**16),
    }


def _make_pool_case(integer, dilated, as_torch, memories=MEMORIES):
    axes = (2, 1, 3)[integer(0, 2)]
    ceil_mode = bool(integer(0, 1))
    rows = [_axis(integer, axes, ceil_mode, dilated, as_torch) for _ in range(axes)]
    size, kernel, stride, dilation, padding = (tuple(column) for column in zip(*rows, strict=True))
    return PoolCase(
        size=size,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=padding,
        ceil_mode=ceil_mode,
        **_common(integer, memories),
    )


def _axis(integer, axes, ceil_mode, dilated, as_torch):
    kernel, stride = integer(1, 4 if axes < 3 else 3), integer(1, 4)
    dilation = integer(1, 3) if dilated else 1
    reach = (kernel - 1) * dilation + 1
    if as_torch:  # symmetric, and at most half of the kernel without its dilation
        before = after = integer(0, kernel // 2)
    else:
        before, after = integer(0, reach - 1), integer(0, reach - 1)
    out = integer(1, 4 if axes < 3 else 3)
    slack = integer(0, stride - 1) * (-1 if ceil_mode and integer(0, 2) else 1)
    shortest = kernel if as_torch and axes == 3 else 1
    while True:  # more windows until the axis is long enough
        size = (out - 1) * stride + reach + slack - before - after
        if size >= shortest:
            return size, kernel, stride, dilation, (before, after)
        out += 1


def _make_adaptive_case(integer, memories=MEMORIES):
    axes = (2, 1, 3)[integer(0, 2)]
    longest = 9 if axes < 3 else 5
    size = tuple(integer(1, longest) for _ in range(axes))
    kind = integer(0, 3)
    if kind == 0:
        output_size = (1,) * axes
    elif kind == 1:  # windows of one size
        output_size = tuple(
            [d for d in range(1, n + 1) if n % d == 0][integer(0, sum(n % d == 0 for d in range(1, n + 1)) - 1)]
            for n in size
        )
    else:
        output_size = tuple(integer(1, longest) for _ in range(axes))
    return AdaptiveCase(size=size, output_size=output_size, **_common(integer, memories))


@st.composite
def pool_cases(draw, dilated=True):
    """Poolings with windows of one size."""
    return _make_pool_case(lambda low, high: draw(st.integers(low, high)), dilated, as_torch=False)


@st.composite
def adaptive_cases(draw):
    """Adaptive poolings: global ones, ones with windows of one size, and all others."""
    return _make_adaptive_case(lambda low, high: draw(st.integers(low, high)))


def seeded_pool_cases(count, seed, dilated):
    """Yield the same `count` cases on every machine, all of which PyTorch can compute, in contiguous memory."""
    chooser = random.Random(seed)
    for _ in range(count):
        yield _make_pool_case(chooser.randint, dilated, as_torch=True, memories=("contiguous",))


def seeded_adaptive_cases(count, seed):
    """Likewise."""
    chooser = random.Random(seed)
    for _ in range(count):
        yield _make_adaptive_case(chooser.randint, memories=("contiguous",))
