"""Activations: values from their definitions in Python's own floats, gradients from differences."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot

FLOATS = (np.float16, np.float32, np.float64)
PRECISION = {np.float16: 1e-3, np.float32: 3e-6, np.float64: 1e-14}

ELEMENTWISE = {
    "relu": (sl.relu, lambda x: x if x > 0 else 0.0),
    "leaky_relu": (sl.leaky_relu, lambda x: x if x > 0 else 0.01 * x),
    "leaky_relu 2.5": (lambda x: sl.leaky_relu(x, 2.5), lambda x: x if x > 0 else 2.5 * x),
    "leaky_relu -0.5": (lambda x: sl.leaky_relu(x, -0.5), lambda x: x if x > 0 else -0.5 * x),
    "leaky_relu 1": (lambda x: sl.leaky_relu(x, 1), lambda x: x),
    "leaky_relu 0": (lambda x: sl.leaky_relu(x, 0), lambda x: x if x > 0 else 0.0),
    "tanh": (sl.tanh, math.tanh),
    "sigmoid": (sl.sigmoid, lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0),
}


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


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", FLOATS)
@given(shape=st.lists(st.integers(0, 4), max_size=4).map(tuple), seed=st.integers(0, 2**32 - 1))
def test_values(name, dtype, shape, seed):
    function, by_hand = ELEMENTWISE[name]
    x = (np.random.default_rng(seed).standard_normal(shape) * 4).astype(dtype)
    y = function(x)
    assert type(y) is np.ndarray
    assert (y.shape, y.dtype) == (shape, dtype)
    expected = np.array([by_hand(float(v)) for v in x.ravel()]).reshape(shape)
    smallest = float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(y.astype(np.float64), expected, rtol=PRECISION[dtype], atol=smallest)
    np.testing.assert_array_equal(function(sl.Tensor(x)).numpy(), y)


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(shape=st.lists(st.integers(1, 4), max_size=3).map(tuple), seed=st.integers(0, 2**32 - 1))
def test_gradients(name, shape, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.01, 3, shape) * rng.choice([-1, 1], shape)  # not at the kinks
    check_gradients(ELEMENTWISE[name][0], x, seed=seed)


@pytest.mark.parametrize("function", [sl.softmax, sl.log_softmax])
@pytest.mark.parametrize("dtype", FLOATS)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), data=st.data())
def test_softmax(function, dtype, shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    # Rows differ by far more than exp can span: a maximum of the whole array would make 0 / 0 of some.
    offsets = rng.choice([-2000, 0, 2000], (*shape[:dim], 1, *shape[dim:][1:]))
    x = (rng.standard_normal(shape) * 4 + offsets).astype(dtype)
    expected = softmax_by_hand(x, dim)[function is sl.log_softmax]
    y = function(x, dim)
    assert (y.shape, y.dtype) == (shape, dtype)
    rounding = 8 * float(np.finfo(np.float64 if dtype == np.float64 else np.float32).eps)  # of a sum of up to 4
    np.testing.assert_allclose(y.astype(np.float64), expected, rtol=PRECISION[dtype] * 3, atol=rounding)
    check_gradients(lambda x: function(x, dim), x.astype(np.float64) - offsets, seed=seed)


def test_softmax_of_empty_arrays_and_rows():
    for function in (sl.softmax, sl.log_softmax):
        for shape, dim in (((0, 3), 1), ((3, 0), 0), ((3, 0), 1)):
            x = sl.Tensor(np.ones(shape), requires_grad=True)
            y = function(x, dim)
            y.backward(np.ones(shape))
            assert y.shape == x.grad.shape == shape


def test_extremes_do_not_overflow_and_keep_their_precision():
    x = np.array([-1e4, -700.0, -30.0, 30.0, 1e4])
    assert sl.sigmoid(x).tolist() == [
        0.0,
        math.exp(-700),
        math.exp(-30) / (1 + math.exp(-30)),
        1 / (1 + math.exp(-30)),
        1,
    ]
    assert sl.sigmoid(np.array([-20], np.float32))[0] == pytest.approx(math.exp(-20), rel=1e-6)
    assert sl.tanh(np.array([-1e4, 1e4])).tolist() == [-1, 1]
    assert sl.log_softmax(np.array([0.0, -1e4]), 0).tolist() == [0, -1e4]


def test_nan_stays_nan_and_lets_its_gradient_pass():
    for function in (sl.relu, sl.leaky_relu, sl.tanh, sl.sigmoid):
        assert np.isnan(function(np.array([np.nan, 1.0]))).tolist() == [True, False]
    x = sl.Tensor([np.nan, -1.0, 0.0, 1.0], requires_grad=True)
    sl.relu(x).backward(np.full(4, 5.0))
    assert x.grad.tolist() == [5, 0, 0, 5]


@pytest.mark.parametrize("function", [
    sl.relu, sl.leaky_relu, sl.tanh, sl.sigmoid, lambda x: sl.softmax(x, 1), lambda x: sl.log_softmax(x, 1)
])  # fmt: skip
@pytest.mark.parametrize("memory", MEMORIES)
def test_any_memory(function, memory):
    rng = np.random.default_rng(0)
    plain, g = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 4, 5))
    x, cotangent = arranged(plain, memory), arranged(g, memory)
    plain, g = x.astype(np.float64, order="C"), cotangent.astype(np.float64, order="C")
    before = snapshot(x, cotangent)
    reference = sl.Tensor(plain, requires_grad=True)
    expected = function(reference)
    expected.backward(g)
    t = sl.Tensor(x, requires_grad=True)
    y = function(t)
    y.backward(cotangent.astype(np.float64) if memory == "other byte order" else cotangent)
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-15)
    np.testing.assert_allclose(t.grad, reference.grad, rtol=1e-14)
    np.testing.assert_allclose(function(x), expected.numpy(), rtol=1e-15)
    assert snapshot(x, cotangent) == before


def test_results_keep_the_memory_order():
    last = np.moveaxis(np.random.default_rng(0).standard_normal((2, 4, 5, 3)), -1, 1)
    for function in (sl.relu, sl.leaky_relu, sl.tanh, sl.sigmoid, lambda x: sl.softmax(x, 1)):
        assert function(last).strides == last.strides
        x = sl.Tensor(last, requires_grad=True)
        function(x).sum().backward()  # the gradient of a sum is broadcast and has no order of its own
        assert x.grad.strides == last.strides


def test_the_gradient_of_a_scaled_tanh_keeps_its_scale():
    """LeNet-5's activation: 1.7159 tanh(2x/3)."""
    check_gradients(lambda x: 1.7159 * sl.tanh(x * (2 / 3)), np.random.default_rng(0).standard_normal((3, 4)))


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: sl.relu([1, 2]), TypeError, "input must be a float16, float32 or float64 array"),
    (lambda: sl.tanh(sl.Tensor([1, 2])), TypeError, "input must be a float16, float32 or float64 array"),
    (lambda: sl.leaky_relu([1.0], "0.1"), TypeError, "negative_slope must be a number, but got '0.1'"),
    (lambda: sl.softmax([1.0], 1), ValueError, "dim must be an axis of the input, from -1 to 0, but got 1"),
    (lambda: sl.log_softmax(sl.Tensor([1.0]), 0.5), TypeError, "dim must be an integer, but got 0.5"),
])  # fmt: skip
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
