"""Layer norm and RMS norm, against their definitions; gradients are in gradient_cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot


def by_definition(x, axes, weight=None, bias=None, eps=1e-5, centred=True):
    x = np.asarray(x, np.float64)
    y = np.empty_like(x)
    for where in np.ndindex(x.shape[: x.ndim - axes]):
        d = x[where] - (x[where].mean() if centred else 0)
        y[where] = d / np.sqrt((d**2).mean() + eps)
    return y * (1 if weight is None else weight) + (0 if bias is None else bias)


@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    memory=st.sampled_from([m for m in MEMORIES if m != "channels-last"]),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_values_and_gradients(shape, memory, seed, data):
    axes = data.draw(st.integers(1, len(shape)))
    normalized = shape[len(shape) - axes :]
    rng = np.random.default_rng(seed)
    x = arranged(rng.normal(2, 3, shape), memory)
    weight, bias = (
        arranged(rng.standard_normal(normalized), data.draw(st.sampled_from(["contiguous", "fortran"]))) for _ in "wb"
    )
    before = snapshot(x, weight, bias)
    y = sl.layer_norm(x, normalized, weight, bias)
    np.testing.assert_allclose(y, by_definition(x, axes, weight, bias), rtol=1e-7, atol=1e-7)
    z = sl.rms_norm(x, normalized, weight, 0.5)
    np.testing.assert_allclose(z, by_definition(x, axes, weight, eps=0.5, centred=False), rtol=1e-9, atol=1e-12)
    assert snapshot(x, weight, bias) == before
    check_gradients(lambda x, w, b: sl.layer_norm(x, normalized, w, b, 0.5), x, weight, bias, seed=seed, rtol=1e-5)
    check_gradients(lambda x, w: sl.rms_norm(x, normalized, w, 0.5), x, weight, seed=seed, rtol=1e-5)


@pytest.mark.parametrize("memory", ["contiguous", "channels-last", "fortran"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_memory_order_is_kept(memory, axes):
    x = arranged(np.random.default_rng(0).standard_normal((3, 4, 5, 6)), memory)
    tensor = sl.Tensor(x, requires_grad=True)
    y = sl.layer_norm(tensor, x.shape[-axes:])
    y.backward(np.ones_like(x))
    assert y.data.strides == x.strides
    assert tensor.grad.strides == x.strides
    np.testing.assert_allclose(y.numpy(), by_definition(x, axes), atol=1e-12)


@pytest.mark.parametrize("shape", [(5000, 7), (3, 90_000), (1, 1)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_several_strips_and_every_dtype(shape, dtype):
    x = np.random.default_rng(0).normal(1, 2, shape).astype(dtype)
    allowed = {np.float16: 4e-3, np.float32: 2e-6, np.float64: 1e-12}[dtype]
    for y, expected in (
        (sl.layer_norm(x, shape[1]), by_definition(x, 1)),
        (sl.rms_norm(x, shape[1], eps=1e-5), by_definition(x, 1, centred=False)),
    ):
        assert y.dtype == dtype
        np.testing.assert_allclose(y, expected, rtol=allowed, atol=allowed)


def test_a_mean_ten_thousand_times_the_deviation_costs_no_digits():
    rng = np.random.default_rng(0)
    x, g = (1e4 + rng.standard_normal((20, 500))).astype(np.float32), rng.standard_normal((20, 500))
    np.testing.assert_allclose(sl.layer_norm(x, 500), by_definition(x, 1), rtol=0, atol=3e-6)
    gradients = []
    for dtype in (np.float32, np.float64):
        tensor = sl.Tensor(x.astype(dtype), requires_grad=True)
        sl.layer_norm(tensor, 500).backward(g.astype(dtype))
        gradients.append(tensor.grad)
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-5)


def test_a_missing_eps_of_rms_norm_is_that_of_the_dtype():
    for dtype in (np.float16, np.float32, np.float64):
        x = np.full((1, 2), np.finfo(dtype).eps ** 0.5, dtype)
        np.testing.assert_allclose(sl.rms_norm(x, 2), 0.5**0.5, rtol=1e-3)
    with pytest.raises(TypeError, match="eps"):
        sl.layer_norm(x, 2, eps=None)


@pytest.mark.parametrize(("shape", "normalized"), [((0, 3), 3), ((2, 0), 0), ((2, 0, 3), (0, 3))])
def test_nothing_to_normalise(shape, normalized):
    x, weight = sl.Tensor(np.ones(shape), requires_grad=True), sl.Tensor(np.ones(normalized), requires_grad=True)
    y = sl.layer_norm(x, normalized, weight)
    y.backward(np.ones(shape))
    assert y.shape == x.grad.shape == shape
    assert not weight.grad.any()


@pytest.mark.parametrize(("arguments", "message"), [
    ((np.ones((2, 3)), 4), r"input must end with normalized_shape \(4,\), but its shape is \(2, 3\)"),
    ((np.ones(3), (2, 3)), r"input must end with normalized_shape \(2, 3\)"),
    ((np.ones((2, 3)), 3, np.ones(2)), r"weight must have normalized_shape \(3,\), but its shape is \(2,\)"),
    ((np.ones((2, 3)), 3, None, np.ones((1, 3))), r"bias must have normalized_shape \(3,\)"),
    ((np.ones((2, 3)), ()), "at least one axis"),
])  # fmt: skip
def test_wrong_shapes(arguments, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        sl.layer_norm(*arguments)


def test_wrong_types():
    for arguments in ((None, 3), (np.ones((2, 3)), 3.0), (np.ones((2, 3)), 3, np.ones(3, np.float32))):
        with pytest.raises(TypeError):
            sl.layer_norm(*arguments)
