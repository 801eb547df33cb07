"""Sums and means, against loops over the elements."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients


@st.composite
def reductions(draw):
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=4)))
    dims = draw(
        st.one_of(st.none(), st.lists(st.sampled_from(range(len(shape))), unique=True) if shape else st.none())
    )
    if dims is not None:
        dims = tuple(dim - len(shape) if draw(st.booleans()) else dim for dim in dims)
        dims = dims[0] if len(dims) == 1 and draw(st.booleans()) else dims
    return shape, dims, draw(st.booleans())


def reduced_by_hand(x, dims, keepdim):
    """Return the sums, and how many elements each has."""
    given_dims = range(x.ndim) if dims is None else dims if isinstance(dims, tuple) else (dims,)
    over = {dim % x.ndim for dim in given_dims} if x.ndim else set()
    kept = tuple(1 if i in over else n for i, n in enumerate(x.shape))
    sums, counts = np.zeros(kept), np.zeros(kept)
    for index in itertools.product(*map(range, x.shape)):
        where = tuple(0 if i in over else k for i, k in enumerate(index))
        sums[where] += x[index]
        counts[where] += 1
    shape = kept if keepdim else tuple(n for i, n in enumerate(x.shape) if i not in over)
    return sums.reshape(shape), counts.reshape(shape)


@given(case=reductions(), seed=st.integers(0, 2**32 - 1))
def test_sum_and_mean(case, seed):
    shape, dims, keepdim = case
    x = np.random.default_rng(seed).standard_normal(shape)
    sums, counts = reduced_by_hand(x, dims, keepdim)
    total, mean = sl.Tensor(x).sum(dims, keepdim), sl.Tensor(x).mean(dims, keepdim)
    assert total.shape == mean.shape == sums.shape
    np.testing.assert_allclose(total.numpy(), sums, atol=1e-13)
    np.testing.assert_allclose(mean.numpy(), sums / counts, atol=1e-13)
    check_gradients(lambda x: x.sum(dims, keepdim) * 1, x, seed=seed)
    check_gradients(lambda x: x.mean(dims, keepdim) ** 2, x, seed=seed)


def test_numpy_names_of_the_parameters():
    x = sl.Tensor(np.arange(6.0).reshape(2, 3))
    assert x.sum(axis=1, keepdims=True).numpy().tolist() == [[3], [12]]
    assert x.mean(dim=0).numpy().tolist() == x.mean(axis=0).numpy().tolist()
    with pytest.raises(TypeError, match="sum takes dim or axis, which mean the same, but got 0 and 1"):
        x.sum(0, axis=1)


def test_half_precision_is_summed_in_single():
    """4096 terms of 1, added one by one in float16, stop at 2048."""
    x = sl.Tensor(np.ones((4096, 2), np.float16), requires_grad=True)
    assert x.sum(0).numpy().tolist() == [4096, 4096]
    mean = x.mean(0)
    assert mean.numpy().tolist() == [1, 1]
    mean.backward(np.ones(2, np.float16))
    assert x.grad.dtype == np.float16
    assert np.all(x.grad == np.float16(1 / 4096))


def test_the_mean_of_nothing_is_nan_without_a_warning():
    x = sl.Tensor(np.ones((2, 0), np.float32), requires_grad=True)
    mean = x.mean(1)
    assert np.isnan(mean.numpy()).tolist() == [True, True]
    mean.backward(np.ones(2, np.float32))
    assert x.grad.shape == (2, 0)
    assert x.sum().item() == 0


@pytest.mark.parametrize(("dim", "error", "message"), [
    (2, ValueError, "dim must be an axis of the input, from -2 to 1, but got 2"),
    (-3, ValueError, "from -2 to 1, but got -3"),
    ((0, -2), ValueError, r"dim must not name an axis twice, but got \(0, -2\) for 2 axes"),
    (1.0, TypeError, "dim must be an integer, but got 1.0"),
    (True, TypeError, "dim must be an integer, but got True"),
])  # fmt: skip
def test_wrong_axes(dim, error, message):
    with pytest.raises(error, match=message):
        sl.Tensor(np.ones((2, 3))).sum(dim)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum"])
@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_integers_and_bools_give_int64(name, dtype):
    x = np.array([[0, 1, 1], [1, 1, 1]], dtype)
    expected = {"sum": [1, 2, 2], "prod": [0, 1, 1], "cumsum": [[0, 1, 1], [1, 2, 2]]}[name]
    for result in (getattr(sl, name)(x, 0), getattr(sl.Tensor(x), name)(0).numpy()):
        assert result.dtype == np.int64
        assert result.tolist() == expected


def test_the_mean_of_integers_is_refused():
    with pytest.raises(TypeError, match="float16, float32 or float64"):
        sl.Tensor([1, 2]).mean()


# --- products, sums of exponentials, sums so far ------------------------------------------------------------------


@given(case=reductions(), seed=st.integers(0, 2**32 - 1))
def test_prod_and_logsumexp(case, seed):
    shape, dims, keepdim = case
    x = np.random.default_rng(seed).uniform(0.5, 2, shape)
    logs, _ = reduced_by_hand(np.log(x), dims, keepdim)
    np.testing.assert_allclose(sl.prod(x, dims, keepdim), np.exp(logs), rtol=1e-12)
    sums, _ = reduced_by_hand(x, dims, keepdim)
    for shift in (0, 1e4, -1e4):  # exp(1e4) overflows, exp(-1e4) underflows
        result = sl.logsumexp(np.log(x) + shift, dims, keepdim)
        np.testing.assert_allclose(result - shift, np.log(sums), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("factors", "slopes"), [
    ([2.0, 3.0, 5.0], [15, 10, 6]),
    ([0.0, 3.0, 5.0], [15, 0, 0]),
    ([0.0, 3.0, 0.0], [0, 0, 0]),
    ([7.0], [1]),
    ([], []),
])  # fmt: skip
def test_products_of_zeros_have_their_gradient(factors, slopes):
    x = sl.Tensor(np.array(factors), requires_grad=True)
    x.prod().backward()
    assert x.grad.tolist() == slopes


def test_logsumexp_at_infinity():
    x = sl.Tensor([[-np.inf, -np.inf], [np.inf, 0.0], [-np.inf, 3.0]], requires_grad=True)
    result = x.logsumexp(1)
    assert result.tolist() == [-np.inf, np.inf, 3.0]
    result[2].backward()
    assert x.grad.tolist()[2] == [0.0, 1.0]
    assert sl.logsumexp(np.ones((2, 0)), 1).tolist() == [-np.inf, -np.inf]


@given(shape=st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple), data=st.data())
def test_cumsum(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = np.random.default_rng(0).standard_normal(shape)
    expected = np.zeros(shape)
    for index in itertools.product(*map(range, shape)):
        for place in range(index[dim] + 1):
            earlier = list(index)
            earlier[dim] = place
            expected[index] += x[tuple(earlier)]
    np.testing.assert_allclose(sl.cumsum(x, dim), expected, atol=1e-13)


def test_cumsum_in_half_precision_adds_in_single():
    assert sl.cumsum(np.ones(4096, np.float16), 0)[-1] == 4096


@pytest.mark.parametrize("function", [sl.sum, sl.mean, sl.prod, sl.cumsum])
def test_a_dtype_to_compute_in(function):
    x = sl.Tensor(np.array([1.0, 30.0, 30.0], np.float16), requires_grad=True)
    y = function(x, 0, dtype=np.float64)
    np.testing.assert_array_equal(y.numpy(), function(x.numpy().astype(np.float64), 0))
    y.sum().backward()
    assert (y.dtype, x.grad.dtype) == (np.float64, np.float16)
    assert function(np.array([1, 2]), 0, dtype=np.float32).dtype == np.float32
    with pytest.raises(TypeError, match="dtype must be float16, float32 or float64, but got int64"):
        function(x, 0, dtype=int)
