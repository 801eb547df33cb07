"""Losses: values from their definitions, one position at a time; gradients from differences and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot

SEEDS = st.integers(0, 2**32 - 1)
REDUCTIONS = ("mean", "sum", "none")


def log_softmax_by_hand(z):
    largest = max(z)
    return [(v - largest) - math.log(sum(math.exp(w - largest) for w in z)) for v in z]


def positions(x):
    """Yield where each position is among the losses, and the index of its logits."""
    if x.ndim == 1:
        yield (), (slice(None),)
        return
    for where in np.ndindex((x.shape[0], *x.shape[2:])):
        yield where, (where[0], slice(None), *where[1:])


def loss_shape(x):
    return () if x.ndim == 1 else (x.shape[0], *x.shape[2:])


def cross_entropy_by_hand(x, target, weight, ignore_index, reduction, smoothing):
    """Follow the definition for each position: a mixture of the target and of all classes alike, weighted."""
    target = np.asarray(target)
    classes = x.shape[min(1, x.ndim - 1)]
    weight = [1.0] * classes if weight is None else weight
    losses, share = np.zeros(loss_shape(x)), 0.0
    for where, at in positions(x):
        log_p = log_softmax_by_hand([float(v) for v in x[at]])
        if target.dtype.kind == "f":
            q, share = target[at], share + 1
        elif target[where] == ignore_index:
            continue
        else:
            q, share = np.eye(classes)[target[where]], share + weight[target[where]]
        for c in range(classes):
            mixed = (1 - smoothing) * q[c] + smoothing / classes
            losses[where] -= weight[c] * mixed * log_p[c]
    if reduction == "none":
        return losses
    return losses.sum() / share if reduction == "mean" else losses.sum()


@st.composite
def calls(draw, probabilities):
    """Return the arguments of a call of cross_entropy; at least one position counts."""
    seed = draw(SEEDS)
    rng = np.random.default_rng(seed)
    classes = draw(st.integers(1, 5))
    lead = draw(st.sampled_from([(), (1,), (4,), (2, 3), (2, 1, 3)]))
    shape = (*lead[:1], classes, *lead[1:])
    x = rng.standard_normal(shape) * 3
    weight = rng.uniform(0.1, 2, classes) if draw(st.booleans()) else None
    options = {
        "reduction": draw(st.sampled_from(REDUCTIONS)),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "ignore_index": -100,
    }
    if probabilities:
        return x, rng.random(shape), weight, options, seed
    target = rng.integers(classes, size=lead)
    options["ignore_index"] = draw(st.sampled_from([-100, 0, classes - 1, 255]))
    ignored = rng.random(lead) < draw(st.sampled_from([0, 0.5]))
    target = np.where(ignored, options["ignore_index"], target)
    if target.size:
        target[(0,) * target.ndim] = (options["ignore_index"] == 0) % classes  # this one counts, unless C is 1
    if np.all(target == options["ignore_index"]):
        options["ignore_index"] = -100
        target = np.zeros_like(target)
    return x, target.astype(draw(st.sampled_from([np.int64, np.int16]))), weight, options, seed


@given(call=calls(probabilities=False))
def test_cross_entropy_of_classes(call):
    x, target, weight, options, seed = call
    expected = cross_entropy_by_hand(
        x, target, weight, *(options[k] for k in ("ignore_index", "reduction", "label_smoothing"))
    )
    result = sl.cross_entropy(x, target, weight, **options)
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(
        sl.cross_entropy(sl.Tensor(x), sl.Tensor(target), weight, **options).numpy(), result
    )
    if x.shape[min(1, x.ndim - 1)] > 1:  # with one class the loss is 0, and so is the gradient but for rounding
        check_gradients(lambda x: sl.cross_entropy(x, target, weight, **options), x, seed=seed)


@given(call=calls(probabilities=True))
def test_cross_entropy_of_probabilities(call):
    x, target, weight, options, seed = call
    expected = cross_entropy_by_hand(
        x, target, weight, *(options[k] for k in ("ignore_index", "reduction", "label_smoothing"))
    )
    result = sl.cross_entropy(x, target, weight, **options)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-14)
    if x.shape[min(1, x.ndim - 1)] > 1:
        check_gradients(lambda x, t: sl.cross_entropy(x, t, weight, **options), x, target, seed=seed)


def test_a_known_value():
    """-log(e² / (e² + 2)) = log(1 + 2·e⁻²)."""
    loss = sl.cross_entropy(np.array([[2.0, 0.0, 0.0]]), np.array([0]))
    assert loss == pytest.approx(math.log(1 + 2 * math.exp(-2)), rel=1e-15)


def test_the_gradient_is_softmax_minus_one_hot_over_n():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((6, 4)), rng.integers(4, size=6)
    t = sl.Tensor(x, requires_grad=True)
    sl.cross_entropy(t, target).backward()
    for n in range(6):
        p = [math.exp(v) for v in log_softmax_by_hand([float(v) for v in x[n]])]
        np.testing.assert_allclose(t.grad[n], [(p[c] - (c == target[n])) / 6 for c in range(4)], rtol=1e-12)


def test_rows_of_very_different_size_are_stable():
    """One maximum for the whole batch would turn the second row into log 0."""
    x = sl.Tensor(np.array([[1e5, 0.0], [0.0, 1.0], [-1e5, -1e5]]), requires_grad=True)
    losses = sl.cross_entropy(x, [0, 1, 0], reduction="none")
    np.testing.assert_allclose(losses.numpy(), [0, math.log(1 + math.exp(-1)), math.log(2)], rtol=1e-14)
    losses.sum().backward()
    assert np.all(np.isfinite(x.grad))


def test_classes_masked_by_minus_infinity():
    x = sl.Tensor(np.array([[0.0, -np.inf, 0.0]]), requires_grad=True)
    loss = sl.cross_entropy(x, [0])
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    np.testing.assert_allclose(x.grad, [[-0.5, 0, 0.5]])


def test_infinite_logits_are_nan_without_a_warning():
    for target in (np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]])):
        x = sl.Tensor(np.array([[np.inf, 0.0], [0.0, 1.0]]), requires_grad=True)
        losses = sl.cross_entropy(x, target, reduction="none")
        losses.backward(np.ones(2))
        assert np.isnan(losses.numpy()).tolist() == [True, False]
        assert np.isnan(x.grad).all(1).tolist() == [True, False]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_to_learn_from(reduction):
    """A batch that is empty or ignored altogether: the mean is NaN, as in PyTorch, but no gradient is."""
    for x, target in ((np.zeros((0, 3)), np.zeros(0, int)), (np.zeros((2, 3)), np.array([-100, -100]))):
        t = sl.Tensor(x, requires_grad=True)
        loss = sl.cross_entropy(t, target, reduction=reduction)
        assert np.all(np.isnan(loss.numpy())) if reduction == "mean" else not loss.numpy().any()
        loss.backward(np.ones(loss.shape))
        assert t.grad.shape == x.shape
        assert not t.grad.any()


def test_a_mean_over_classes_without_weight_has_no_gradient():
    x = sl.Tensor(np.random.default_rng(0).standard_normal((2, 3)), requires_grad=True)
    loss = sl.cross_entropy(x, [0, 0], np.array([0.0, 1.0, 1.0]), label_smoothing=0.1)
    loss.backward()
    assert np.isnan(loss.item())
    assert not x.grad.any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtype_is_kept_and_half_computes_in_single(dtype):
    x = sl.Tensor(np.zeros((4096, 2), dtype), requires_grad=True)
    loss = sl.cross_entropy(x, np.zeros(4096, np.uint8), np.ones(2, dtype))
    loss.backward()
    assert loss.dtype == x.grad.dtype == dtype
    assert loss.item() == pytest.approx(math.log(2), rel=1e-3)
    y = sl.Tensor(np.full(4096, 2, dtype), requires_grad=True)
    error = sl.mse_loss(y, np.zeros(4096, dtype))
    error.backward()
    assert error.dtype == y.grad.dtype == dtype
    assert error.item() == 4


@pytest.mark.parametrize("memory", MEMORIES)
def test_any_memory(memory):
    rng = np.random.default_rng(0)
    x = arranged(rng.standard_normal((2, 3, 4)), memory)
    target = rng.integers(3, size=(2, 4))
    before = snapshot(x, target)
    t = sl.Tensor(x, requires_grad=True)
    loss = sl.cross_entropy(t, target[:, ::-1][:, ::-1])
    loss.backward()
    expected = cross_entropy_by_hand(x, target, None, -100, "mean", 0)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    plain = sl.Tensor(x.astype(np.float64, order="C"), requires_grad=True)
    sl.cross_entropy(plain, target).backward()
    np.testing.assert_allclose(t.grad, plain.grad, rtol=1e-13)
    assert snapshot(x, target) == before


@pytest.mark.parametrize(("arguments", "options", "error", "message"), [
    (([[1.0, 2.0]], [2]), {}, ValueError, r"from 0 to 1 \(or ignore_index -100\), but target\[0\] is 2"),
    (([[1.0, 2.0]] * 3, [0, -1, 5]), {}, ValueError, r"target\[1\] is -1"),
    (([1.0, 2.0], 2), {}, ValueError, r"but target is 2"),
    (([[1.0, 2.0]], [-100]), {"ignore_index": 0}, ValueError, r"target\[0\] is -100"),
    (([[1.0, 2.0]], [0, 1]), {}, ValueError, r"without its class axis, \(1,\), but their shape is \(2,\)"),
    (([[1.0, 2.0]], [[0]]), {}, ValueError, "without its class axis"),
    (([[1.0, 2.0]], [1.0]), {}, ValueError, r"taken as probabilities and must have the input's shape \(1, 2\)"),
    (([[1.0, 2.0]], [True]), {}, TypeError, "classes as integers or probabilities as float64, but its dtype is bool"),
    (([[1.0, 2.0]], np.ones((1, 2), np.float32)), {}, TypeError, "input is float64, target is float32"),
    (([[1.0, 2.0]], [0], [1.0]), {}, ValueError, r"one entry per class, shape \(2,\), but its shape is \(1,\)"),
    (([[1.0, 2.0]], [0], np.ones(2, np.float32)), {}, TypeError, "input is float64, weight is float32"),
    (([[1.0, 2.0]], [0], sl.Tensor([1.0, 1.0], True)), {}, ValueError, r"no gradient; pass weight\.detach"),
    (([[1, 2]], [0]), {}, TypeError, "input must be a float16, float32 or float64 array"),
    ((1.0, 0), {}, ValueError, r"\(N, C\), \(N, C, d1, …\) or \(C,\)"),
    ((np.ones((2, 0)), [0, 0]), {}, ValueError, "with C at least 1"),
    (([[1.0, 2.0]], [0]), {"reduction": "avg"}, ValueError, '"mean", "sum" or "none", but got \'avg\''),
    (([[1.0, 2.0]], [0]), {"label_smoothing": 1.5}, ValueError, "label_smoothing must be from 0 to 1, but got 1.5"),
    (([[1.0, 2.0]], [0]), {"label_smoothing": "0"}, TypeError, "label_smoothing must be a number"),
    (([[1.0, 2.0]], [0]), {"ignore_index": 0.5}, TypeError, "ignore_index must be an integer"),
    (([[1.0, 2.0]], [[0.5, 0.5]]), {"ignore_index": 0}, ValueError, "ignore_index is for target classes"),
])  # fmt: skip
def test_wrong_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        sl.cross_entropy(*arguments, **options)


# --- negative log-likelihood ----------------------------------------------------------------------------------------


@given(call=calls(probabilities=False))
def test_nll_loss_takes_what_log_softmax_returns(call):
    x, target, weight, options, seed = call
    del options["label_smoothing"]
    logp = np.empty_like(x)
    for _, at in positions(x):
        logp[at] = log_softmax_by_hand([float(v) for v in x[at]])
    expected = cross_entropy_by_hand(x, target, weight, options["ignore_index"], options["reduction"], 0)
    result = sl.nll_loss(logp, target, weight, **options)
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(sl.nll_loss(sl.Tensor(logp), sl.Tensor(target), weight, **options).numpy(), result)
    check_gradients(lambda x: sl.nll_loss(x, target, weight, **options), logp, seed=seed)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll_loss_of_nothing(reduction):
    for x, target in ((np.zeros((0, 3)), np.zeros(0, int)), (np.zeros((2, 3)), np.array([-100, -100]))):
        t = sl.Tensor(x, requires_grad=True)
        loss = sl.nll_loss(t, target, reduction=reduction)
        assert np.all(np.isnan(loss.numpy())) if reduction == "mean" else not loss.numpy().any()
        loss.backward(np.ones(loss.shape))
        assert not t.grad.any()


def test_nll_loss_of_impossible_classes():
    """log 0 costs infinitely much where it is the target's, and nothing where the position is ignored."""
    x = sl.Tensor(np.array([[0.0, -np.inf], [0.0, -np.inf], [-np.inf, 0.0]]), requires_grad=True)
    loss = sl.nll_loss(x, [0, 1, -100], reduction="none")
    assert loss.numpy().tolist() == [0, np.inf, 0]
    loss.backward(np.ones(3))
    assert x.grad.tolist() == [[-1, 0], [0, -1], [0, 0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_nll_loss_keeps_the_dtype(dtype):
    x = sl.Tensor(np.full((4096, 2), -2, dtype), requires_grad=True)
    loss = sl.nll_loss(x, np.zeros(4096, np.uint8), np.ones(2, dtype))
    loss.backward()
    assert loss.dtype == x.grad.dtype == dtype
    assert loss.item() == 2


@pytest.mark.parametrize("memory", MEMORIES)
def test_nll_loss_in_any_memory(memory):
    rng = np.random.default_rng(0)
    x, target = arranged(rng.standard_normal((2, 3, 4)), memory), rng.integers(3, size=(2, 4))
    before = snapshot(x, target)
    t = sl.Tensor(x, requires_grad=True)
    loss = sl.nll_loss(t, target)
    loss.backward()
    assert loss.item() == pytest.approx(-np.mean([x[n, target[n, d], d] for n, d in np.ndindex(2, 4)]), rel=1e-12)
    assert np.count_nonzero(t.grad) == 8
    assert snapshot(x, target) == before


@pytest.mark.parametrize(("arguments", "options", "error", "message"), [
    (([[1.0, 2.0]], [2]), {}, ValueError, r"from 0 to 1 \(or ignore_index -100\), but target\[0\] is 2"),
    (([[1.0, 2.0]], [0, 1]), {}, ValueError, "without its class axis"),
    (([[1.0, 2.0]], [0.0]), {}, TypeError, "target must hold classes as integers, but its dtype is float64"),
    (([[1.0, 2.0]], [[0.5, 0.5]]), {}, TypeError, "target must hold classes as integers"),
    (([[1.0, 2.0]], [0], [1.0]), {}, ValueError, "one entry per class"),
    (([[1.0, 2.0]], [0], sl.Tensor([1.0, 1.0], True)), {}, ValueError, r"nll_loss have no gradient; pass weight"),
    (([[1, 2]], [0]), {}, TypeError, "input must be a float16, float32 or float64 array"),
    (([[1.0, 2.0]], [0]), {"reduction": "avg"}, ValueError, '"mean", "sum" or "none", but got \'avg\''),
])  # fmt: skip
def test_nll_loss_with_wrong_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        sl.nll_loss(*arguments, **options)
