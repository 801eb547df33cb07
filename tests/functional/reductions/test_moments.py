"""Variance, standard deviation and norms, against their definitions over the elements of each group."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from tests.functional.reductions.test_sums import reductions


def groups(x, dims, keepdim):
    """Return {index of the result: the elements that are reduced to it}, and the result's shape."""
    over = {dim % x.ndim for dim in (range(x.ndim) if dims is None else dims if isinstance(dims, tuple) else (dims,))}
    met = {}
    for index in np.ndindex(x.shape):
        place = tuple(0 if i in over else k for i, k in enumerate(index) if keepdim or i not in over)
        met.setdefault(place, []).append(float(x[index]))
    return met, tuple(1 if i in over else n for i, n in enumerate(x.shape) if keepdim or i not in over)


def norm_by_hand(values, order):
    sizes = [abs(v) for v in values]
    if math.isinf(order):
        return max(sizes) if order > 0 else min(sizes)
    if order == 0:
        return sum(v != 0 for v in sizes)
    return sum(v**order for v in sizes) ** (1 / order)


@given(case=reductions(), correction=st.sampled_from([0, 1, 0.5]), seed=st.integers(0, 2**32 - 1))
def test_variance_and_deviation(case, correction, seed):
    shape, dims, keepdim = case
    x = np.random.default_rng(seed).standard_normal(shape)
    by_place, result_shape = groups(x, dims, keepdim)
    variance = sl.var(x, dims, correction=correction, keepdim=keepdim)
    deviation = sl.Tensor(x).std(dims, correction=correction, keepdim=keepdim).numpy()
    assert variance.shape == deviation.shape == result_shape
    for place, values in by_place.items():
        mean = sum(values) / len(values)
        squares = sum((v - mean) ** 2 for v in values)
        if len(values) > correction:
            assert variance[place] == pytest.approx(squares / (len(values) - correction), rel=1e-12, abs=1e-15)
            assert deviation[place] == pytest.approx(
                math.sqrt(squares / (len(values) - correction)), rel=1e-12, abs=1e-8
            )
        else:
            assert math.isnan(variance[place])


@pytest.mark.parametrize("order", [2, 1, 3, 0.5, 0, -1, math.inf, -math.inf])
@given(case=reductions(), seed=st.integers(0, 2**32 - 1))
def test_norms(order, case, seed):
    shape, dims, keepdim = case
    x = np.random.default_rng(seed).uniform(0.25, 2, shape) * np.random.default_rng(seed).choice([-1, 1], shape)
    by_place, result_shape = groups(x, dims, keepdim)
    result = sl.vector_norm(x, order, dims, keepdim)
    assert result.shape == result_shape
    for place, values in by_place.items():
        assert result[place] == pytest.approx(norm_by_hand(values, order), rel=1e-12)
    np.testing.assert_array_equal(sl.Tensor(x).norm(order, dims, keepdim).numpy(), result)


def test_the_mean_costs_no_digits():
    x = np.array([1e8, 1e8 + 1, 1e8 + 2], np.float64)
    assert sl.var(x) == 1.0
    assert sl.var(np.array([1e3, 1e3 + 1, 1e3 + 2], np.float16)) == 1.0


def test_norms_do_not_overflow():
    for scale in (1e200, 1e-200):
        np.testing.assert_allclose(sl.vector_norm([3 * scale, -4 * scale]), 5 * scale, rtol=1e-15)
    assert sl.vector_norm(np.full(3, 200, np.float16), 2).dtype == np.float16
    np.testing.assert_allclose(sl.vector_norm(np.array([30000, 40000], np.float16)), 50000, rtol=1e-3)


def test_norms_of_infinity_nan_and_nothing():
    assert sl.vector_norm([np.inf, 1.0]) == np.inf
    assert np.isnan(sl.vector_norm([np.nan, 1.0]))
    assert sl.vector_norm(np.zeros(0)) == 0


def test_gradients_where_they_are_not_defined():
    """Equal elements have no deviation, and zeros no direction: 0, as in PyTorch."""
    for function in (sl.std, sl.vector_norm, lambda x: sl.vector_norm(x, 1), lambda x: sl.vector_norm(x, 0.5)):
        x = sl.Tensor(np.zeros(3), requires_grad=True)
        function(x).backward()
        assert x.grad.tolist() == [0, 0, 0]
    x = sl.Tensor([2.0, -2.0, 1.0], requires_grad=True)
    x.norm(math.inf).backward()
    assert x.grad.tolist() == [0.5, -0.5, 0]


def test_the_name_of_the_default_norm():
    assert sl.Tensor([3.0, 4.0]).norm("fro").item() == 5
    with pytest.raises(TypeError, match="ord must be a number, but got 'nuc'"):
        sl.Tensor([3.0, 4.0]).norm("nuc")
