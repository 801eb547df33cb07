import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import nn, optim
from sevenloops.autograd import Tensor
from sevenloops.clipping import clip_grad_norm_, clip_grad_value_
from sevenloops.nn import Parameter


def test_it_is_where_users_of_pytorch_look_for_it():
    assert nn.utils.clip_grad_norm_ is optim.clip_grad_norm_ is clip_grad_norm_
    assert nn.utils.clip_grad_value_ is optim.clip_grad_value_ is clip_grad_value_


def with_gradients(*gradients):
    params = [Parameter(np.zeros(np.shape(g), np.asarray(g).dtype)) for g in gradients]
    for p, g in zip(params, gradients, strict=True):
        p.grad = np.array(g)
    return params


def norm_of(gradients, order):
    """The definition, element by element in Python floats."""
    elements = [abs(float(e)) for g in gradients for e in np.ravel(g)]
    if order == math.inf:
        return max(elements, default=0.0)
    return math.fsum(e**order for e in elements) ** (1 / order)


@given(
    st.lists(st.sampled_from([(3, 2), (5,), (), (0, 4), (40, 1000)]), max_size=4),
    st.sampled_from([0.5, 1, 2.0, 3, math.inf]),
    st.sampled_from([0.0, 0.1, 3.0, 1e9, math.inf]),
    st.integers(0, 2**32),
)
def test_the_norm_is_returned_and_then_at_most_the_limit(shapes, order, limit, seed):
    rng = np.random.default_rng(seed)
    gradients = [np.asarray(rng.normal(size=shape)) for shape in shapes]
    params = with_gradients(*gradients)
    held = [p.grad for p in params]
    expected = norm_of(gradients, order)
    norm = clip_grad_norm_(params, limit, order)
    assert type(norm) is float
    assert norm == pytest.approx(expected, rel=1e-12, abs=0)
    factor = min(limit / (expected + 1e-6), 1.0)
    for p, gradient, array in zip(params, gradients, held, strict=True):
        assert p.grad is array
        np.testing.assert_allclose(p.grad, gradient * factor, rtol=1e-12, atol=0)
        if factor == 1:
            np.testing.assert_array_equal(p.grad, gradient)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_it_is_computed_in_float64(dtype):
    params = with_gradients(np.full(100_000, 0.1, dtype), np.full(3, np.finfo(dtype).max, dtype))
    big = float(np.finfo(dtype).max)
    norm = clip_grad_norm_(params, 1.0)
    assert norm == pytest.approx(math.sqrt(3) * big, rel=1e-7)
    assert params[0].grad.dtype == dtype
    np.testing.assert_allclose(params[1].grad, np.full(3, 3**-0.5), rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, 7.5])
def test_powers_may_leave_float64(scale, order):
    gradient = np.random.default_rng(0).normal(size=50)
    (p,) = with_gradients(gradient * scale)
    assert clip_grad_norm_(p, math.inf, order) == pytest.approx(scale * norm_of([gradient], order), rel=1e-12)


def test_a_norm_may_leave_float64_where_no_element_does():
    (p,) = with_gradients(np.full(100, 1e307))
    assert clip_grad_norm_(p, math.inf, 0.5) == math.inf
    (p,) = with_gradients(np.full(100, 1e307))
    assert clip_grad_norm_(p, math.inf, 1) == math.inf


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite(order, bad):
    gradients = [np.array([1.0, bad, 2.0]), np.array([[3.0]])]
    params = with_gradients(*gradients)
    with pytest.raises(
        RuntimeError, match=rf"^The {order:g}-norm of the gradients must be finite .* it is (nan|inf);"
    ):
        clip_grad_norm_(params, 1.0, order, error_if_nonfinite=True)
    for p, gradient in zip(params, gradients, strict=True):
        np.testing.assert_array_equal(p.grad, gradient)
    norm = clip_grad_norm_(params, 1.0, order)
    if math.isnan(bad):
        assert math.isnan(norm)
        assert all(np.isnan(p.grad).all() for p in params)
    else:
        assert norm == math.inf
        np.testing.assert_array_equal(params[0].grad, [0, math.nan, 0])
        np.testing.assert_array_equal(params[1].grad, [[0]])


