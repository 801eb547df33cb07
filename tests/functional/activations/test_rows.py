"""Activations along an axis: values row by row in Python's own floats, gradients from differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients

few = settings(max_examples=25)  # of each of many functions
FLOATS = (np.float16, np.float32, np.float64)
PRECISION = {np.float16: 1e-3, np.float32: 3e-6, np.float64: 1e-14}


def softmax_by_hand(x, dim):
    """Return softmax and its logarithm, row by row, from sums of exponentials of differences."""
    moved = np.moveaxis(np.asarray(x, np.float64), dim, -1)
    y, log_y = np.empty(moved.shape), np.empty(moved.shape)
    for where in np.ndindex(moved.shape[:-1]):
        row = [float(v) for v in moved[where]]
        for i, v in enumerate(row):
            largest = max(row)
            log_y[where][i] = (v - largest) - math.log(sum(math.exp(w - largest) for w in row))
            y[where][i] = math.exp(log_y[where][i])
    return np.moveaxis(y, -1, dim), np.moveaxis(log_y, -1, dim)


@pytest.mark.parametrize("function", [sl.softmax, sl.softmin, sl.log_softmax])
@pytest.mark.parametrize("dtype", FLOATS)
@few
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), data=st.data())
def test_softmax(function, dtype, shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    # Rows differ by far more than exp can span: a maximum of the whole array would make 0 / 0 of some.
    offsets = rng.choice([-2000, 0, 2000], (*shape[:dim], 1, *shape[dim:][1:]))
    x = (rng.standard_normal(shape) * 4 + offsets).astype(dtype)
    expected = softmax_by_hand(-x if function is sl.softmin else x, dim)[function is sl.log_softmax]
    y = function(x, dim)
    assert (y.shape, y.dtype) == (shape, dtype)
    rounding = 8 * float(np.finfo(np.float64 if dtype == np.float64 else np.float32).eps)  # of a sum of up to 4
    np.testing.assert_allclose(y.astype(np.float64), expected, rtol=PRECISION[dtype] * 3, atol=rounding)
    check_gradients(lambda x: function(x, dim), x.astype(np.float64) - offsets, seed=seed)


def test_softmax_of_empty_arrays_and_rows():
    for function in (sl.softmax, sl.softmin, sl.log_softmax):
        for shape, dim in (((0, 3), 1), ((3, 0), 0), ((3, 0), 1)):
            x = sl.Tensor(np.ones(shape), requires_grad=True)
            y = function(x, dim)
            y.backward(np.ones(shape))
            assert y.shape == x.grad.shape == shape


def test_rows_with_infinities_are_nan_or_the_limit_without_a_warning():
    for x, expected in (
        ([np.inf, 1.0], [np.nan, np.nan]), ([-np.inf, -np.inf], [np.nan] * 2), ([-np.inf, 2.0], [0, 1]),
        ([np.nan, 1.0], [np.nan] * 2),
    ):  # fmt: skip
        t = sl.Tensor(np.array(x), requires_grad=True)
        y = sl.softmax(t, 0)
        np.testing.assert_array_equal(y.numpy(), expected)
        np.testing.assert_array_equal(sl.softmin(-t.data, 0), expected)
        y.backward(np.ones(2))
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(sl.log_softmax(t, 0).numpy(), np.log(expected))


def test_a_logarithm_far_below_zero_is_kept():
    assert sl.log_softmax(np.array([0.0, -1e4]), 0).tolist() == [0, -1e4]


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_glu_by_hand(shape, data, seed):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    half = data.draw(st.integers(0, 3))
    shape[dim] = 2 * half
    x = np.random.default_rng(seed).standard_normal(shape) * 5
    y = sl.glu(x, dim)
    for at in np.ndindex(y.shape):
        gate = list(at)
        gate[dim] += half
        assert y[at] == pytest.approx(x[at] / (1 + math.exp(-x[tuple(gate)])), rel=1e-14)
    if half:
        check_gradients(lambda x: sl.glu(x, dim), x, seed=seed)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: sl.glu(np.ones((2, 3))), ValueError, r"even length along dim -1, but its shape is \(2, 3\)"),
    (lambda: sl.glu(np.ones((2, 3)), 2), ValueError, "dim must be an axis of the input"),
    (lambda: sl.glu(np.float32(1)), ValueError, "dim must be an axis of the input"),
    (lambda: sl.softmax([1.0], 1), ValueError, "dim must be an axis of the input, from -1 to 0, but got 1"),
    (lambda: sl.log_softmax(sl.Tensor([1.0]), 0.5), TypeError, "dim must be an integer, but got 0.5"),
    (lambda: sl.softmin([1], 0), TypeError, "input must be a float16, float32 or float64 array"),
])  # fmt: skip
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
