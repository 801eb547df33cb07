"""Activations of each element: values from their definitions in Python's own floats, gradients from differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot

few = settings(max_examples=25)  # of each of many functions
FLOATS = (np.float16, np.float32, np.float64)
PRECISION = {np.float16: 1e-3, np.float32: 3e-6, np.float64: 1e-14}
LOGARITHM_OF_LARGEST = 709.78


def exp(x):
    return math.exp(x) if x < LOGARITHM_OF_LARGEST else math.inf


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x > -700 else exp(x)


def softplus(x, beta=1.0, threshold=20.0):
    z = beta * x
    return x if z > threshold else (max(z, 0) + math.log1p(exp(-abs(z)))) / beta


def elu(x, alpha=1.0, rate=1.0):
    return x if x > 0 else alpha * math.expm1(rate * x)


def normal_cdf(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def gelu_by_tanh(x):
    # (1 + tanh u) / 2 is the sigmoid of 2u, which does not cancel.
    return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def clip(x, low, high):
    return min(max(x, low), high)


ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805

#: name -> (the function, its definition for one of Python's floats, where pieces meet)
ELEMENTWISE = {
    "relu": (sl.relu, lambda x: max(x, 0), (0,)),
    "relu6": (sl.relu6, lambda x: clip(x, 0, 6), (0, 6)),
    "leaky_relu": (sl.leaky_relu, lambda x: x if x > 0 else 0.01 * x, (0,)),
    "leaky_relu 2.5": (lambda x: sl.leaky_relu(x, 2.5), lambda x: x if x > 0 else 2.5 * x, (0,)),
    "leaky_relu -0.5": (lambda x: sl.leaky_relu(x, -0.5), lambda x: x if x > 0 else -0.5 * x, (0,)),
    "leaky_relu 1": (lambda x: sl.leaky_relu(x, 1), lambda x: x, ()),
    "leaky_relu 0": (lambda x: sl.leaky_relu(x, 0), lambda x: max(x, 0), (0,)),
    "prelu": (lambda x: sl.prelu(x, np.full(1, 0.25, x.dtype)), lambda x: x if x > 0 else 0.25 * x, (0,)),
    "hardtanh": (sl.hardtanh, lambda x: clip(x, -1, 1), (-1, 1)),
    "hardtanh -0.5 2": (lambda x: sl.hardtanh(x, -0.5, 2), lambda x: clip(x, -0.5, 2), (-0.5, 2)),
    "threshold": (lambda x: sl.threshold(x, 0.5, 7), lambda x: x if x > 0.5 else 7.0, (0.5,)),
    "softshrink": (sl.softshrink, lambda x: x - clip(x, -0.5, 0.5), (-0.5, 0.5)),
    "softshrink 0": (lambda x: sl.softshrink(x, 0), lambda x: x, ()),
    "hardshrink": (sl.hardshrink, lambda x: x if abs(x) > 0.5 else 0.0, (-0.5, 0.5)),
    "hardsigmoid": (sl.hardsigmoid, lambda x: clip(x + 3, 0, 6) / 6, (-3, 3)),
    "hardswish": (sl.hardswish, lambda x: x * clip(x + 3, 0, 6) / 6, (-3, 3)),
    "tanh": (sl.tanh, math.tanh, ()),
    "tanhshrink": (sl.tanhshrink, lambda x: x - math.tanh(x), ()),
    "sigmoid": (sl.sigmoid, sigmoid, ()),
    "logsigmoid": (sl.logsigmoid, lambda x: -softplus(-x, threshold=math.inf), ()),
    "softplus": (sl.softplus, softplus, ()),
    "softplus 3 1": (lambda x: sl.softplus(x, 3, 1), lambda x: softplus(x, 3, 1), (1 / 3,)),
    "softplus -2": (lambda x: sl.softplus(x, -2, -1), lambda x: softplus(x, -2, -1), (0.5,)),
    "softsign": (sl.softsign, lambda x: x / (1 + abs(x)), ()),
    "elu": (sl.elu, elu, ()),
    "elu 2": (lambda x: sl.elu(x, 2), lambda x: elu(x, 2), (0,)),
    "selu": (sl.selu, lambda x: SCALE * elu(x, ALPHA), (0,)),
    "celu": (sl.celu, elu, ()),
    "celu 2": (lambda x: sl.celu(x, 2), lambda x: elu(x, 2, 0.5), ()),
    "silu": (sl.silu, lambda x: x * sigmoid(x), ()),
    "mish": (sl.mish, lambda x: x * math.tanh(softplus(x)), ()),
    "gelu": (sl.gelu, lambda x: x * normal_cdf(x), ()),
    "gelu by tanh": (lambda x: sl.gelu(x, "tanh"), gelu_by_tanh, ()),
    "erf": (sl.erf, math.erf, ()),
}

#: A difference of nearly equal numbers has the precision of those, as in PyTorch.
CANCELS = {"tanhshrink": np.abs}

#: An exponential has the relative precision that its argument has absolutely.
AMPLIFIES = {
    "softplus 3 1": lambda x: 3 * np.abs(x),
    "gelu": lambda x: x**2 / 2,
    "gelu by tanh": lambda x: np.abs(x) + np.abs(x) ** 3 / 10,
}


def error_allowed(name, x, expected, dtype):
    size = np.abs(expected) * (1 + AMPLIFIES.get(name, np.zeros_like)(x) / 10) + CANCELS.get(name, np.zeros_like)(x)
    # Where exp(-x) overflows, 1 / (1 + exp(-x)) is 0 instead of a subnormal number, which silu multiplies by x.
    lost = float(np.finfo(dtype).tiny if dtype != np.float16 else 6e-8) * (1 + np.abs(x))
    return PRECISION[dtype] * size + lost


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", FLOATS)
@few
@given(
    shape=st.lists(st.integers(0, 4), max_size=4).map(tuple),
    scale=st.sampled_from([0.1, 1, 4, 30]),
    seed=st.integers(0, 2**32 - 1),
)
def test_values(name, dtype, shape, scale, seed):
    function, by_hand, _ = ELEMENTWISE[name]
    x = np.asarray(np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)
    y = function(x)
    assert type(y) is np.ndarray
    assert (y.shape, y.dtype) == (shape, dtype)
    expected = np.array([by_hand(float(v)) for v in x.ravel()]).reshape(shape)
    error = np.abs(y.astype(np.float64) - expected)
    assert np.all(error <= error_allowed(name, x.astype(np.float64), expected, dtype)), error.max()
    np.testing.assert_array_equal(function(sl.Tensor(x)).numpy(), y)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_far_out(name, dtype):
    """Nothing overflows or warns on the way to a finite result; subnormal numbers and zeros of both signs too."""
    function, by_hand, _ = ELEMENTWISE[name]
    tiny = float(np.finfo(dtype).smallest_subnormal)
    x = np.array([1e4, -1e4, 300, -300, 88, -88, 50, -50, 1e-30, -1e-30, 0.0, -0.0, tiny, -tiny, 1e-40], dtype)
    expected = np.array([by_hand(float(v)) for v in x])
    error = np.abs(function(x).astype(np.float64) - expected)
    assert np.all(error <= error_allowed(name, x.astype(np.float64), expected, dtype)), (x, error)
    large = np.array([1e30, -1e30], dtype)
    t = sl.Tensor(np.concatenate([x, large]), requires_grad=True)
    function(t).backward(np.ones_like(t.data))
    assert np.all(np.isfinite(t.grad))
    assert np.all(np.abs(t.grad) <= 3)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_infinities_have_their_limit_or_none(name):
    """Where the limit is 0 · ∞ or ∞ / ∞, the result may be NaN, as in PyTorch."""
    function, by_hand, _ = ELEMENTWISE[name]
    y = function(np.array([np.inf, -np.inf, np.nan]))
    for value, far in zip(y, (1e6, -1e6)):
        limit = by_hand(far)
        if np.isnan(value):
            assert name in ("leaky_relu 0", "hardswish", "silu", "mish", "gelu by tanh", "softsign")
        elif abs(limit) >= 1e3:
            assert value == math.copysign(math.inf, limit)
        else:
            assert value == pytest.approx(limit, abs=1e-12)
    assert np.isnan(y[2])


@pytest.mark.parametrize("name", ELEMENTWISE)
@few
@given(shape=st.lists(st.integers(1, 4), max_size=3).map(tuple), seed=st.integers(0, 2**32 - 1))
def test_gradients(name, shape, seed):
    function, _, kinks = ELEMENTWISE[name]
    x = np.asarray(np.random.default_rng(seed).uniform(-4, 8, shape))
    for kink in kinks:
        x = np.where(np.abs(x - kink) < 0.01, kink + 0.02, x)
    check_gradients(function, np.asarray(x), seed=seed)


#: name -> {where pieces meet: the derivative that is taken there, PyTorch's}
AT_KINKS = {
    "relu": {0: 0},
    "relu6": {0: 0, 6: 0},
    "leaky_relu 2.5": {0: 2.5},
    "leaky_relu -0.5": {0: -0.5},
    "prelu": {0: 0.25},
    "hardtanh": {-1: 0, 1: 0},
    "threshold": {0.5: 0},
    "softshrink": {-0.5: 0, 0.5: 0},
    "softshrink 0": {0: 0},
    "hardshrink": {-0.5: 0, 0.5: 0},
    "hardsigmoid": {-3: 0, 3: 0},
    "hardswish": {-3: 0, 3: 1},
    "elu 2": {0: 2},
    "selu": {0: ALPHA * SCALE},
    "celu 2": {0: 1},
}


@pytest.mark.parametrize("name", AT_KINKS)
def test_derivatives_where_pieces_meet(name):
    for kink, slope in AT_KINKS[name].items():
        for sign in (1, -1) if kink == 0 else (1,):
            x = sl.Tensor(np.array([sign * float(kink)]), requires_grad=True)
            ELEMENTWISE[name][0](x).backward(np.array([3.0]))
            assert x.grad[0] == pytest.approx(3 * slope, rel=1e-15)


def test_what_half_precision_cannot_hold_is_infinite_without_a_warning():
    x = sl.Tensor(np.array([65504, -65504], np.float16), requires_grad=True)
    y = sl.selu(x)
    assert y.numpy()[0] == np.inf
    y.backward(np.array([65504, 1], np.float16))
    assert x.grad[0] == np.inf
    assert sl.dropout(np.full(64, 60000, np.float16), 0.5, rng=0).max() == np.inf
    weight = sl.Tensor(np.array([1], np.float16), requires_grad=True)
    sl.prelu(x, weight).backward(np.array([1, 2], np.float16))
    assert weight.grad[0] == -np.inf


def test_bounds_that_half_precision_does_not_have():
    """0.1 is rounded down in float16, and is a bound all the same."""
    for function, inside in (
        (lambda x: sl.hardtanh(x, -0.1, 0.1), 0.05), (lambda x: sl.softshrink(x, 0.1), 0.5),
        (lambda x: sl.hardshrink(x, 0.1), 0.5), (lambda x: sl.threshold(x, 0.1, 0.1), 0.5),
    ):  # fmt: skip
        x = sl.Tensor(np.array([inside, 0.5 if inside < 0.1 else 0.05, 0.09998, 0.1001], np.float16), True)
        function(x).backward(np.ones(4, np.float16))
        assert x.grad.tolist() == ([1, 0, 1, 0] if inside < 0.1 else [1, 0, 0, 1])


def test_extremes_do_not_overflow_and_keep_their_precision():
    x = np.array([-1e4, -700.0, -30.0, 30.0, 1e4])
    e = math.exp(-30)
    np.testing.assert_allclose(sl.sigmoid(x), [0, math.exp(-700), e / (1 + e), 1 / (1 + e), 1], rtol=1e-15)
    assert sl.sigmoid(np.array([-20], np.float32))[0] == pytest.approx(math.exp(-20), rel=1e-6)
    assert sl.tanh(np.array([-1e4, 1e4])).tolist() == [-1, 1]


def test_nan_lets_the_gradient_of_relu_pass():
    x = sl.Tensor([np.nan, -1.0, 0.0, 1.0], requires_grad=True)
    sl.relu(x).backward(np.full(4, 5.0))
    assert x.grad.tolist() == [5, 0, 0, 5]


EVERY = {name: function for name, (function, _, _) in ELEMENTWISE.items()} | {
    "softmax": lambda x: sl.softmax(x, 1),
    "softmin": lambda x: sl.softmin(x, 1),
    "log_softmax": lambda x: sl.log_softmax(x, 1),
    "prelu of channels": lambda x: sl.prelu(x, np.arange(1, x.shape[1] + 1).astype(x.dtype) / 8),
    "glu": lambda x: sl.glu(x, 2),
}


@pytest.mark.parametrize("function", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("memory", MEMORIES)
def test_any_memory(function, memory):
    rng = np.random.default_rng(0)
    plain, g = rng.standard_normal((2, 3, 4, 5)) * 3, rng.standard_normal((2, 3, 4, 5))
    x = arranged(plain, memory)
    plain = x.astype(np.float64, order="C")
    cotangent = arranged(g[: function(plain).shape[0], :, : function(plain).shape[2]], memory)
    g = cotangent.astype(np.float64, order="C")
    before = snapshot(x, cotangent)
    reference = sl.Tensor(plain, requires_grad=True)
    expected = function(reference)
    expected.backward(g)
    t = sl.Tensor(x, requires_grad=True)
    y = function(t)
    y.backward(cotangent.astype(np.float64) if memory == "other byte order" else cotangent)
    # Gaps and reversed axes are left to NumPy, whose exponential rounds otherwise than that of the machine code.
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=2e-15, atol=1e-15)
    np.testing.assert_allclose(t.grad, reference.grad, rtol=1e-14, atol=4e-15)
    np.testing.assert_allclose(function(x), expected.numpy(), rtol=2e-15, atol=1e-15)
    assert snapshot(x, cotangent) == before


def test_results_keep_the_memory_order():
    last = np.moveaxis(np.random.default_rng(0).standard_normal((2, 4, 6, 3)), -1, 1)
    for name, function in EVERY.items():
        if name == "glu":
            continue
        assert function(last).strides == last.strides
        x = sl.Tensor(last, requires_grad=True)
        function(x).sum().backward()  # the gradient of a sum is broadcast and has no order of its own
        assert x.grad.strides == last.strides
    assert sl.glu(last, 1 + 1).strides[1] == last.itemsize


def test_the_gradient_of_a_scaled_tanh_keeps_its_scale():
    """LeNet-5's activation: 1.7159 tanh(2x/3)."""
    check_gradients(lambda x: 1.7159 * sl.tanh(x * (2 / 3)), np.random.default_rng(0).standard_normal((3, 4)))


