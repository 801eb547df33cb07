"""Padding: each element of the result is looked up in the input."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl


def element(x, index, mode, value):
    """Return the element that padding puts at an index (which may be outside) of the input."""
    inside = []
    for i, n in zip(index, x.shape):
        if mode == "constant" and not 0 <= i < n:
            return value
        while mode == "reflect" and not 0 <= i < n:
            i = -i if i < 0 else 2 * (n - 1) - i
        inside.append(i % n if mode == "circular" else min(max(i, 0), n - 1))
    return x[tuple(inside)]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), data=st.data())
def test_padding(mode, shape, data):
    pairs = []
    for n in reversed(shape[-data.draw(st.integers(1, len(shape))) :]):
        low, high = {"constant": (-n, 3), "reflect": (0, n - 1), "replicate": (0, 3), "circular": (0, n)}[mode]
        before = data.draw(st.integers(low, high))
        pairs.append((before, data.draw(st.integers(max(low, -n - min(before, 0)), high))))
    x = np.random.default_rng(0).standard_normal(shape)
    value = data.draw(st.sampled_from([0.0, 2.5])) if mode == "constant" else None
    result = sl.pad(sl.Tensor(x), [n for pair in pairs for n in pair], mode, value).numpy()
    starts = [0] * (len(shape) - len(pairs)) + [before for before, _ in reversed(pairs)]
    ends = [0] * (len(shape) - len(pairs)) + [after for _, after in reversed(pairs)]
    assert result.shape == tuple(n + a + b for n, a, b in zip(shape, starts, ends))
    for index in itertools.product(*map(range, result.shape)):
        assert result[index] == element(x, [i - start for i, start in zip(index, starts)], mode, value)


@pytest.mark.parametrize("mode", ["constant", "reflect"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_and_memory_order_are_kept(mode, dtype):
    x = np.moveaxis(np.ones((2, 5, 4, 3), dtype), -1, 1)  # channels last in memory
    result = sl.pad(x, (1, 2, 1, 0), mode)
    assert result.dtype == dtype
    assert np.moveaxis(result, 1, -1).flags.c_contiguous


def test_the_input_is_not_shared():
    x = np.ones(3)
    sl.pad(x, (0, 0), "reflect")[:] = 7
    sl.pad(x, (0, 0))[:] = 7
    assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("arguments", "error", "message"), [
    (((1,),), ValueError, r"two numbers for each axis, the last axis first, but got \(1,\) for the shape \(2, 3\)"),
    (((1,) * 6,), ValueError, "two numbers for each axis"),
    (((1, 1.5),), TypeError, "pad must be an integer, but got 1.5"),
    (((-2, -2),), ValueError, r"must not cut more than there is, but got \(-2, -2\) for an axis of 3"),
    (((-4, 4),), ValueError, "must not cut more"),
    (((1, 3), "reflect"), ValueError, r"mode 'reflect' must not exceed 2 for an axis of 3, but got \(1, 3\)"),
    (((0, 4), "circular"), ValueError, "mode 'circular' must not exceed 3"),
    (((0, 1), "mirror"), ValueError, "'replicate' or 'circular', but got 'mirror'"),
    (((0, 1), "reflect", 1.0), ValueError, "value is for mode 'constant', but the mode is 'reflect'"),
    (((0, 1), "constant", "1"), TypeError, "value must be a number, but got '1'"),
])  # fmt: skip
def test_wrong_calls(arguments, error, message):
    with pytest.raises(error, match=message):
        sl.pad(np.ones((2, 3)), *arguments)


def test_nothing_cannot_be_repeated():
    with pytest.raises(sl.errors.ShapeError, match="mode 'replicate' must not exceed 0 for an axis of 0"):
        sl.pad(np.ones((2, 0)), (1, 0), "replicate")


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("pad", [(-1, 1), (2, -2), (-1, -2), (1, 1, -1, 2)])
def test_negative_numbers_cut_before_anything_is_added(mode, pad):
    x = np.random.default_rng(0).standard_normal((4, 5))
    cut = x
    for axis, (before, after) in zip((1, 0), zip(pad[::2], pad[1::2])):
        cut = cut.take(range(max(-before, 0), x.shape[axis] - max(-after, 0)), axis)
    np.testing.assert_array_equal(sl.pad(x, pad, mode), sl.pad(cut, [max(n, 0) for n in pad], mode))
