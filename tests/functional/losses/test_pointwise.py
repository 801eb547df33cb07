"""Losses of each element: values from their definitions, gradients from differences, extremes, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
REDUCTIONS = ("mean", "sum", "none")
few = settings(max_examples=40)


def huber(d, delta):
    return d * d / 2 if d <= delta else delta * (d - delta / 2)


def log(p):
    return max(math.log(p), -100) if p > 0 else -100.0


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def kl(x, t):
    return t * (math.log(t) - x) if t else 0.0


def reals(rng, shape):
    return rng.standard_normal(shape) * 3


def shares(rng, shape):
    return rng.uniform(0.01, 0.99, shape)


#: name -> (the function, its definition for two of Python's floats, what draws inputs and targets)
LOSSES = {
    "mse_loss": (sl.mse_loss, lambda x, t: (x - t) ** 2, reals, reals),
    "l1_loss": (sl.l1_loss, lambda x, t: abs(x - t), reals, reals),
    "huber_loss": (sl.huber_loss, lambda x, t: huber(abs(x - t), 1), reals, reals),
    "huber_loss 2.5": (
        lambda x, t, reduction: sl.huber_loss(x, t, reduction, 2.5), lambda x, t: huber(abs(x - t), 2.5), reals, reals
    ),
    "smooth_l1_loss": (sl.smooth_l1_loss, lambda x, t: huber(abs(x - t), 1), reals, reals),
    "smooth_l1_loss 2.5": (
        lambda x, t, reduction: sl.smooth_l1_loss(x, t, reduction, 2.5),
        lambda x, t: huber(abs(x - t), 2.5) / 2.5, reals, reals,
    ),
    "smooth_l1_loss 0": (
        lambda x, t, reduction: sl.smooth_l1_loss(x, t, reduction, 0), lambda x, t: abs(x - t), reals, reals
    ),
    "binary_cross_entropy": (
        lambda x, t, reduction: sl.binary_cross_entropy(x, t, reduction=reduction),
        lambda x, t: -(t * math.log(x) + (1 - t) * math.log1p(-x)), shares, shares,
    ),
    "binary_cross_entropy_with_logits": (
        lambda x, t, reduction: sl.binary_cross_entropy_with_logits(x, t, reduction=reduction),
        lambda x, t: t * softplus(-x) + (1 - t) * softplus(x), reals, shares,
    ),
    "kl_div": (sl.kl_div, kl, reals, shares),
    "kl_div of logarithms": (
        lambda x, t, reduction: sl.kl_div(x, t, reduction, True), lambda x, t: math.exp(t) * (t - x), reals, reals
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@few
@given(shape=SHAPES, seed=SEEDS)
def test_values_and_gradients(name, reduction, shape, seed):
    function, by_hand, draw_input, draw_target = LOSSES[name]
    rng = np.random.default_rng(seed)
    x, target = np.asarray(draw_input(rng, shape)), np.asarray(draw_target(rng, shape))
    each = [by_hand(a, b) for a, b in zip(x.ravel().tolist(), target.ravel().tolist())]
    result = function(x, target, reduction=reduction)
    assert type(result) is np.ndarray
    if reduction == "none":
        assert result.shape == shape
        np.testing.assert_allclose(result.ravel(), each, rtol=1e-12, atol=1e-15)
    elif reduction == "mean" and not each:
        assert np.isnan(result)
    else:
        expected = math.fsum(each) / (len(each) if reduction == "mean" else 1)
        assert result == pytest.approx(expected, rel=1e-11, abs=1e-13)
    np.testing.assert_array_equal(function(sl.Tensor(x), sl.Tensor(target), reduction=reduction).numpy(), result)
    kinks = np.abs(np.abs(x - target)[..., None] - [0, 1, 2.5]).min(initial=1)
    if each and kinks > 1e-4:
        check_gradients(lambda x, t: function(x, t, reduction=reduction), x, target, seed=seed)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtype_is_kept_and_half_computes_in_single(name, dtype):
    function, by_hand, draw_input, draw_target = LOSSES[name]
    rng = np.random.default_rng(0)
    x, target = draw_input(rng, (64, 64)).astype(dtype), draw_target(rng, (64, 64)).astype(dtype)
    tensors = [sl.Tensor(a, requires_grad=True) for a in (x, target)]
    loss = function(*tensors, reduction="mean")
    loss.backward()
    assert loss.dtype == tensors[0].grad.dtype == tensors[1].grad.dtype == dtype
    expected = np.mean([by_hand(float(a), float(b)) for a, b in zip(x.ravel(), target.ravel())])
    assert loss.item() == pytest.approx(expected, rel=1e-3 if dtype == np.float16 else 1e-5)


def test_a_sum_that_half_precision_cannot_hold_is_infinite():
    x = sl.Tensor(np.full(1000, 100, np.float16), requires_grad=True)
    loss = sl.mse_loss(x, np.zeros(1000, np.float16), "sum")
    assert np.isinf(loss.numpy())
    assert sl.mse_loss(x, np.zeros(1000, np.float16)).item() == 10000


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("memory", MEMORIES)
def test_any_memory(name, reduction, memory):
    function, _, draw_input, draw_target = LOSSES[name]
    rng = np.random.default_rng(0)
    plain = draw_input(rng, (2, 3, 4, 5)), draw_target(rng, (2, 3, 4, 5))
    arrays = [arranged(plain[0], memory), arranged(plain[1], "fortran")]
    plain = [a.astype(np.float64, order="C") for a in arrays]
    before = snapshot(*arrays)
    results = []
    for pair in (arrays, plain):
        tensors = [sl.Tensor(a, requires_grad=True) for a in pair]
        loss = function(*tensors, reduction=reduction)
        loss.backward(np.random.default_rng(1).standard_normal(loss.shape))
        results.append([loss.numpy(), *(t.grad for t in tensors)])
    for ours, expected in zip(*results):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15)
    assert snapshot(*arrays) == before


def test_derivatives_where_pieces_meet():
    x, t = sl.Tensor(np.array([-0.5, 0.0, 0.5]), requires_grad=True), np.zeros(3)
    for function, expected in (
        (lambda x: sl.l1_loss(x, t, "sum"), [-1, 0, 1]),
        (lambda x: sl.huber_loss(x, t, "sum", 0.5), [-0.5, 0, 0.5]),
        (lambda x: sl.smooth_l1_loss(x, t, "sum", 0.5), [-1, 0, 1]),
    ):
        x.grad = None
        function(x).backward()
        assert x.grad.tolist() == expected


def test_large_logits_neither_overflow_nor_lose_what_is_small():
    x = np.array([1e4, -1e4, 1e4, -1e4, 40.0, -40.0, 0.0])
    y = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.25])
    tensors = [sl.Tensor(a, requires_grad=True) for a in (x, y)]
    loss = sl.binary_cross_entropy_with_logits(*tensors, reduction="none")
    small = math.exp(-40)
    np.testing.assert_allclose(loss.numpy(), [0, 0, 1e4, 1e4, small, small, math.log(2)], rtol=1e-14)
    loss.sum().backward()
    np.testing.assert_allclose(tensors[0].grad, [0, 0, 1, -1, -small, small, 0.25], rtol=1e-14)
    np.testing.assert_allclose(tensors[1].grad, -x, rtol=1e-14)
    single = sl.binary_cross_entropy_with_logits(x.astype(np.float32), y.astype(np.float32), reduction="none")
    np.testing.assert_allclose(single, loss.numpy(), rtol=1e-6)


def test_certain_probabilities_cost_100_at_most():
    x = sl.Tensor(np.array([0.0, 1.0, 0.0, 1.0, 0.5]), requires_grad=True)
    y = sl.Tensor(np.array([1.0, 0.0, 0.0, 1.0, 0.5]), requires_grad=True)
    loss = sl.binary_cross_entropy(x, y, reduction="none")
    np.testing.assert_allclose(loss.numpy(), [100, 100, 0, 0, math.log(2)], rtol=1e-15)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, [-1e12, 1e12, 0, 0, 0])
    np.testing.assert_allclose(y.grad, [100, -100, 100, -100, 0], atol=1e-15)


@few
@given(shape=st.lists(st.integers(1, 3), max_size=3).map(tuple), reduction=st.sampled_from(REDUCTIONS), seed=SEEDS)
def test_weights_of_binary_cross_entropy(shape, reduction, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(shape), rng.random(shape)
    kept = shape[rng.integers(0, len(shape) + 1) :]
    weight = rng.uniform(0.5, 2, [n if rng.random() < 0.5 else 1 for n in kept])
    pos_weight = rng.uniform(0.5, 2, shape[-1:])
    w, p = (np.broadcast_to(a, shape) for a in (weight, pos_weight))
    each = np.empty(shape)
    for at in np.ndindex(shape):
        each[at] = w[at] * (p[at] * y[at] * softplus(-x[at]) + (1 - y[at]) * softplus(x[at]))
    expected = {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]
    call = sl.binary_cross_entropy_with_logits
    np.testing.assert_allclose(call(x, y, weight, reduction, pos_weight), expected, rtol=1e-12)
    check_gradients(lambda x, y: call(x, y, weight, reduction, pos_weight), x, y, seed=seed)
    shares = 1 / (1 + np.exp(-x))
    without = call(x, y, weight, reduction)
    np.testing.assert_allclose(sl.binary_cross_entropy(shares, y, weight, reduction), without, rtol=1e-9)
    check_gradients(lambda x, y: sl.binary_cross_entropy(x, y, weight, reduction), shares, y, seed=seed)


def test_batchmean_is_the_divergence_of_distributions():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(5), 4), rng.dirichlet(np.ones(5), 4)
    divergence = np.mean([sum(a * math.log(a / b) for a, b in zip(r, s)) for r, s in zip(p, q)])
    assert sl.kl_div(np.log(q), p, "batchmean") == pytest.approx(divergence, rel=1e-12)
    assert sl.kl_div(np.log(q), np.log(p), "batchmean", log_target=True) == pytest.approx(divergence, rel=1e-12)
    assert sl.kl_div(np.log(0.5), np.array(0.25), "batchmean") == pytest.approx(0.25 * math.log(0.5), rel=1e-12)


def test_a_target_of_0_costs_nothing():
    x = sl.Tensor(np.array([-3.0, 2.0]), requires_grad=True)
    loss = sl.kl_div(x, np.array([0.0, 1.0]), "none")
    assert loss.numpy().tolist() == [0, -2]
    loss.sum().backward()
    assert x.grad.tolist() == [0, -1]


@pytest.mark.parametrize("name", LOSSES)
def test_nan_stays_nan_and_where_it_is(name):
    function, _, draw_input, draw_target = LOSSES[name]
    rng = np.random.default_rng(0)
    for wrong in (0, 1):
        arrays = [draw_input(rng, 4), draw_target(rng, 4)]
        arrays[wrong][2] = np.nan
        assert np.isnan(function(*arrays, reduction="none")).tolist() == [False, False, True, False]
        assert np.isnan(function(*arrays, reduction="mean"))


@pytest.mark.parametrize("name", LOSSES)
def test_infinities_are_not_warned_of(name):
    function, _, draw_input, draw_target = LOSSES[name]
    rng = np.random.default_rng(0)
    if draw_input is reals:
        for reduction in ("none", "mean"):
            x = sl.Tensor(np.array([np.inf, -np.inf, 1e300, -1e300]), requires_grad=True)
            loss = function(x, sl.Tensor(draw_target(rng, 4), requires_grad=True), reduction=reduction)
            loss.backward(np.ones(loss.shape))
            assert not np.all(np.isfinite(loss.numpy()))


def test_a_weight_of_0_times_an_infinite_loss_is_nan_without_a_warning():
    x, y = sl.Tensor(np.array([-np.inf, 1.0]), requires_grad=True), np.ones(2)
    loss = sl.binary_cross_entropy_with_logits(x, y, np.array([0.0, 1.0]), "none")
    loss.backward(np.ones(2))
    assert np.isnan(loss.numpy()).tolist() == [True, False]


ONE = np.ones(3)
BCE, LOGITS = sl.binary_cross_entropy, sl.binary_cross_entropy_with_logits


@pytest.mark.parametrize("function", [
    sl.mse_loss, sl.l1_loss, sl.smooth_l1_loss, sl.huber_loss, BCE, LOGITS, sl.kl_div
])  # fmt: skip
def test_nothing_is_broadcast(function):
    with pytest.raises(sl.errors.ShapeError, match=r"same shape, but they have \(3, 1\) and \(3,\); \w+ does not"):
        function(np.ones((3, 1)), ONE)
    with pytest.raises(TypeError, match="input is float64, target is float32"):
        function(ONE, ONE.astype(np.float32))
    with pytest.raises(TypeError, match="target must be a float16, float32 or float64 array"):
        function(ONE, ONE.astype(int))
    for wrong in ("average", None, 1):
        with pytest.raises(ValueError, match="reduction must be"):
            function(ONE, ONE, reduction=wrong)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: sl.smooth_l1_loss(ONE, ONE, beta=-1), ValueError, "beta must be at least 0, but got -1"),
    (lambda: sl.smooth_l1_loss(ONE, ONE, beta="1"), TypeError, "beta must be a number"),
    (lambda: sl.huber_loss(ONE, ONE, delta=0), ValueError, "delta must be greater than 0, but got 0"),
    (lambda: sl.kl_div(ONE, ONE, log_target=1), TypeError, "log_target must be True or False, but got 1"),
    (lambda: sl.mse_loss(ONE, ONE, "batchmean"), ValueError, '"mean", "sum" or "none", but got \'batchmean\''),
    (lambda: BCE(ONE * 1.5, ONE), ValueError, "from 0 to 1, but it has 1.5 to 1.5; for logits there is"),
    (lambda: BCE(ONE, ONE, np.ones(2)), ValueError, r"must broadcast to the input's shape \(3,\), but .* \(2,\)"),
    (lambda: BCE(ONE, ONE, np.ones((2, 3))), ValueError, "weight must broadcast to the input's shape"),
    (lambda: LOGITS(ONE, ONE, pos_weight=np.ones(2)), ValueError, "pos_weight must broadcast"),
    (lambda: LOGITS(ONE, ONE, ONE.astype(np.float32)), TypeError, "weight is float32"),
    (lambda: LOGITS(ONE, ONE, sl.Tensor(ONE, True)), ValueError, r"weight is a constant .* pass weight\.detach"),
    (lambda: LOGITS(ONE, ONE, pos_weight=sl.Tensor(ONE, True)), ValueError, r"pass pos_weight\.detach"),
])  # fmt: skip
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