def test_only_gradients_count():
    p, q = with_gradients([3.0], [4.0])
    without = Parameter(np.ones(2))
    assert clip_grad_norm_(iter([p, without, q, p]), 1.0) == 5.0  # one that is there twice counts once
    np.testing.assert_allclose([p.grad[0], q.grad[0]], [0.6, 0.8], rtol=1e-6)
    clip_grad_value_(without, 1.0)
    assert without.grad is None
    assert clip_grad_norm_([], 1.0) == clip_grad_norm_([without], 1.0) == 0.0


def test_a_gradient_that_two_share_is_scaled_once():
    p, q = with_gradients([3.0], [3.0])
    q.grad = p.grad
    assert clip_grad_norm_([p, q], math.sqrt(18) / 2) == pytest.approx(math.sqrt(18))
    np.testing.assert_allclose(p.grad, [1.5], rtol=1e-6)
    assert q.grad is p.grad


@pytest.mark.parametrize("read_only", [False, True])
def test_any_memory(read_only):
    base = np.random.default_rng(0).normal(size=(6, 8))
    for view in (base.T, base[::-2, 1::3], np.broadcast_to(base[0], (3, 8)) if read_only else base):
        p = Tensor(np.zeros(view.shape), requires_grad=True)
        for clip in (lambda p: clip_grad_norm_(p, 0.5), lambda p: clip_grad_value_(p, 0.5)):
            p.grad = view if read_only else np.copy(view, order="K")
            if read_only:
                p.grad = view.view()
                p.grad.flags.writeable = False
            before = np.array(view)
            clip(p)
            if clip(p) is not None:
                np.testing.assert_allclose(p.grad, before * 0.5 / norm_of([before], 2), rtol=1e-5)
            else:
                np.testing.assert_array_equal(p.grad, before.clip(-0.5, 0.5))
            np.testing.assert_array_equal(view, before)


def test_values_are_cut_in_place_and_nan_stays():
    (p,) = with_gradients([-3.0, -0.5, math.nan, 0.5, math.inf])
    held = p.grad
    clip_grad_value_(p, 0.75)
    assert p.grad is held
    np.testing.assert_array_equal(held, [-0.75, -0.5, math.nan, 0.5, 0.75])


@pytest.mark.parametrize("clip", [lambda p: clip_grad_norm_(p, 0.5), lambda p: clip_grad_value_(p, 0.5)])
def test_no_temporaries_as_large_as_a_gradient(clip):
    (p,) = with_gradients(np.ones(1_000_000, np.float32))
    tracemalloc.start()
    try:
        clip(p)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize(
    ("clip", "error", "words"),
    [
        (lambda p: clip_grad_norm_(p, -1), ValueError, "max_norm must be at least 0, but got -1"),
        (lambda p: clip_grad_norm_(p, math.nan), ValueError, "max_norm .* nan"),
        (lambda p: clip_grad_norm_(p, "1"), TypeError, "max_norm must be a number, but got '1'"),
        (lambda p: clip_grad_norm_(p, None), TypeError, "max_norm must be a number, but got None"),
        (lambda p: clip_grad_norm_(p, 1, 0), ValueError, "norm_type must be more than 0, but got 0"),
        (lambda p: clip_grad_norm_(p, 1, -2), ValueError, "norm_type"),
        (lambda p: clip_grad_value_(p, -1), ValueError, "clip_value must be at least 0, but got -1"),
        (lambda p: clip_grad_norm_([p, np.ones(1)], 1), TypeError, r"parameters\[1\] is a ndarray"),
    ],
)
def test_what_is_refused(clip, error, words):
    (p,) = with_gradients([3.0])
    with pytest.raises(error, match=words):
        clip(p)
    assert p.grad[0] == 3
