"""The larger and the smaller of two, limits, and choices by a condition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.errors import ShapeError
from tests.functional.elements.test_arithmetic import broadcast_by_hand, broadcast_shapes

NAN = math.nan


@given(shapes=broadcast_shapes(), seed=st.integers(0, 2**32 - 1))
def test_maximum_and_minimum(shapes, seed):
    a, b = (np.random.default_rng(seed).integers(-2, 3, shape) / 2 for shape in shapes)
    np.testing.assert_array_equal(sl.maximum(a, b), broadcast_by_hand(lambda v, w: v if v > w else w, a, b))
    np.testing.assert_array_equal(
        sl.Tensor(a).minimum(b).numpy(), broadcast_by_hand(lambda v, w: v if v < w else w, a, b)
    )


@pytest.mark.parametrize("function", [sl.maximum, sl.minimum])
def test_equal_operands_share_the_gradient(function):
    a, b = (sl.Tensor(np.array([3.0, -1.0]), requires_grad=True) for _ in range(2))
    function(a, b).backward(np.array([1.0, 10.0]))
    assert a.grad.tolist() == b.grad.tolist() == [0.5, 5.0]


def test_nan_propagates():
    for function in (sl.maximum, sl.minimum):
        assert np.isnan(function([NAN, 1.0], [1.0, NAN])).tolist() == [True, True]
    assert np.isnan(sl.clamp([NAN], 0.0, 1.0)).all()


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.5), (None, 0.5), (-0.5, None), (0.5, -0.5), (0, 1)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_clamp(low, high, dtype):
    x = np.array([-1.0, -0.5, 0.0, 0.25, 0.5, 2.0], dtype)
    expected = []
    for v in x.tolist():
        v = low if low is not None and v < low else v
        expected.append(high if high is not None and v > high else v)
    for result in (sl.clamp(x, low, high), sl.clip(x, low, high), sl.Tensor(x).clamp(low, high).numpy()):
        assert result.dtype == dtype
        assert result.tolist() == expected


def test_the_gradient_of_clamp_is_1_at_the_limits():
    x = sl.Tensor([-1.0, 0.0, 0.5, 1.0, 2.0], requires_grad=True)
    x.clamp(0, 1).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


@given(seed=st.integers(0, 2**32 - 1), absent=st.sampled_from([None, "min", "max"]))
def test_clamp_between_arrays(seed, absent):
    rng = np.random.default_rng(seed)
    x, low, high = rng.integers(-3, 4, (2, 3)) / 2, rng.integers(-3, 4, 3) / 2, rng.integers(-3, 4, (2, 1)) / 2
    limits = {"min": low, "max": high}
    if absent:
        limits[absent] = None
    expected = np.empty((2, 3))
    for i in range(2):
        for j in range(3):
            v = x[i, j] if absent == "min" else max(x[i, j], low[j])
            expected[i, j] = v if absent == "max" else min(v, high[i, 0])
    np.testing.assert_array_equal(sl.clamp(x, **limits), expected)


def test_limits_of_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"broadcast against each other, but they have \(3,\), \(2,\)"):
        sl.clamp(np.zeros(3), np.zeros(2))


def test_wrong_limits():
    with pytest.raises(ValueError, match="clamp needs min or max, but got neither"):
        sl.clamp([1.0])
    with pytest.raises(TypeError, match=r"min must be a number, an array or None, but got \[0.0\]\."):
        sl.clamp([1.0], [0.0])


@given(shapes=broadcast_shapes(), seed=st.integers(0, 2**32 - 1))
def test_where(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(shape) for shape in shapes)
    condition = rng.random(np.broadcast_shapes(*shapes)) < 0.5
    expected = np.empty(condition.shape)
    left, right = (np.broadcast_to(x, condition.shape) for x in (a, b))
    for index in np.ndindex(condition.shape):
        expected[index] = left[index] if condition[index] else right[index]
    for result in (sl.where(condition, a, b), sl.where(sl.Tensor(condition), sl.Tensor(a), b).numpy()):
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(sl.Tensor(a).where(condition, 7).numpy(), np.where(condition, left, 7))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u2", "i4", "i8", "?", ">f4", ">i8"])
def test_where_moves_every_value_of_every_dtype(dtype):
    """Infinities, NaN and the sign of 0 as well, which arithmetic with masks would not."""
    dtype = np.dtype(dtype)
    values = [0, 1] if dtype.kind == "b" else [0, 1, 2, 3] if dtype.kind == "u" else [0, 1, -2, 100]
    if dtype.kind == "f":
        values = [0.0, -0.0, np.inf, -np.inf, NAN, 1.5]
    a, b = (np.array(grid.ravel(), dtype) for grid in np.meshgrid(values, values))
    for condition in (np.arange(a.size) % 2 == 0, np.arange(a.size) % 3 == 0, np.array(True), np.array(False)):
        for left, right in ((a, b), (a[::-1], b), (a, b[:1])):
            result = sl.where(condition, left, right)
            assert result.dtype == dtype
            pairs = np.broadcast(condition, left, right)
            expected = np.array([v if c else w for c, v, w in pairs], dtype)
            assert (
                result.astype(dtype.newbyteorder("=")).tobytes() == expected.astype(dtype.newbyteorder("=")).tobytes()
            )


def test_where_keeps_the_memory_order():
    x = np.moveaxis(np.ones((2, 5, 4, 3)), -1, 1)  # channels last in memory
    assert sl.where(x > 0, x, 0.0).strides == x.strides


def test_where_of_labels():
    assert sl.where([True, False], np.array([1, 2]), np.array([3, 4])).tolist() == [1, 4]


@pytest.mark.parametrize(("arguments", "error", "message"), [
    (([1, 0], [1.0], [2.0]), TypeError, "condition must be an array of bools, but its dtype is int64"),
    (([True], [1.0], np.ones(1, np.float32)), TypeError, "share one dtype, but they are float64 and float32"),
    (([True], np.array(["a"]), np.array(["b"])), TypeError, "floats, integers or bools, but they are <U1"),
    (([True] * 2, np.ones(3), 1.0), ValueError, r"where must have shapes .* \(2,\), \(3,\) and \(\)"),
])  # fmt: skip
def test_wrong_choices(arguments, error, message):
    with pytest.raises(error, match=message):
        sl.where(*arguments)
