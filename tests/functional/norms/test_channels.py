"""Batch, instance and group norm, against their definitions; gradients are in gradient_cases."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot

EPS = 1e-5


def by_definition(x, index, weight=None, bias=None, statistics=None, eps=EPS):
    """Normalise in float64; ``index(n, c)`` says which values a channel of an image is normalised with."""
    x = x.astype(np.float64)
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            if statistics is None:
                values = x[index(n, c)]
                mean, variance = values.mean(), ((values - values.mean()) ** 2).mean()
            else:
                mean, variance = (float(s[c]) for s in statistics)
            y[n, c] = (x[n, c] - mean) / np.sqrt(variance + eps)
            y[n, c] = y[n, c] * (1 if weight is None else float(weight[c])) + (0 if bias is None else float(bias[c]))
    return y


def whole_channel(n, c):
    return slice(None), c


def one_image(n, c):
    return n, c


def group_of(size):
    return lambda n, c: (n, slice(c // size * size, (c // size + 1) * size))


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), *[st.integers(1, 5)] * 3).flatmap(
    lambda s: st.integers(2, 5).map(lambda n: s[:n])
)


@settings(max_examples=60)
@given(shape=SHAPES, seed=st.integers(0, 2**32 - 1), memory=st.sampled_from(MEMORIES), data=st.data())
def test_values_and_gradients(shape, seed, memory, data):
    if memory == "channels-last" and len(shape) < 3:
        memory = "fortran"
    rng = np.random.default_rng(seed)
    channels = shape[1]
    x = arranged(rng.normal(3, 2, shape), memory)
    weight, bias = rng.uniform(0.5, 2, channels), rng.standard_normal(channels)
    weight, bias = (v if data.draw(st.booleans()) else None for v in (weight, bias))
    groups = data.draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    calls = [
        (lambda x, w, b: sl.group_norm(x, groups, w, b, 0.5), group_of(channels // groups), x.size // groups),
        (lambda x, w, b: sl.batch_norm(x, None, None, w, b, True, eps=0.5), whole_channel, x.size // channels),
    ]
    if len(shape) > 2:
        calls.append((lambda x, w, b: sl.instance_norm(x, None, None, w, b, eps=0.5), one_image, np.prod(shape[2:])))
    given_arrays = [a for a in (weight, bias) if a is not None]
    for call, index, count in calls:
        if count == 1:
            with pytest.raises(sl.errors.ShapeError, match="more than 1 value per"):
                call(x, weight, bias)
            continue
        before = snapshot(x)
        y = call(x, weight, bias)
        assert snapshot(x) == before
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, by_definition(x, index, weight, bias, eps=0.5), rtol=1e-9, atol=1e-12)
        if memory == "contiguous" and x[index(0, 0)].size > 1:  # of one value the gradient is 0
            check_gradients(
                lambda x, *p, call=call: call(
                    x, p[0] if weight is not None else None, p[-1] if bias is not None else None
                ),
                x,
                *given_arrays,
                seed=seed,
            )


@pytest.mark.parametrize("memory", ["contiguous", "channels-last"])
@pytest.mark.parametrize("shape", [(4, 5, 3, 2), (3, 40, 17, 13), (2, 3, 64, 65), (70, 6, 4, 4), (2, 300, 20, 20)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sizes_that_are_cut_differently(memory, shape, dtype):
    """Rows, columns side by side, positions as columns; one strip and several."""
    rng = np.random.default_rng(0)
    x = arranged(rng.normal(1, 2, shape).astype(dtype), memory)
    weight, bias = rng.uniform(0.5, 2, shape[1]).astype(dtype), rng.standard_normal(shape[1]).astype(dtype)
    allowed = 1e-5 if dtype == np.float32 else 1e-12
    for y, index in (
        (sl.batch_norm(x, None, None, weight, bias, True), whole_channel),
        (sl.group_norm(x, 1, weight, bias), group_of(shape[1])),
        (sl.instance_norm(x, None, None, weight, bias), one_image),
    ):
        np.testing.assert_allclose(y, by_definition(x, index, weight, bias), rtol=0, atol=allowed)
        assert np.argsort(y.strides).tolist() == np.argsort(x.strides).tolist(), "another memory order"


@pytest.mark.parametrize("memory", ["contiguous", "channels-last"])
@pytest.mark.parametrize("shape", [(8, 3, 12, 12), (8, 300, 3, 3)])
def test_a_mean_ten_thousand_times_the_deviation_costs_no_digits(memory, shape):
    rng = np.random.default_rng(0)
    std = np.arange(1, shape[1] + 1)[:, None, None]
    x = arranged((1e4 * std + std * rng.standard_normal(shape)).astype(np.float32), memory)
    for call, index in (
        (lambda x: sl.batch_norm(x, None, None, training=True), whole_channel),
        (sl.instance_norm, one_image),
    ):
        np.testing.assert_allclose(call(x), by_definition(x, index), rtol=0, atol=3e-6)
        g = rng.standard_normal(shape).astype(np.float32)
        gradients = []
        for dtype in (np.float32, np.float64):
            tensor = sl.Tensor(x.astype(dtype), requires_grad=True)
            call(tensor).backward(g.astype(dtype))
            gradients.append(tensor.grad)
        np.testing.assert_allclose(*gradients, rtol=0, atol=3e-6 * np.abs(gradients[1]).max())


@pytest.mark.parametrize("memory", ["contiguous", "channels-last"])
def test_any_number_of_threads_gives_the_same_bits(memory):
    rng = np.random.default_rng(0)
    x, g = (arranged(rng.standard_normal((20, 24, 40, 41)).astype(np.float32), memory) for _ in "xg")
    before, results = sl.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            sl.set_num_threads(threads)
            for call in (
                lambda x: sl.batch_norm(x, None, None, training=True),
                lambda x: sl.group_norm(x, 3),
                lambda x: sl.layer_norm(x, x.shape[1:]),
            ):
                tensor = sl.Tensor(x, requires_grad=True)
                y = call(tensor)
                y.backward(g)
                results.append((y.numpy().tobytes(), tensor.grad.tobytes()))
    finally:
        sl.set_num_threads(before)
    assert results[:3] == results[3:6] == results[6:]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("memory", ["contiguous", "channels-last"])
@pytest.mark.parametrize("function", [
    lambda x: sl.batch_norm(x, None, None, training=True), lambda x: sl.group_norm(x, 4), sl.instance_norm,
    lambda x: sl.layer_norm(x, x.shape[1:]),
])  # fmt: skip
def test_memory_for_the_result_and_a_few_strips(function, memory, dtype):
    """Neither pass copies the input, in no memory order and no dtype; the tape keeps x and a number per channel."""
    x = sl.Tensor(arranged(np.ones((16, 32, 48, 64), dtype), memory), requires_grad=True)
    grad = arranged(np.ones(x.shape, dtype), memory)
    function(x).backward(grad)
    x.grad, threads = None, sl.get_num_threads()
    sl.set_num_threads(1)
    tracemalloc.start()
    try:
        y = function(x)
        forward = tracemalloc.get_traced_memory()[1]
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        y.backward(grad)
        backward = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        sl.set_num_threads(threads)
    one, strip = x.data.nbytes, 512 * 1024  # of layer norm a strip is one row, here of 400 kB
    assert kept < one + 100_000
    assert forward < one + 3 * strip
    assert backward < 2 * one + 5 * strip


def test_an_outlier_at_the_start_costs_few_digits():
    """The shift is a mean of some values at the start: wherever those lie, the variance is known to float32."""
    x = np.full((2, 1, 100, 100), 1, np.float32)
    x[:, :, 50:] += np.random.default_rng(0).standard_normal((2, 1, 50, 100)).astype(np.float32)
    x[0, 0, 0, 0] = 1e4
    y = sl.batch_norm(x, None, None, training=True)
    np.testing.assert_allclose(y, by_definition(x, whole_channel), rtol=2e-5, atol=1e-7)


def test_a_constant_channel_becomes_its_bias():
    x = np.full((4, 2, 5, 5), 1234.567, np.float32)
    y = sl.batch_norm(x, None, None, np.ones(2, np.float32), np.array([1, 2], np.float32), True)
    np.testing.assert_allclose(y[:, 0], 1, atol=1e-6)
    np.testing.assert_allclose(y[:, 1], 2, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_running_statistics_of_a_batch(dtype, momentum):
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (4, 3, 5, 2)).astype(dtype)
    mean, variance = rng.standard_normal(3).astype(dtype), rng.uniform(1, 2, 3).astype(dtype)
    before = mean.astype(np.float64), variance.astype(np.float64)
    sl.batch_norm(x, mean, variance, training=True, momentum=momentum)
    values = np.moveaxis(x.astype(np.float64), 1, 0).reshape(3, -1)
    allowed = 2e-3 if dtype == np.float16 else 1e-6
    np.testing.assert_allclose(mean, (1 - momentum) * before[0] + momentum * values.mean(1), rtol=allowed)
    np.testing.assert_allclose(variance, (1 - momentum) * before[1] + momentum * values.var(1, ddof=1), rtol=allowed)
    assert mean.dtype == variance.dtype == dtype


def test_running_statistics_of_instances():
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (4, 3, 5, 2))
    mean, variance = np.zeros(3), np.ones(3)
    sl.instance_norm(x, mean, variance, momentum=0.25)
    values = x.reshape(4, 3, -1)
    np.testing.assert_allclose(mean, 0.25 * values.mean(2).mean(0))
    np.testing.assert_allclose(variance, 0.75 + 0.25 * values.var(2, ddof=1).mean(0))


@pytest.mark.parametrize("function", [sl.batch_norm, sl.instance_norm])
def test_running_statistics_are_used_and_kept_in_evaluation(function):
    rng = np.random.default_rng(0)
    x, mean, variance = rng.standard_normal((2, 3, 4)), rng.standard_normal(3), rng.uniform(1, 2, 3)
    weight, bias = rng.standard_normal((2, 3))
    before = snapshot(mean, variance)
    y = function(x, mean, variance, weight, bias, False, eps=0.1)
    np.testing.assert_allclose(y, by_definition(x, None, weight, bias, (mean, variance), eps=0.1), rtol=1e-12)
    assert snapshot(mean, variance) == before
    one = function(x[:1, :, :1], mean, variance, weight, bias, False, eps=0.1)
    np.testing.assert_allclose(one, y[:1, :, :1], rtol=1e-14)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0), (0, 3)])
def test_nothing_to_normalise(shape):
    mean, variance = np.zeros(3), np.ones(3)
    x, weight, bias = (
        sl.Tensor(np.ones(shape), requires_grad=True),
        *(sl.Tensor(np.ones(3), requires_grad=True) for _ in range(2)),
    )
    y = sl.batch_norm(x, mean, variance, weight, bias, True)
    y.backward(np.ones(shape))
    assert y.shape == x.grad.shape == shape
    assert not weight.grad.any()
    assert not bias.grad.any()
    assert (mean.tolist(), variance.tolist()) == ([0] * 3, [1] * 3)


def test_nan_and_infinity_stay_in_their_channel():
    x = np.random.default_rng(0).standard_normal((2, 3, 8))
    x[0, 1, 0], x[0, 2, 0] = np.nan, np.inf
    y = sl.batch_norm(x, None, None, training=True)
    assert np.isfinite(y[:, 0]).all()
    assert np.isnan(y[:, 1]).all()
    assert np.isnan(y[0, 2, 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_half_computes_in_single(dtype):
    x = np.random.default_rng(0).normal(100, 1, (8, 2, 64, 64)).astype(dtype)  # 32,768 values: no sum in float16
    tensor = sl.Tensor(x, requires_grad=True)
    y = sl.batch_norm(tensor, None, None, training=True)
    y.backward(np.ones_like(x))
    assert y.dtype == tensor.grad.dtype == dtype
    np.testing.assert_allclose(y.numpy(), by_definition(x, whole_channel), atol=4e-3 if dtype == np.float16 else 1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("call", [
    lambda x, w, b: sl.batch_norm(x, None, None, w, b, True),
    lambda x, w, b: sl.batch_norm(x, np.full(4, -np.inf), np.full(4, -1.0), w, b),
    lambda x, w, b: sl.group_norm(x, 2, w, b),
    lambda x, w, b: sl.instance_norm(x, None, None, w, b),
    lambda x, w, b: sl.layer_norm(x, 4, w, b),
    lambda x, w, b: sl.rms_norm(x, 4, w),
    lambda x, w, b: sl.local_response_norm(x, 2, 1.0, -2.0),
])  # fmt: skip
def test_no_value_makes_a_warning(call, dtype):
    """Warnings are errors here: what is too large becomes infinite, and differences of infinities NaN, unsaid."""
    largest = np.finfo(dtype).max
    special = np.array([0, 1, largest, -largest, np.inf, -np.inf, np.nan, np.finfo(dtype).tiny], dtype)
    rng = np.random.default_rng(0)
    for values in (special, special[:4], special[[0, -1]]):
        for _ in range(5):
            tensors = [sl.Tensor(rng.choice(values, shape), requires_grad=True) for shape in ((3, 4, 4), 4, 4)]
            call(*tensors).backward(rng.choice(values, (3, 4, 4)))


X = np.ones((2, 4, 3))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: sl.batch_norm(np.ones((1, 4)), None, None, training=True),
     r"Batch norm in training needs more than 1 value per channel, but the input has shape \(1, 4\)"),
    (lambda: sl.instance_norm(np.ones((5, 4, 1))), r"more than 1 value per channel of an image.* \(5, 4, 1\)"),
    (lambda: sl.instance_norm(np.ones((5, 4))), r"Instance norm needs a spatial axis.* \(5, 4\)"),
    (lambda: sl.group_norm(X, 3), "num_groups must divide the channels, but 3 does not divide 4"),
    (lambda: sl.group_norm(np.ones((1, 4)), 4), "more than 1 value per group"),
    (lambda: sl.batch_norm(np.ones(4), None, None, training=True), r"input must be \(N, C, \*spatial\)"),
    (lambda: sl.batch_norm(X, None, None, np.ones(3), training=True), r"weight .* shape \(4,\), .* \(3,\)"),
    (lambda: sl.batch_norm(X, np.ones(3), np.ones(4)), r"running_mean must have one entry per channel"),
])  # fmt: skip
def test_wrong_shapes(call, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        call()


def test_running_statistics_must_be_there_and_writable():
    with pytest.raises(ValueError, match="unless training"):
        sl.batch_norm(X, None, None)
    with pytest.raises(ValueError, match="both or neither"):
        sl.batch_norm(X, np.ones(4), None, training=True)
    with pytest.raises(TypeError, match="running_mean is written to"):
        sl.batch_norm(X, [0.0] * 4, np.ones(4), training=True)
    read_only = np.ones(4)
    read_only.flags.writeable = False
    with pytest.raises(TypeError, match="running_var is written to"):
        sl.batch_norm(X, np.ones(4), read_only, training=True)


@pytest.mark.parametrize(("options", "error"), [
    ({"eps": "small"}, TypeError), ({"eps": np.inf}, ValueError), ({"momentum": None}, TypeError),
    ({"momentum": np.nan}, ValueError), ({"training": 1}, TypeError),
    ({"weight": np.ones(4, np.float32)}, TypeError),
])  # fmt: skip
def test_wrong_values(options, error):
    with pytest.raises(error):
        sl.batch_norm(X, None, None, **{"training": True, **options})


def test_running_statistics_may_be_tensors():
    mean, variance = sl.Tensor(np.zeros(4)), sl.Tensor(np.ones(4))
    sl.batch_norm(X * 5, mean, variance, training=True)
    np.testing.assert_allclose(mean.numpy(), 0.5)
    assert type(sl.batch_norm(X, mean, variance)) is np.ndarray
