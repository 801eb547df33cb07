"""Layers against windows cut out one by one, so that every argument must have arrived."""

import itertools
import math

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor

SIZE = (7, 6, 5)
MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVERAGE = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
ADAPTIVE_AVERAGE = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
ADAPTIVE_MAX = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}
EVERY = [cls for table in (MAX, AVERAGE, ADAPTIVE_AVERAGE, ADAPTIVE_MAX) for cls in table.values()]


def image(axes):
    return np.random.default_rng(2).normal(size=(2, 3, *SIZE[:axes])) - 5  # negative: padding must not win a maximum


def pooled(x, intervals, reduce):
    """Reduce every window; intervals has, per axis, the positions that each window reads."""
    out = np.empty((*x.shape[:2], *(len(axis) for axis in intervals)))
    for n, c in itertools.product(*map(range, x.shape[:2])):
        for place in itertools.product(*(range(len(axis)) for axis in intervals)):
            positions = [axis[i] for axis, i in zip(intervals, place, strict=True)]
            out[(n, c, *place)] = reduce([x[(n, c, *p)] for p in itertools.product(*positions)])
    return out


def windows(length, kernel, stride, pad, dilation=1, ceil=False):
    """The positions inside the input that each window reads."""
    count = 0
    while count * stride + (kernel - 1) * dilation < length + 2 * pad:
        count += 1
    if (
        ceil
        and (count - 1) * stride + (kernel - 1) * dilation < length + 2 * pad - 1
        and count * stride < length + pad
    ):
        count += 1
    taps = [[i * stride - pad + u * dilation for u in range(kernel)] for i in range(count)]
    return [[p for p in window if 0 <= p < length] for window in taps]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("ceil", [False, True])
def test_max_pooling(axes, ceil):
    kernel, stride, pad, dilation = (2, 3, 2)[:axes], (3, 2, 2)[:axes], (1, 1, 0)[:axes], (2, 1, 2)[:axes]
    x = image(axes)
    intervals = [windows(*axis, ceil) for axis in zip(SIZE, kernel, stride, pad, dilation, strict=False)]
    expected = pooled(x, intervals, max)
    module = MAX[axes](kernel, stride, pad, dilation, ceil_mode=ceil)
    np.testing.assert_array_equal(module(x), expected)
    values, indices = MAX[axes](kernel, stride, pad, dilation, True, ceil)(x)
    np.testing.assert_array_equal(values, expected)
    flat = x.reshape(2, 3, -1)
    np.testing.assert_array_equal(
        np.take_along_axis(flat, indices.reshape(2, 3, -1), 2).reshape(values.shape), expected
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("include", [False, True])
def test_average_pooling(axes, include):
    kernel, stride, pad = (2, 3, 2)[:axes], (3, 2, 1)[:axes], (1, 1, 0)[:axes]
    x = image(axes)
    intervals = [windows(*axis) for axis in zip(SIZE, kernel, stride, pad, strict=False)]
    total = pooled(x, intervals, sum)
    count = pooled(np.ones_like(x), intervals, sum)
    module = AVERAGE[axes](kernel, stride, pad, False, include)
    np.testing.assert_allclose(module(x), total / (math.prod(kernel) if include else count), rtol=1e-12)
    module = AVERAGE[axes](kernel, stride, pad, divisor_override=7)
    np.testing.assert_allclose(module(x), total / 7, rtol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_ceil_mode_reaches_average_pooling(axes):
    x = image(axes)
    intervals = [windows(length, 2, 3, 0, 1, True) for length in SIZE[:axes]]
    total, count = pooled(x, intervals, sum), pooled(np.ones_like(x), intervals, sum)
    np.testing.assert_allclose(AVERAGE[axes](2, 3, ceil_mode=True)(x), total / count, rtol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_stride_is_the_kernel_size_by_default(axes):
    x = image(axes)
    intervals = [windows(length, 2, 2, 0) for length in SIZE[:axes]]
    np.testing.assert_array_equal(MAX[axes](2)(x), pooled(x, intervals, max))
    np.testing.assert_allclose(AVERAGE[axes](2)(x), pooled(x, intervals, lambda v: sum(v) / len(v)), rtol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 4, (3, 4, 2), (None, 2, None)])
def test_adaptive_pooling(axes, size):
    """Window i of m over a length L begins at floor(i·L/m) and ends before ceil((i + 1)·L/m)."""
    if isinstance(size, tuple):
        size = size[:axes]
    wanted = (size,) * axes if isinstance(size, int) else size
    x, intervals = image(axes), []
    for length, m in zip(SIZE, [w or length for w, length in zip(wanted, SIZE, strict=False)], strict=False):
        intervals.append([range(i * length // m, -(-(i + 1) * length // m)) for i in range(m)])
    np.testing.assert_allclose(
        ADAPTIVE_AVERAGE[axes](size)(x), pooled(x, intervals, lambda v: sum(v) / len(v)), rtol=1e-12
    )
    expected = pooled(x, intervals, max)
    np.testing.assert_array_equal(ADAPTIVE_MAX[axes](size)(x), expected)
    values, indices = ADAPTIVE_MAX[axes](size, return_indices=True)(x)
    np.testing.assert_array_equal(values, expected)
    assert indices.shape == expected.shape


@pytest.mark.parametrize("cls", EVERY)
def test_tensors_arrays_and_a_missing_batch_axis(cls):
    axes = int(cls.__name__[-2])
    module, x = cls(2), image(axes)
    tensor = Tensor(x, requires_grad=True)
    y = module(tensor)
    assert isinstance(y, Tensor)
    assert type(module(x)) is np.ndarray
    np.testing.assert_array_equal(module(x[0]), y.data[0])
    y.backward(np.ones(y.shape))
    assert tensor.grad.sum() == pytest.approx(y.size)  # every window hands on its 1
    assert list(module.parameters()) == []


def test_the_algorithm_is_passed_on():
    x = image(2)
    for cls in (nn.MaxPool2d, nn.AvgPool2d):
        expected = cls(2)(x)
        np.testing.assert_allclose(cls(2, algorithm="loops")(x), expected, rtol=1e-12)
        with pytest.raises(ValueError, match="fastest"):
            cls(2, algorithm="fastest")(x)


def test_the_repr_is_pytorchs():
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    assert repr(nn.AvgPool2d((2, 3), 1, 1)) == "AvgPool2d(kernel_size=(2, 3), stride=1, padding=1)"
    assert repr(nn.AdaptiveAvgPool2d((None, 3))) == "AdaptiveAvgPool2d(output_size=(None, 3))"
    assert repr(nn.AdaptiveMaxPool1d(3)) == "AdaptiveMaxPool1d(output_size=3)"
