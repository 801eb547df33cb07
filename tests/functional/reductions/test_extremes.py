"""The largest and smallest elements, their places, and who gets the gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from tests.functional.reductions.test_moments import groups
from tests.functional.reductions.test_sums import reductions


@given(case=reductions(), seed=st.integers(0, 2**32 - 1))
def test_values_over_axes(case, seed):
    shape, dims, keepdim = case
    x = np.random.default_rng(seed).integers(-3, 4, shape)
    for array in (x, x.astype(np.float32)):
        by_place, result_shape = groups(array, dims, keepdim)
        for function, by_hand in ((sl.amax, max), (sl.amin, min)):
            result = function(array, dims, keepdim)
            assert result.shape == result_shape
            assert result.dtype == array.dtype
            assert all(result[place] == by_hand(values) for place, values in by_place.items())


@given(shape=st.lists(st.integers(1, 3), max_size=3).map(tuple), data=st.data())
def test_places(shape, data):
    """The first of equal elements."""
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-1, 2, shape) / 2
    dim = data.draw(st.integers(-len(shape), len(shape) - 1)) if shape else None
    keepdim = data.draw(st.booleans())
    by_place, result_shape = groups(x, dim, keepdim)
    for name, by_hand in (("max", max), ("min", min)):
        places = getattr(sl, f"arg{name}")(x, dim, keepdim)
        assert places.dtype == np.int64
        assert places.shape == result_shape
        assert all(places[place] == values.index(by_hand(values)) for place, values in by_place.items())
        assert getattr(sl, f"arg{name}")(x) == x.ravel().tolist().index(by_hand(x.ravel().tolist()))
        assert getattr(sl, name)(x) == by_hand(x.ravel().tolist())
        if dim is not None:
            values, indices = getattr(sl.Tensor(x), name)(dim, keepdim)
            np.testing.assert_array_equal(indices.numpy(), places)
            assert all(values.numpy()[place] == by_hand(group) for place, group in by_place.items())


def test_who_gets_the_gradient():
    """Without an axis, and over several, equal elements share it; along one axis it goes to the index."""
    x = [[1.0, 3.0, 3.0], [3.0, 0.0, 0.0]]
    for call, expected in (
        (lambda t: t.max(), [[0, 1 / 3, 1 / 3], [1 / 3, 0, 0]]),
        (lambda t: t.amax(1).sum(), [[0, 0.5, 0.5], [1, 0, 0]]),
        (lambda t: t.max(1).values.sum(), [[0, 1, 0], [1, 0, 0]]),
        (lambda t: t.min(), [[0, 0, 0], [0, 0.5, 0.5]]),
        (lambda t: t.amin((0, 1)), [[0, 0, 0], [0, 0.5, 0.5]]),
        (lambda t: t.min(dim=-1, keepdim=True)[0].sum(), [[1, 0, 0], [0, 1, 0]]),
    ):
        t = sl.Tensor(x, requires_grad=True)
        call(t).backward()
        np.testing.assert_allclose(t.grad, expected)


def test_two_operands():
    assert sl.max(np.array([1.0, 5.0]), np.array([3.0, 2.0])).tolist() == [3, 5]
    assert sl.Tensor([1.0, 5.0]).min(sl.Tensor([3.0, 2.0])).tolist() == [1, 2]


def test_nan_is_the_largest_and_the_smallest():
    x = np.array([[1.0, np.nan, 3.0]])
    assert np.isnan(sl.amax(x))
    assert np.isnan(sl.min(x, 1).values).all()
    assert sl.argmax(x, 1).tolist() == sl.argmin(x, 1).tolist() == [1]


def test_labels():
    values, indices = sl.max(np.array([[1, 7], [3, 2]]), 0)
    assert (values.tolist(), indices.tolist()) == ([3, 7], [1, 0])
    assert sl.max(np.array([False, True])).tolist() is True


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "argmax", "argmin"])
def test_nothing_has_no_largest(name):
    for arguments in ((), (1,)):
        with pytest.raises(sl.errors.ShapeError, match=r"a\w+ needs at least one element, but the shape is \(2, 0\)"):
            getattr(sl, name)(np.ones((2, 0)), *arguments)
    assert np.shape(getattr(sl, name)(np.ones((0, 3)), 1)) in ((0,), (2, 0))  # two results have an axis more


def test_wrong_axes():
    with pytest.raises(TypeError, match=r"dim must be an integer, but got \(0, 1\)"):
        sl.max(np.ones((2, 3)), (0, 1))
