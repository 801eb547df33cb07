"""Dropout: what is kept and what is not, whole channels, where the masks come from, what is saved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from tests.helpers.cases import MEMORIES, arranged, snapshot

FLOATS = (np.float16, np.float32, np.float64)
ELEMENTWISE = (sl.dropout, lambda x, p, training, rng: sl.alpha_dropout(x, p, training, rng=rng))


@given(
    shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    p=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]),
    dtype=st.sampled_from(FLOATS),
    seed=st.integers(0, 2**32 - 1),
)
def test_elements_are_0_or_divided_by_the_rate(shape, p, dtype, seed):
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.uniform(1, 2, shape) * rng.choice([-1, 1], shape)).astype(dtype)
    g = np.asarray(rng.standard_normal(shape)).astype(dtype)
    t = sl.Tensor(x, requires_grad=True)
    y = sl.dropout(t, p, rng=seed)
    y.backward(g)
    assert (y.shape, y.dtype, t.grad.dtype) == (shape, dtype, dtype)
    kept = y.numpy() != 0
    if p in (0, 1):
        assert np.all(kept == (p == 0))
    scale = 1 / (1 - p) if p < 1 else 0
    tolerance = 2e-3 if dtype == np.float16 else 1e-6
    np.testing.assert_allclose(y.numpy(), x.astype(np.float64) * scale * kept, rtol=tolerance)
    np.testing.assert_allclose(t.grad, g.astype(np.float64) * scale * kept, rtol=tolerance, atol=1e-7)
    np.testing.assert_array_equal(sl.dropout(x, p, rng=seed), y.numpy())


def test_the_mean_stays():
    x = np.ones(1_000_000, np.float32)
    for p in (0.1, 0.5, 0.8):
        y = sl.dropout(x, p, rng=0)
        assert y.mean(dtype=np.float64) == pytest.approx(1, abs=5 * (p / (1 - p)) ** 0.5 / 1000)


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).standard_normal(1_000_000)
    for p in (0.1, 0.5, 0.8):
        y = sl.alpha_dropout(x, p, True, rng=0)
        assert y.mean() == pytest.approx(0, abs=0.01)
        assert y.std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("function", "batched", "single"), [
    (sl.dropout1d, (5, 7, 4), (7, 4)),
    (sl.dropout2d, (5, 7, 3, 4), (7, 3, 4)),
    (sl.dropout3d, (5, 7, 2, 3, 2), (7, 2, 3, 2)),
])  # fmt: skip
def test_channels_are_kept_or_dropped_as_a_whole(function, batched, single):
    rng = np.random.default_rng(0)
    dropped, channels = 0, 0
    for shape, leading in ((batched, 2), (single, 1)):
        for _ in range(20):
            x = rng.uniform(1, 2, shape)
            t = sl.Tensor(x, requires_grad=True)
            y = function(t, 0.3, rng=rng)
            ratio = (y.numpy() / x).reshape(*shape[:leading], -1)
            assert np.all((ratio == 0) == (ratio[..., :1] == 0))
            assert np.all((ratio == 0) | (np.abs(ratio - 1 / 0.7) < 1e-12))
            y.backward(np.full(shape, 2.0))
            np.testing.assert_allclose(t.grad, 2 * y.numpy() / x, rtol=1e-12)
            dropped += int((ratio[..., 0] == 0).sum())
            channels += ratio[..., 0].size
    assert dropped / channels == pytest.approx(0.3, abs=0.06)


# --- where masks come from ------------------------------------------------------------------------------------------


def test_one_seed_gives_equal_masks_and_a_generator_goes_on():
    x = np.ones((50, 40))
    np.testing.assert_array_equal(sl.dropout(x, rng=3), sl.dropout(x, rng=3))
    assert (sl.dropout(x, rng=3) != sl.dropout(x, rng=4)).any()
    runs = []
    for _ in range(2):
        rng = np.random.default_rng(3)
        runs.append([sl.dropout(x, rng=rng) for _ in range(3)])
    np.testing.assert_array_equal(*runs)
    assert (runs[0][0] != runs[0][1]).any()
    assert (runs[0][1] != runs[0][2]).any()


def test_none_is_fresh_entropy():
    x = np.ones(1000)
    assert (sl.dropout(x) != sl.dropout(x)).any()


def test_numpys_global_generator_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002
    x = np.ones((4, 5, 6))
    for function in (sl.dropout, sl.dropout1d, sl.alpha_dropout):
        function(x, 0.5, True)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_the_mask_does_not_depend_on_the_memory_order():
    """A network whose algorithms arrange memory differently learns the same."""
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    expected = sl.dropout(x, rng=1)
    for memory in ("channels-last", "fortran", "reversed", "sliced"):
        np.testing.assert_array_equal(sl.dropout(arranged(x, memory), rng=1), expected)


# --- what is returned, saved and refused ----------------------------------------------------------------------------


def test_without_training_the_input_itself_is_returned():
    x = np.ones((2, 3))
    t = sl.Tensor(x, requires_grad=True)
    for function in (sl.dropout, sl.dropout1d, sl.alpha_dropout):
        for p, training in ((0.5, False), (0.0, True), (1.0, False)):
            assert function(x, p, training) is x
            assert function(t, p, training) is t


def test_what_is_saved_is_one_byte_per_element():
    t = sl.Tensor(np.ones((100, 50), np.float32), requires_grad=True)
    y = sl.dropout(t, rng=0)
    assert y.node.saved.dtype == bool
    assert y.node.saved.nbytes == 5000
    assert sl.dropout2d(sl.Tensor(np.ones((2, 3, 8, 8)), True), rng=0).node.saved.nbytes == 6


@pytest.mark.parametrize("function", ELEMENTWISE)
@pytest.mark.parametrize("memory", MEMORIES)
def test_any_memory(function, memory):
    rng = np.random.default_rng(0)
    x, g = arranged(rng.standard_normal((4, 3, 5, 2)), memory), arranged(rng.standard_normal((4, 3, 5, 2)), memory)
    before = snapshot(x, g)
    t = sl.Tensor(x, requires_grad=True)
    y = function(t, 0.4, True, rng=1)
    y.backward(g.astype(np.float64) if memory == "other byte order" else g)
    plain = sl.Tensor(x.astype(np.float64, order="C"), requires_grad=True)
    expected = function(plain, 0.4, True, rng=1)
    expected.backward(g.astype(np.float64, order="C"))
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    np.testing.assert_array_equal(t.grad, plain.grad)
    assert snapshot(x, g) == before


def test_results_keep_the_memory_order():
    last = np.moveaxis(np.ones((2, 4, 5, 3)), -1, 1)
    assert sl.dropout(last, rng=0).strides == last.strides
    assert sl.dropout2d(last, rng=0).strides == last.strides


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: sl.dropout([1.0], 1.5), ValueError, "p must be from 0 to 1, but got 1.5"),
    (lambda: sl.dropout([1.0], -0.1), ValueError, "p must be from 0 to 1, but got -0.1"),
    (lambda: sl.dropout([1.0], float("nan")), ValueError, "p must be from 0 to 1, but got nan"),
    (lambda: sl.dropout([1.0], "0.5"), TypeError, "p must be a number, but got '0.5'"),
    (lambda: sl.dropout([1.0], 0.5, 1), TypeError, "training must be True or False, but got 1"),
    (lambda: sl.dropout([1]), TypeError, "input must be a float16, float32 or float64 array"),
    (lambda: sl.dropout([1], training=False), TypeError, "input must be a float16, float32 or float64 array"),
    (lambda: sl.dropout1d(np.ones(3)), ValueError, r"must be \(N, C, L\) or \(C, L\), but its shape is \(3,\)"),
    (lambda: sl.dropout2d(np.ones((2, 3))), ValueError, r"\(N, C, H, W\) or \(C, H, W\), but its shape is \(2, 3\)"),
    (lambda: sl.dropout3d(np.ones((2, 3, 4)), training=False), ValueError, "use dropout for other shapes"),
])  # fmt: skip
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