# --- prelu --------------------------------------------------------------------------------------------------------


@given(
    shape=st.lists(st.integers(1, 4), max_size=4).map(tuple),
    kind=st.integers(0, 2),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_prelu_by_hand(shape, kind, dtype, seed):
    rng = np.random.default_rng(seed)
    channels = shape[1] if len(shape) > 1 else 1
    x = np.asarray(rng.integers(-8, 9, shape) / 4).astype(dtype)
    weight = (rng.integers(-4, 5, [(channels,), (1,), ()][kind]) / 4).astype(dtype)
    g = np.asarray(rng.integers(-4, 5, shape)).astype(dtype)
    tensors = [sl.Tensor(x, requires_grad=True), sl.Tensor(weight, requires_grad=True)]
    y = sl.prelu(*tensors)
    y.backward(g)
    dx, dw = np.zeros(shape), np.zeros(weight.size)
    for at in np.ndindex(shape):
        c = at[1] if weight.size > 1 else 0
        positive = x[at] > 0
        slope = 1 if positive else weight.ravel()[c]
        assert y.numpy()[at] == x[at] * slope
        dx[at] = g[at] * slope
        dw[c] += 0 if positive else g[at] * x[at]
    assert y.dtype == tensors[0].grad.dtype == tensors[1].grad.dtype == dtype
    np.testing.assert_array_equal(tensors[0].grad, dx)
    np.testing.assert_allclose(tensors[1].grad, dw.reshape(weight.shape), rtol=1e-3)


def test_large_arrays_are_computed_in_pieces_with_the_same_values():
    """More elements than a piece has, in every memory order, between arrays in different orders."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 8, 50, 61)).astype(np.float32)
    g = rng.standard_normal(x.shape).astype(np.float32)
    for function in EVERY.values():
        rows = [sl.Tensor(row[None], requires_grad=True) for row in x]
        results = [function(row) for row in rows]
        shape = (len(x), *results[0].shape[1:])
        cotangent = g[:, : shape[1], : shape[2]]
        for result, part in zip(results, cotangent):
            result.backward(part[None])
        for memory in ("contiguous", "channels-last", "reversed", "sliced"):
            t = sl.Tensor(arranged(x, memory), requires_grad=True)
            y = function(t)
            y.backward(cotangent)
            np.testing.assert_allclose(y.numpy(), np.concatenate([r.numpy() for r in results]), rtol=2e-6, atol=2e-7)
            np.testing.assert_allclose(t.grad, np.concatenate([r.grad for r in rows]), rtol=2e-5, atol=1e-6)


def test_what_is_saved_is_the_result_where_that_will_do():
    """The next operation keeps it too, so it costs nothing."""
    x = sl.Tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)
    for function in (sl.relu, sl.relu6, sl.leaky_relu, sl.hardsigmoid, sl.tanh, sl.sigmoid):
        y = function(x)
        assert y.node.saved is y.data
    for function in (lambda x: sl.leaky_relu(x, -0.5), sl.silu, sl.gelu, sl.mish, sl.hardswish):
        assert function(x).node.saved is x.data


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: sl.relu([1, 2]), TypeError, "input must be a float16, float32 or float64 array"),
    (lambda: sl.tanh(sl.Tensor([1, 2])), TypeError, "input must be a float16, float32 or float64 array"),
    (lambda: sl.leaky_relu([1.0], "0.1"), TypeError, "negative_slope must be a number, but got '0.1'"),
    (lambda: sl.leaky_relu([1.0], True), TypeError, "negative_slope must be a number, but got True"),
    (lambda: sl.hardtanh([1.0], 1, -1), ValueError, "not be greater than max_val, but they are 1.0 and -1.0"),
    (lambda: sl.threshold([1.0], None, 1), TypeError, "threshold must be a number, but got None"),
    (lambda: sl.softshrink([1.0], -1), ValueError, "lambd must be at least 0, but got -1"),
    (lambda: sl.softplus([1.0], 0), ValueError, "beta must not be 0"),
    (lambda: sl.celu([1.0], 0), ValueError, "alpha must not be 0"),
    (lambda: sl.gelu([1.0], "erf"), ValueError, 'approximate must be "none" or "tanh", but got \'erf\''),
    (lambda: sl.gelu([1.0], None), ValueError, 'approximate must be "none" or "tanh", but got None'),
    (lambda: sl.prelu(np.ones((2, 3)), np.ones(2)), ValueError, r"shape \(3,\), but its shape is \(2,\)"),
    (lambda: sl.prelu(np.ones((2, 3)), np.ones((1, 3))), ValueError, r"but its shape is \(1, 3\)"),
    (lambda: sl.prelu(np.ones(3), np.ones(3)), ValueError, r"shape \(1,\), but its shape is \(3,\)"),
    (lambda: sl.prelu(np.ones(3), np.ones(1, np.float32)), TypeError, "input is float64, weight is float32"),
])  # fmt: skip
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("function", [sl.softmax, sl.softmin, sl.log_softmax])
def test_rows_can_be_computed_in_another_dtype(function):
    x = sl.Tensor(np.array([[1.0, 2.0, 4.0]], np.float16), requires_grad=True)
    y = function(x, 1, dtype=np.float64)
    np.testing.assert_array_equal(y.numpy(), function(x.numpy().astype(np.float64), 1))
    y[0, 0].backward()
    assert (y.dtype, x.grad.dtype) == (np.float64, np.float16)
    assert function([[1.0, 2.0]], 1, dtype="float32").dtype == np.float32
    with pytest.raises(TypeError, match="dtype must be float16, float32 or float64, but got int64"):
        function(x, 1, dtype=int)
